/**
 * Captures what kernels answer about MPTCP sockets, in bytes, into inspect/testdata/.
 *
 * `deno run -A scripts/capture_info.ts` asks the kernel of this machine, in a network namespace;
 * `deno run -A scripts/capture_info.ts VMLINUZ[=MODULES]…` boots kernels in software emulation, with
 * inspect/testdata/capture.c as their init; MODULES is a folder such as `lib/modules/6.12.95-amd64`, for
 * kernels whose lists of sockets are modules.
 *
 * Needs: gcc with a static C library; root (unshare) or qemu-system-x86_64.
 */

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

/**
 * One entry of a cpio archive in the "newc" format.
 *
 * Layout: "070701" and 13 numbers of 8 hexadecimal digits, the name with its NUL, the data; name and
 * data are padded to 4 bytes.
 *
 * Source: Documentation/driver-api/early-userspace/buffer-format.rst @ v6.12.
 */
function encodeCpioEntry(name: string, mode: number, data: Uint8Array): Uint8Array[] {
  const numbers = [0, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length + 1, 0];
  const head = "070701" + numbers.map((number) => number.toString(16).padStart(8, "0")).join("") +
    name + "\0";
  return [
    encoder.encode(head.padEnd(Math.ceil(head.length / 4) * 4, "\0")),
    data,
    new Uint8Array(-data.length & 3),
  ];
}

/** The modules that list sockets, of the folder of a kernel's modules; a kernel may have them built in. */
async function readModules(folder: string): Promise<Uint8Array[]> {
  const entries: Uint8Array[] = [];
  for (const name of ["ipv4/inet_diag", "ipv4/tcp_diag", "mptcp/mptcp_diag"]) {
    const path = `${folder}/kernel/net/${name}.ko`;
    const { stdout, success } = await new Deno.Command("sh", {
      args: ["-c", 'cat "$0" 2>/dev/null || xz -dc "$0.xz"', path],
    }).output();
    if (!success) throw new Error(`${path} is not there, nor with .xz`);
    entries.push(...encodeCpioEntry(name.replace(/.*\//, "") + ".ko", 0o100644, stdout));
  }
  return entries;
}

async function boot(kernel: string, folder: string, init: Uint8Array): Promise<string> {
  const initrd = `${folder}/initrd`;
  const [image = "", modules] = kernel.split("=");
  const archive = [
    ...encodeCpioEntry("init", 0o100755, init),
    ...modules === undefined ? [] : await readModules(modules),
    ...encodeCpioEntry("TRAILER!!!", 0, new Uint8Array()),
  ];
  Deno.writeFileSync(initrd, await new Blob(archive as BlobPart[]).bytes());
  // deno-fmt-ignore
  return await run("qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", "512", "-display", "none",
    "-no-reboot", "-nodefaults", "-serial", "stdio", "-kernel", image, "-initrd", initrd,
    "-append", "console=ttyS0 quiet panic=-1");
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
