/**
 * What the tests of `enable` do to the machine, and how they see that it is as before.
 *
 * @module
 */

import {
  applyUnitPlan,
  type EnableRequest,
  openManager,
  openUnitWorld,
  planDisable,
  planEnable,
  readUnitSockets,
  type UnitOutcome,
  type UnitPlan,
} from "../../mod.ts";
import { CLI } from "../apps/force.ts";
import { installCheckout } from "../attach/installation.ts";
import { type Skip, skipUnless } from "../skip.ts";
import { DROP_IN_FOLDER, FILES, SCENE, UNITS } from "./units.ts";

/** For tests that change units of a real systemd. */
export const LAB = skipUnless(
  "the kernel lab",
  Deno.env.has("MPTCPIZE_LAB"),
  "`deno task lab`",
);

/** Has mptcpize and the units of the tests on the machine while the tests of a file run, unless they are skipped. */
export function prepareMachine({ ignore }: Skip): void {
  const stack = new AsyncDisposableStack();
  Deno.test.beforeAll(async () => {
    if (ignore) return;
    stack.use(installCheckout());
    stack.use(await installUnits());
  });
  Deno.test.afterAll(() => stack.disposeAsync());
}

const decoder = new TextDecoder();

/** What a command answered. */
export interface Answer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end. */
export async function run(
  words: readonly string[],
  options: Omit<Deno.CommandOptions, "args"> = {},
): Promise<Answer> {
  const { code, stdout, stderr } = await new Deno.Command(words[0]!, {
    args: words.slice(1),
    stdin: "null",
    ...options,
  }).output();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Runs a command that must succeed, and gives what it printed. */
export async function must(...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(words);
  if (code !== 0) throw new Error(`${words.join(" ")} → ${code}: ${stderr}`);
  return stdout;
}

/** Asks until something is so. */
export async function until(what: string, ask: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 120_000;
  while (!await ask()) {
    if (performance.now() > deadline) throw new Error(`still not so: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Verdicts of the listeners of a unit, by the kernel. */
export async function listeners(unit: string): Promise<string[]> {
  const sockets = await readUnitSockets(openManager("system"), unit);
  return sockets.filter(({ state }) => state === "LISTEN").map(({ verdict }) => verdict);
}

/** The words that start mptcpize. */
export function mptcpizeWords(...words: readonly string[]): string[] {
  return [Deno.execPath(), "run", "-qA", "--no-check", CLI, ...words];
}

/** Runs mptcpize to its end. */
export function mptcpize(...words: readonly string[]): Promise<Answer> {
  return run(mptcpizeWords(...words));
}

/** Runs mptcpize behind a shell's commands, in mounts of their own: what they mount, nobody else sees. */
export function mptcpizeBehind(script: string, ...words: readonly string[]): Promise<Answer> {
  return run([
    ...["unshare", "--mount", "--propagation=private", "sh", "-ec", `${script}\nexec "$@"`, "sh"],
    ...mptcpizeWords(...words),
  ]);
}

/** Enables units as the command line does, but without the time that it takes to start. */
export async function enable(
  units: readonly string[],
  request: Partial<EnableRequest> = {},
): Promise<{ plan: UnitPlan; outcome: UnitOutcome }> {
  const world = openUnitWorld("system");
  const installations = ["/usr/lib/mptcpize"];
  const plan = await planEnable({ units, installations, ...request }, world);
  return { plan, outcome: await applyUnitPlan(plan, world.manager) };
}

/** Disables units in the same way. */
export async function disable(units: readonly string[], now = false): Promise<void> {
  const world = openUnitWorld("system");
  await applyUnitPlan(await planDisable({ units, now }, world), world.manager);
}

/** Where `enable` may write, and where it must not. */
const WATCHED = [
  "/etc/systemd",
  "/usr/lib/systemd/system",
  "/usr/lib/systemd/user",
  "/run/systemd/system",
  "/usr/lib/mptcpize",
  "/usr/local/bin",
  "/etc/default",
  "/var/cache",
];

async function list(path: string, found: Map<string, string>): Promise<void> {
  let info: Deno.FileInfo;
  try {
    info = Deno.lstatSync(path);
  } catch {
    return;
  }
  const traits = `${(info.mode ?? 0).toString(8)} ${info.uid} ${info.gid}`;
  if (info.isSymlink) found.set(path, `${traits} → ${Deno.readLinkSync(path)}`);
  else if (info.size > 1 << 20) {
    // Deno itself: its content takes seconds.
    found.set(path, `${traits} ${info.ino} ${info.size} ${info.mtime?.toISOString()}`);
  } else if (info.isDirectory) {
    found.set(path, traits);
    for (const { name } of Deno.readDirSync(path)) await list(`${path}/${name}`, found);
  } else if (info.isFile) {
    const digest = await crypto.subtle.digest("SHA-256", Deno.readFileSync(path));
    found.set(path, `${traits} ${info.ino} ${new Uint8Array(digest).toHex()}`);
  }
}

/** All files of the machine that have to do with units, with their content; and what systemd has read. */
export async function snapshot(): Promise<Record<string, string>> {
  const found = new Map<string, string>();
  for (const path of WATCHED) await list(path, found);
  const names = [...Object.keys(UNITS).filter((name) => !name.includes("@")), "lab-port@1.service"];
  names.push("nginx.service", "redis-server.service", "haproxy.service");
  const properties = "Id,Environment,DropInPaths,NeedDaemonReload,SocketProtocol,LoadState";
  found.set("systemd", await must("systemctl", "show", "-p", properties, "--", ...names));
  return Object.fromEntries([...found].sort());
}

/** Puts the units of the tests on the machine; what they need of it is gone when it is disposed of. */
async function installUnits(): Promise<AsyncDisposable> {
  for (const folder of [`${SCENE}/root`, DROP_IN_FOLDER]) {
    Deno.mkdirSync(folder, { recursive: true });
  }
  for (const [path, text] of Object.entries(FILES)) Deno.writeTextFileSync(path, text);
  Deno.copyFileSync("/usr/bin/sleep", `${SCENE}/root/sleep`);
  Deno.copyFileSync("/bin/busybox", `${SCENE}/root/busybox`);
  for (const [name, text] of Object.entries(UNITS)) {
    Deno.writeTextFileSync(`/etc/systemd/system/${name}`, text);
  }
  Deno.symlinkSync("/dev/null", "/etc/systemd/system/lab-masked.service");
  Deno.symlinkSync("lab-python.service", "/etc/systemd/system/lab-alias.service");
  await must("systemctl", "daemon-reload");
  return {
    [Symbol.asyncDispose]: async () => {
      await run(["systemctl", "stop", "lab-*"]);
      for (const name of [...Object.keys(UNITS), "lab-masked.service", "lab-alias.service"]) {
        Deno.removeSync(`/etc/systemd/system/${name}`);
      }
      for (const folder of [SCENE, DROP_IN_FOLDER]) Deno.removeSync(folder, { recursive: true });
      await run(["systemctl", "reset-failed"]);
      await must("systemctl", "daemon-reload");
    },
  };
}
