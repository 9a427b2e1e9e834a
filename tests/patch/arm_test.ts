/**
 * The patcher for aarch64 on a kernel of its own: what ptrace does cannot be tried with qemu-user.
 *
 * @module
 */

import { deepStrictEqual, match, ok, strictEqual } from "node:assert";
import { encodeCpio } from "../../scripts/cpio.ts";
import { unpackPackages } from "../../scripts/lab/debian.ts";
import { cached } from "../../scripts/lab/recipe.ts";
import { commandExists, skipUnless, skipUnlessAll } from "../skip.ts";
import { buildArmProgram, fillRoom, patcherFor, run } from "./world.ts";

const RECIPE = { suite: "bookworm", packages: [String.raw`linux-image-\d.*-cloud-arm64`] };
const FILE = 0o100755;
const FOLDER = 0o040755;

/** The path of Debian's newest kernel for aarch64 in virtual machines. */
async function fetchKernel(): Promise<string> {
  const folder = await cached("linux_arm64", RECIPE, async (folder) => {
    const tree = `${folder}/tree`;
    await unpackPackages(RECIPE.suite, RECIPE.packages, tree, "arm64");
    const [kernel] = [...Deno.readDirSync(`${tree}/boot`)].filter(({ name }) =>
      name.startsWith("vmlinuz-")
    );
    await Deno.rename(`${tree}/boot/${kernel!.name}`, `${folder}/vmlinuz`);
    await Deno.remove(tree, { recursive: true });
  });
  return `${folder}/vmlinuz`;
}

/** Boots a machine that has some files and runs some commands; what each wrote, with its status. */
async function boot(
  files: Readonly<Record<string, string>>,
  commands: readonly string[],
): Promise<Map<string, string>> {
  const folder = await Deno.makeTempDir({ prefix: "mptcpize-arm-" });
  try {
    const read = async (path: string) => await Deno.readFile(path);
    const entries = await Promise.all(
      Object.entries(files).map(async ([name, path]) => ({
        name,
        mode: FILE,
        data: await read(path),
      })),
    );
    const cases = new TextEncoder().encode(commands.map((command) => `${command}\n`).join(""));
    const archive = await encodeCpio([
      { name: "dev", mode: FOLDER },
      ...entries,
      { name: "cases", mode: FILE, data: cases },
    ]);
    await Deno.writeFile(`${folder}/initrd`, archive);
    const { out, err } = await run(
      [
        "qemu-system-aarch64",
        ...["-accel", "tcg,thread=multi", "-machine", "virt", "-cpu", "max", "-smp", "2"],
        ...["-m", "512", "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio"],
        ...["-kernel", await fetchKernel(), "-initrd", `${folder}/initrd`],
        ...["-append", "console=ttyAMA0 quiet loglevel=0 oops=panic panic=-1"],
      ],
      {},
      600_000,
    );
    const text = out.replaceAll("\r", "");
    ok(text.includes("== the end"), `${text}\n${err}`);
    return new Map(
      text.split(/^== /m).slice(1).map((block) => {
        const [command, ...lines] = block.split("\n");
        return [command!, lines.join("\n").trimEnd()];
      }),
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test({
  name: "the patcher for aarch64 reaches static programs, and leaves nothing behind, on its kernel",
  ...skipUnlessAll(
    ...["qemu-system-aarch64", "aarch64-linux-gnu-gcc", "apt-get"].map((need) =>
      skipUnless(need, commandExists(need))
    ),
  ),
  async fn() {
    const matrix = await buildArmProgram("matrix", "-static", "-pthread");
    const files = {
      init: await buildArmProgram("init", "-static"),
      matrix,
      full: await fillRoom(matrix),
      pie: await buildArmProgram("matrix", "-static-pie", "-fPIE", "-pthread"),
      surroundings: await buildArmProgram("surroundings", "-static"),
      patch: patcherFor("aarch64"),
    };
    const patched = (path: string, what: string) => `/patch -d ${path} ${path} ${path} ${what}`;
    const kinds = ["/matrix", "/full", "/pie"];
    const forced: Readonly<Record<string, string>> = {
      [patched("/full", "fork")]: "own 1\nnone left 1\n-- 0",
      [patched("/matrix", "threads")]: "wrong 0\n-- 0",
      [patched("/matrix", "fork")]: "own 1\nnone left 1\n-- 0",
      [patched("/matrix", "rebind 500")]: "taken 0 wrong 0\n-- 0",
      [patched("/matrix", "exit 37")]: "-- 37",
      [patched("/matrix", "crash")]: "-- 139",
      [patched("/surroundings", "net")]: "protocol 262 own 1\n-- 0",
      [patched("/surroundings", "drop")]: "protocol 262 uid 1000\n-- 0",
      [patched("/surroundings", "code")]: "protocol 262, and of the code 6\n-- 0",
    };
    const outcomes = await boot(files, [
      ...kinds.flatMap((path) => [`${path} kinds`, patched(path, "kinds")]),
      patched("/matrix", "state"),
      ...Object.keys(forced),
    ]);
    const told = /^mptcpize: \S+: places that ask for MPTCP now: \d+\n/;
    for (const path of kinds) {
      const bare = outcomes.get(`${path} kinds`)!.split("\n");
      strictEqual(bare.filter((line) => /^(tcp|syscall|lowest)/.test(line)).length, 8);
      const expected = bare.map((line) =>
        /^(tcp|lowest)/.test(line)
          ? line.replace("protocol 6 ", "protocol 262 ")
          : line.replace(/^syscall 6$/, "syscall 262")
      );
      const outcome = outcomes.get(patched(path, "kinds"))!;
      match(outcome, told);
      deepStrictEqual(outcome.replace(told, "").split("\n"), expected);
    }
    for (const [command, expected] of Object.entries(forced)) {
      strictEqual(outcomes.get(command)!.replace(told, ""), expected, command);
    }
    const state = outcomes.get(patched("/matrix", "state"))!;
    match(state, /^TracerPid:\t0$/m);
    match(state, /^child -1 errno 10$/m);
  },
});
