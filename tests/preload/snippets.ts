/**
 * Compiles the C snippets and runs them with and without the preload library.
 *
 * @module
 */

import { commandExists, type Skip, skipUnless } from "../skip.ts";

const HERE = new URL("./", import.meta.url).pathname;

/** A way to make a program of a snippet. */
export interface Toolchain {
  readonly name: string;
  readonly compiler: string;
  readonly flags: readonly string[];
  /** What runs the program, and how it takes variables of the environment. */
  readonly runner?: { readonly command: readonly string[]; readonly variable: string };
  readonly machine: "x86_64" | "aarch64";
}

const NATIVE = Deno.build.arch === "aarch64" ? "aarch64" : "x86_64";

/** The machine's own compiler and C library. */
export const GLIBC: Toolchain = { name: "glibc", compiler: "cc", flags: [], machine: NATIVE };
/** musl, dynamically linked. */
export const MUSL: Toolchain = { name: "musl", compiler: "musl-gcc", flags: [], machine: NATIVE };
/** Static programs, which no preload library reaches. */
export const STATIC: Toolchain = { ...GLIBC, name: "static", flags: ["-static"] };
/** The other machine, in QEMU's user mode. */
export const AARCH64: Toolchain = {
  name: "aarch64",
  compiler: "aarch64-linux-gnu-gcc",
  flags: [],
  runner: { command: ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"], variable: "-E" },
  machine: "aarch64",
};

/** The preload library for a machine. */
export function libraryFor(machine: Toolchain["machine"]): string {
  return new URL(`../../preload/lib/${machine}/libmptcpize.so`, import.meta.url).pathname;
}

const FEATURES: Readonly<Record<string, string>> = {
  "cc": "C compiler",
  "musl-gcc": "musl-gcc",
  "aarch64-linux-gnu-gcc": "aarch64 cross compiler and qemu-user",
};

/** Leaves a test out where the toolchain is absent. */
export function needs({ compiler, runner }: Toolchain): Skip {
  const commands = [compiler, ...runner === undefined ? [] : runner.command.slice(0, 1)];
  return skipUnless(FEATURES[compiler] ?? compiler, commands.every(commandExists));
}

let folder: string | undefined;
const compiled = new Map<string, Promise<string>>();

/** A folder that every user can look into, gone when the tests end. */
export function workFolder(): string {
  if (folder === undefined) {
    folder = Deno.makeTempDirSync({ prefix: "mptcpize-preload-" });
    Deno.chmodSync(folder, 0o755);
    const name = folder;
    globalThis.addEventListener("unload", () => Deno.removeSync(name, { recursive: true }));
  }
  return folder;
}

async function compileAnew(snippet: string, toolchain: Toolchain, extra: readonly string[]) {
  const output = `${workFolder()}/${snippet}-${toolchain.name}`;
  const { success, stderr } = await new Deno.Command(toolchain.compiler, {
    args: [
      ..."-O1 -Wall -Wextra -Werror -pthread".split(" "),
      ...toolchain.flags,
      "-o",
      output,
      `${HERE}${snippet}.c`,
      ...extra,
    ],
  }).output();
  if (!success) {
    throw new Error(`Cannot compile ${snippet}.c: ${new TextDecoder().decode(stderr)}`);
  }
  return output;
}

/** The path of the program; each is compiled once. */
export function compile(
  snippet: string,
  toolchain: Toolchain = GLIBC,
  extra: readonly string[] = [],
): Promise<string> {
  const key = `${snippet} ${toolchain.name}`;
  const program = compiled.get(key) ?? compileAnew(snippet, toolchain, extra);
  compiled.set(key, program);
  return program;
}

/** How a snippet is run. */
export interface RunOptions {
  readonly toolchain?: Toolchain;
  /** Without the library if false. */
  readonly preload?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** What stands before the program: `unshare -n …`. */
  readonly prefix?: readonly string[];
}

/** What a snippet printed; its exit status must be 0. */
export interface Outcome {
  readonly lines: readonly string[];
  readonly stderr: string;
}

/** Runs a program, forced unless `preload` is false. */
export async function run(
  program: string,
  args: readonly string[] = [],
  { toolchain = GLIBC, preload = true, env = {}, prefix = [] }: RunOptions = {},
): Promise<Outcome> {
  const variables = { ...env, ...preload ? { LD_PRELOAD: libraryFor(toolchain.machine) } : {} };
  const { command = [], variable = "" } = toolchain.runner ?? {};
  const line = [
    ...prefix,
    ...toolchain.runner === undefined
      ? ["env", ...Object.entries(variables).map(([name, value]) => `${name}=${value}`)]
      : [
        ...command,
        ...Object.entries(variables).flatMap(([name, value]) => [variable, `${name}=${value}`]),
      ],
    program,
    ...args,
  ];
  const { code, signal, stdout, stderr } = await new Deno.Command(line[0]!, {
    args: line.slice(1),
  }).output();
  const decoder = new TextDecoder();
  const text = decoder.decode(stdout);
  if (code !== 0) {
    throw new Error(`${line.join(" ")}: ${signal ?? code}\n${text}${decoder.decode(stderr)}`);
  }
  return { lines: text.split("\n").filter((line) => line !== ""), stderr: decoder.decode(stderr) };
}
