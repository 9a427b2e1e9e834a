/**
 * Builds what is not TypeScript: the preload library, the launcher and the patcher, once for each
 * machine, and the BPF programs, once for all.
 *
 * `build_native.ts` writes the generated headers, `preload/lib/MACHINE/libmptcpize.so`,
 * `launcher/bin/MACHINE/mptcpize`, `patch/bin/MACHINE/mptcpize-patch` and `bpf/lib/mptcpify.bpf.o`.
 * `build_native.ts --check` builds elsewhere and fails unless every byte is as committed.
 *
 * The compiler is pinned to one package of Debian 12, so that the bytes are the same everywhere.
 *
 * @module
 */

import {
  inspectChildLibrary,
  inspectLibrary,
  inspectProgram,
  inspectReportLibrary,
} from "./native/elf_checks.ts";
import { renderBpfOptionsHeader, renderBpfOptionsList } from "./native/bpf_options.ts";
import { renderNewEnvironmentHeader } from "./native/new_environment_header.ts";
import { renderOpcodesHeader } from "./native/opcodes_header.ts";
import { renderOptionsHeader } from "./native/options_header.ts";

/** The one version of clang-14, lld-14 and llvm-14 that the committed files come from. */
const COMPILER_VERSION = "1:14.0.6-12";
const PACKAGES = ["clang-14", "lld-14", "llvm-14"];
const MACHINES = {
  x86_64: "x86_64-linux-gnu",
  aarch64: "aarch64-linux-gnu",
} as const;
type Machine = keyof typeof MACHINES;

const ROOT = new URL("../", import.meta.url).pathname;

/** Texts that are made from the tables of the TypeScript. */
const TEXTS: Readonly<Record<string, () => string>> = {
  "preload/options.h": renderOptionsHeader,
  "launcher/new_environment.h": renderNewEnvironmentHeader,
  "patch/opcodes.h": renderOpcodesHeader,
  "bpf/options.h": renderBpfOptionsHeader,
  "bpf/options.json": renderBpfOptionsList,
};

const COMMON_FLAGS = [
  // No C library, no header but ours.
  ..."-std=c11 -O2 -ffreestanding -fno-builtin -nostdlib -nostdlibinc".split(" "),
  ..."-Wall -Wextra -Werror -Wconversion -Wno-sign-conversion".split(" "),
  // Nothing that would call into a runtime: no stack protector, no outlined atomics.
  ..."-fno-stack-protector -fvisibility=hidden".split(" "),
  // Nothing that differs from build to build, or names this folder.
  ..."-fno-ident -g0 -fno-asynchronous-unwind-tables -Wl,--build-id=none -Wl,--strip-all".split(
    " ",
  ),
  // As few pages and mappings as can be: each costs at every start of a program.
  ..."-fuse-ld=lld -Wl,-z,noseparate-code -Wl,--no-rosegment -Wl,--gc-sections".split(" "),
];
/** No vector registers: nothing of a caller's is to be saved, and nothing to be aligned. */
const GENERAL_REGISTERS = "-mgeneral-regs-only";

/** A library of ours, with what it exports. */
function libraryFlags(name: string, exported: string): string[] {
  return [
    GENERAL_REGISTERS,
    ..."-shared -fPIC -Wl,-z,now -Wl,-z,relro -Wl,--hash-style=gnu".split(" "),
    `-Wl,-soname,${name}`,
    `-Wl,--version-script=${exported}`,
  ];
}
/** At a fixed address: nothing to relocate before it runs. */
const STATIC_FLAGS = [
  ..."-static -fno-pic -fno-pie -ffunction-sections -Wl,-z,norelro".split(" "),
  // Loops as they are written: what gains by it is written so.
  ..."-fno-vectorize -fno-slp-vectorize".split(" "),
];
const MACHINE_FLAGS: Readonly<Record<Machine, readonly string[]>> = {
  x86_64: ["-march=x86-64"],
  aarch64: ["-march=armv8-a", "-mno-outline-atomics"],
};

async function run(command: string, args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args: [...args],
    cwd: ROOT,
  }).output();
  const decoder = new TextDecoder();
  if (!success) {
    throw new Error(`Cannot run ${command} ${args.join(" ")}:\n${decoder.decode(stderr)}`);
  }
  return decoder.decode(stdout);
}

/** The compiler must be the pinned one: another gives other bytes, and `--check` would blame the source. */
async function requireCompiler(): Promise<void> {
  for (const name of PACKAGES) {
    const found = await run("dpkg-query", ["-W", "-f", "${Version}", name]).catch(() => "absent");
    if (found !== COMPILER_VERSION) {
      throw new Error(
        `Cannot build the native files: ${name} is ${found}, ${COMPILER_VERSION} of Debian 12 is wanted\n\n` +
          `hint: apt-get install ${
            PACKAGES.map((name) => `${name}=${COMPILER_VERSION}`).join(" ")
          }`,
      );
    }
  }
}

/** One kind of file that is built for each machine. */
interface Product {
  readonly path: (machine: Machine) => string;
  readonly flags: readonly string[];
  readonly sources: readonly string[];
  readonly inspect: (file: Uint8Array<ArrayBuffer>) => string[];
}

/** The patcher, of which the launcher is one as well. */
const PATCHER = [
  "become",
  "image",
  "x86_bytes",
  "x86_length",
  "x86_sites",
  "arm_sites",
  "stub",
  "memory",
  "recognize",
  "tracer",
  "say",
].map((name) => `patch/${name}.c`);
const LAUNCHER = ["slot", "main", "program", "environment", "library", "hand_over", "text"]
  .map((name) => `launcher/${name}.c`);

const PRODUCTS: readonly Product[] = [
  {
    path: (machine) => `preload/lib/${machine}/libmptcpize.so`,
    flags: libraryFlags("libmptcpize.so", "preload/exports.map"),
    sources: ["preload/socket.c"],
    inspect: inspectLibrary,
  },
  {
    path: (machine) => `preload/lib/${machine}/libmptcpize-report.so`,
    flags: libraryFlags("libmptcpize-report.so", "preload/reporting.map"),
    sources: ["preload/reporting.c"],
    inspect: inspectReportLibrary,
  },
  {
    path: (machine) => `ffi/lib/${machine}/libmptcpize-child.so`,
    flags: libraryFlags("libmptcpize-child.so", "ffi/child.map"),
    sources: ["ffi/child.c"],
    inspect: inspectChildLibrary,
  },
  {
    path: (machine) => `launcher/bin/${machine}/mptcpize`,
    flags: STATIC_FLAGS,
    sources: [...LAUNCHER, ...PATCHER],
    inspect: inspectProgram,
  },
  {
    path: (machine) => `patch/bin/${machine}/mptcpize-patch`,
    flags: STATIC_FLAGS,
    sources: ["patch/main.c", ...PATCHER],
    inspect: inspectProgram,
  },
];

async function buildProduct(product: Product, machine: Machine, file: string): Promise<void> {
  await run("clang-14", [
    `--target=${MACHINES[machine]}`,
    ...MACHINE_FLAGS[machine],
    ...COMMON_FLAGS,
    ...product.flags,
    "-o",
    file,
    ...product.sources,
  ]);
  const faults = product.inspect(await Deno.readFile(file));
  if (faults.length > 0) {
    throw new Error(`Cannot accept ${product.path(machine)}: ${faults.join("; ")}`);
  }
}

/** BPF objects, for all machines, each from the source of its name. */
const BPF_OBJECTS: Readonly<Record<string, string>> = {
  "bpf/lib/mptcpify.bpf.o": "bpf/mptcpify.bpf.c",
  "tests/bpf/lib/older.bpf.o": "tests/bpf/older.bpf.c",
  "tests/bpf/lib/peer.bpf.o": "tests/bpf/peer.bpf.c",
};
const BPF_FLAGS = [
  // The instructions that each kernel with update_socket_protocol() knows.
  ..."-target bpf -mcpu=v3 -O2 -std=c11 -ffreestanding -nostdlibinc".split(" "),
  ..."-Wall -Wextra -Werror -Wconversion -Wno-sign-conversion".split(" "),
  // Type information, from which libbpf fits the object to the kernel; without the name of this folder.
  ..."-g -ffile-compilation-dir=. -fno-ident".split(" "),
];

async function buildObject(source: string, file: string): Promise<void> {
  await run("clang-14", [...BPF_FLAGS, "-c", "-o", file, source]);
  // Leaves .BTF and .BTF.ext, which alone are read.
  await run("llvm-strip-14", ["--strip-debug", file]);
}

/** Each file that is to be built. */
function* targets(): Generator<
  { path: string; mode: number; make: (to: string) => Promise<void> }
> {
  for (const product of PRODUCTS) {
    for (const machine of Object.keys(MACHINES) as Machine[]) {
      const make = (to: string) => buildProduct(product, machine, to);
      // Readable for whoever the program becomes, writable for nobody else.
      yield { path: product.path(machine), mode: 0o755, make };
    }
  }
  for (const [path, source] of Object.entries(BPF_OBJECTS)) {
    yield { path, mode: 0o644, make: (to) => buildObject(source, to) };
  }
}

async function build(): Promise<void> {
  for (const [path, render] of Object.entries(TEXTS)) {
    await Deno.writeTextFile(ROOT + path, render());
  }
  for (const { path, mode, make } of targets()) {
    const file = ROOT + path;
    await Deno.mkdir(file.slice(0, file.lastIndexOf("/")), { recursive: true });
    await make(file);
    await Deno.chmod(file, mode);
    console.log(`${path}: ${(await Deno.stat(file)).size} bytes`);
  }
}

async function check(): Promise<void> {
  const differing: string[] = [];
  for (const [path, render] of Object.entries(TEXTS)) {
    if (await Deno.readTextFile(ROOT + path) !== render()) differing.push(path);
  }
  const folder = await Deno.makeTempDir({ prefix: "mptcpize-build-" });
  try {
    for (const { path, make } of targets()) {
      const file = `${folder}/built`;
      await make(file);
      const [fresh, committed] = await Promise.all(
        [file, ROOT + path].map((name) => Deno.readFile(name)),
      );
      if (
        fresh!.length !== committed!.length || fresh!.some((byte, at) => byte !== committed![at])
      ) {
        differing.push(path);
      }
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  if (differing.length > 0) {
    throw new Error(
      `Cannot confirm the native files: ${differing.join(", ")} not what the source gives\n\n` +
        "hint: `deno run -A scripts/build_native.ts`, and commit the result",
    );
  }
}

if (import.meta.main) {
  try {
    await requireCompiler();
    await (Deno.args[0] === "--check" ? check() : build());
  } catch (error) {
    console.error(`build_native: ${error instanceof Error ? error.message : error}`);
    Deno.exit(1);
  }
}
