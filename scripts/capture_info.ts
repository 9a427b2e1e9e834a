/**
 * Captures what kernels answer about MPTCP sockets, in bytes, into inspect/testdata/.
 *
 * `deno run -A scripts/capture_info.ts` asks the kernel of this machine, in a network namespace;
 * `deno run -A scripts/capture_info.ts VMLINUZ[=MODULES]…` boots kernels in software emulation, with
 * inspect/testdata/capture.c as their init; MODULES is a folder such as `lib/modules/6.12.95-amd64`, for
 * kernels whose lists of sockets are modules. `deno task lab --kernels` says where some kernels lie.
 *
 * Needs: gcc with a static C library; root (unshare) or qemu-system-x86_64.
 */

import { type CpioEntry, encodeCpio } from "./cpio.ts";
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

/** The modules that list sockets, of the folder of a kernel's modules; a kernel may have them built in. */
async function readModules(folder: string): Promise<CpioEntry[]> {
  const entries: CpioEntry[] = [];
  for (const name of ["ipv4/inet_diag", "ipv4/tcp_diag", "mptcp/mptcp_diag"]) {
    const path = `${folder}/kernel/net/${name}.ko`;
    const { stdout, success } = await new Deno.Command("sh", {
      args: ["-c", 'cat "$0" 2>/dev/null || xz -dc "$0.xz"', path],
    }).output();
    if (!success) throw new Error(`${path} is not there, nor with .xz`);
    entries.push({ name: name.replace(/.*\//, "") + ".ko", mode: 0o100644, data: stdout });
  }
  return entries;
}

async function boot(
  kernel: string,
  folder: string,
  init: Uint8Array<ArrayBuffer>,
): Promise<string> {
  const initrd = `${folder}/initrd`;
  const [image = "", modules] = kernel.split("=");
  const entries: CpioEntry[] = [
    { name: "init", mode: 0o100755, data: init },
    ...modules === undefined ? [] : await readModules(modules),
  ];
  Deno.writeFileSync(initrd, await encodeCpio(entries));
  const devices = ["-serial", "stdio"];
  return await run(...qemuCommand({ kernel: image, initrd, memory: 512, devices }));
}

interface Capture {
  readonly release: string;
  readonly version: string;
  readonly machine: string;
  readonly sockets: unknown;
  readonly netlink: unknown;
  readonly counters: unknown;
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
    const { release, version, machine, sockets, netlink, counters } = extract(await output());
    // Debian's package version names the source exactly; else the numbers, without what a builder
    // of kernels appends.
    const debian = /Debian (\S+)/.exec(version)?.[1];
    const kernel = debian ? `Debian ${debian}` : /^[\d.]+/.exec(release)?.[0] ?? release;
    const short = /^\d+\.\d+/.exec(release)?.[0] ?? release;
    const path = `${TESTDATA}linux_${short}.json`;
    Deno.writeTextFileSync(
      path,
      JSON.stringify({ kernel, machine, sockets, netlink, counters }, null, 2) + "\n",
    );
    await Deno.stdout.write(encoder.encode(`${path}: ${kernel} ${machine}\n`));
  }
} finally {
  Deno.removeSync(folder, { recursive: true });
}
