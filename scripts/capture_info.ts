/**
 * Captures what kernels answer about MPTCP sockets, in bytes, into inspect/testdata/.
 *
 * `deno run -A scripts/capture_info.ts` asks the kernel of this machine, in a network namespace;
 * `deno run -A scripts/capture_info.ts VMLINUZ…` boots kernels in software emulation, with
 * inspect/testdata/capture.c as their init. `deno task lab --kernels` says where the lab keeps some.
 *
 * Needs: gcc with a static C library; root (unshare) or qemu-system-x86_64.
 */

import { encodeCpio } from "./cpio.ts";
import { qemuCommand } from "./qemu.ts";

const TESTDATA = new URL("../inspect/testdata/", import.meta.url).pathname;
/** Emulated, with other work beside: a boot took 6 to 20 s. */
const BOOT_LIMIT_MS = 180_000;

const encoder = new TextEncoder();

async function run(command: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args,
    signal: AbortSignal.timeout(BOOT_LIMIT_MS),
  }).output();
  const text = new TextDecoder();
  if (!success) throw new Error(`${command} failed: ${text.decode(stderr)}`);
  return text.decode(stdout);
}

async function boot(
  kernel: string,
  folder: string,
  init: Uint8Array<ArrayBuffer>,
): Promise<string> {
  const initrd = `${folder}/initrd`;
  Deno.writeFileSync(initrd, await encodeCpio([{ name: "init", mode: 0o100755, data: init }]));
  return await run(...qemuCommand({ kernel, initrd, memory: 512, devices: ["-serial", "stdio"] }));
}

interface Capture {
  readonly release: string;
  readonly version: string;
  readonly machine: string;
  readonly sockets: unknown;
}

/** The JSON object among what else a console shows. */
function extract(console: string): Capture {
  const text = console.replaceAll("\r", "");
  const [start, end] = [text.indexOf("{\n"), text.lastIndexOf("\n}\n")];
  if (start < 0 || end < 0) throw new Error(`no capture in the output:\n${text}`);
  return JSON.parse(text.slice(start, end + 2));
}

const folder = Deno.makeTempDirSync({ prefix: "mptcpize-capture-" });
try {
  const program = `${folder}/capture`;
  await run("gcc", "-O1", "-Wall", "-Wextra", "-static", `${TESTDATA}capture.c`, "-o", program);
  const outputs = Deno.args.length === 0
    ? [() => run("unshare", "-n", program)]
    : Deno.args.map((kernel) => () => boot(kernel, folder, Deno.readFileSync(program)));
  for (const output of outputs) {
    const { release, version, machine, sockets } = extract(await output());
    // Debian's package version names the source exactly; else the numbers, without what a builder
    // of kernels appends.
    const debian = /Debian (\S+)/.exec(version)?.[1];
    const kernel = debian ? `Debian ${debian}` : /^[\d.]+/.exec(release)?.[0] ?? release;
    const short = /^\d+\.\d+/.exec(release)?.[0] ?? release;
    const path = `${TESTDATA}linux_${short}.json`;
    Deno.writeTextFileSync(path, JSON.stringify({ kernel, machine, sockets }, null, 2) + "\n");
    await Deno.stdout.write(encoder.encode(`${path}: ${kernel} ${machine}\n`));
  }
} finally {
  Deno.removeSync(folder, { recursive: true });
}
