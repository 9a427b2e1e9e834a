/**
 * The static programs of these tests, built once, and ways to start them patched.
 *
 * @module
 */

import { strict as assert } from "node:assert";
import { findPatcher } from "../../patch/mod.ts";
import { GO, RUSTC } from "../apps/build.ts";
import { commandExists } from "../skip.ts";

const HERE = new URL("./programs/", import.meta.url).pathname;
const ROOT = new URL("../../", import.meta.url).pathname;
const decoder = new TextDecoder();

/** What a process left behind. */
export interface Outcome {
  readonly code: number;
  readonly signal: Deno.Signal | null;
  readonly out: string;
  readonly err: string;
}

/** Runs a command to its end. */
export async function run(
  words: readonly string[],
  options: { readonly env?: Record<string, string>; readonly uid?: number } = {},
  milliseconds = 120_000,
): Promise<Outcome> {
  const [file, ...args] = words;
  const { code, signal, stdout, stderr } = await new Deno.Command(file!, {
    args,
    ...options,
    stdin: "null",
    signal: AbortSignal.timeout(milliseconds),
  }).output();
  return { code, signal, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

/** A program that runs until it is disposed of: killed, since one that is stopped heeds nothing else. */
export interface RunningProgram extends AsyncDisposable {
  readonly child: Deno.ChildProcess;
  /** What it writes next. */
  read(): Promise<string>;
}

/** Starts a command that goes on. */
export function startProgram(words: readonly string[]): RunningProgram {
  const [file, ...args] = words;
  const child = new Deno.Command(file!, { args, stdout: "piped", stderr: "null" }).spawn();
  const reader = child.stdout.getReader();
  const kill = () => {
    try {
      child.kill("SIGKILL");
    } catch (error) {
      // It has ended.
      if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
    }
  };
  // What waits for it fails then.
  const timer = setTimeout(kill, 60_000);
  return {
    child,
    read: async () => decoder.decode((await reader.read()).value),
    async [Symbol.asyncDispose]() {
      clearTimeout(timer);
      kill();
      await child.status;
      await reader.cancel();
    },
  };
}

/** The words that start a program patched, by the native program itself. */
export function patched(path: string, ...args: string[]): string[] {
  return [findPatcher(), "-d", path, path, path, ...args];
}

/** The words of the command line. */
export function mptcpize(...words: string[]): string[] {
  return [Deno.execPath(), "run", "-qA", "--no-check", `${ROOT}cli/mptcpize.ts`, ...words];
}

/** One way to make a static program of matrix.c. */
export interface Flavour {
  readonly name: string;
  readonly needs: string;
  readonly words: readonly string[];
}

/** The C libraries and their options. */
export const FLAVOURS: readonly Flavour[] = [
  { name: "static glibc", needs: "gcc", words: ["-static", "-O1"] },
  { name: "static-pie glibc", needs: "gcc", words: ["-static-pie", "-fPIE", "-O2"] },
  { name: "static musl -O0", needs: "musl-gcc", words: ["-static", "-O0"] },
  { name: "static musl -O2", needs: "musl-gcc", words: ["-static", "-O2"] },
];

const folder = Deno.makeTempDirSync({ prefix: "mptcpize-patch-" });
// Another user is to reach it.
Deno.chmodSync(folder, 0o755);
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
const built = new Map<string, Promise<string>>();

function build(
  name: string,
  command: (path: string) => readonly string[],
  env: Record<string, string> = {},
): Promise<string> {
  const path = `${folder}/${name.replaceAll(" ", "_")}`;
  const made = built.get(path) ?? (async () => {
    const { code, err } = await run(command(path), { env });
    assert.equal(code, 0, err);
    return path;
  })();
  built.set(path, made);
  return made;
}

/** Builds matrix.c. */
export function buildMatrix({ name, needs, words }: Flavour): Promise<string> {
  return build(name, (path) => [needs, ...words, "-pthread", "-o", path, `${HERE}matrix.c`]);
}

/**
 * A copy of a program with something behind its code, so that the new calls get pages of their own.
 * Written by other processes: what this one holds open for writing cannot be executed.
 */
export function fillRoom(path: string): Promise<string> {
  const view = new DataView(Deno.readFileSync(path).buffer);
  const u64 = (at: number) => Number(view.getBigUint64(at, true));
  const [PT_LOAD, PF_X] = [1, 1];
  const ends: number[] = [];
  for (let index = 0; index < view.getUint16(56, true); index++) {
    const at = u64(32) + index * view.getUint16(54, true);
    if (view.getUint32(at, true) === PT_LOAD && (view.getUint32(at + 4, true) & PF_X) !== 0) {
      ends.push(u64(at + 8) + u64(at + 32));
    }
  }
  const fill = ends.map((end) => `printf '\\001\\002' | dd of="$2" conv=notrunc bs=1 seek=${end}`);
  const script = ['cp "$1" "$2"', ...fill].join(" && ");
  return build(`${path.split("/").at(-1)} full`, (copy) => ["sh", "-c", script, "sh", path, copy]);
}

/** Builds surroundings.c. */
export function buildSurroundings({ name, needs, words }: Flavour): Promise<string> {
  const source = `${HERE}surroundings.c`;
  return build(`surroundings ${name}`, (path) => [needs, ...words, "-o", path, source]);
}

/** Our library for this machine. */
export const libraryPath = `${ROOT}preload/lib/${Deno.build.arch}/libmptcpize.so`;

/** Builds an assembler program. */
export function buildAssembly(name: string, machine = "x86_64"): Promise<string> {
  const [as, ld] = machine === "i386" ? ["--32", "elf_i386"] : ["--64", "elf_x86_64"];
  return build(name, (path) => [
    "sh",
    "-c",
    `as ${as} -o ${path}.o ${HERE}${name}.s && ld -m ${ld} -o ${path} ${path}.o`,
  ]);
}

/** Builds a C program for aarch64 that the host does not run. */
export function buildArmProgram(source: string, ...flags: string[]): Promise<string> {
  return build(`${source} ${flags.join(" ")} arm`, (path) => [
    "aarch64-linux-gnu-gcc",
    ...["-O1", ...flags, "-o", path, `${HERE}${source}.c`],
  ]);
}

/** The patcher for a machine. */
export function patcherFor(machine: string): string {
  return `${ROOT}patch/bin/${machine}/mptcpize-patch`;
}

/** Builds the Go program. */
export function buildGo(version: keyof typeof GO): Promise<string> {
  const command = (path: string) => [GO[version], "build", "-o", path, `${HERE}sockets.go`];
  return build(`go ${version}`, command, {
    CGO_ENABLED: "0",
    GO111MODULE: "off",
    GOFLAGS: "",
    GOTOOLCHAIN: "local",
  });
}

/** Builds the Rust program. */
export function buildRust(): Promise<string> {
  const flags = ["-C", "target-feature=+crt-static", "-O"];
  return build("rust", (path) => [RUSTC, ...flags, "-o", path, `${HERE}sockets.rs`]);
}

/** Builds a C program for the host, with sources of patch/. */
export function buildHost(name: string, ...sources: string[]): Promise<string> {
  const check = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover"];
  const all = [`${HERE}${name}.c`, ...sources.map((source) => `${ROOT}patch/${source}.c`)];
  return build(name, (path) => ["gcc", ...check, "-o", path, ...all]);
}

/** Builds what holds the tracer at each of its calls. */
export function buildSteps(): Promise<string> {
  return build("steps", (path) => ["gcc", "-O1", "-o", path, `${HERE}steps.c`]);
}

/** Builds a static C program for aarch64, with sources of patch/. */
export function buildArm(name: string, ...sources: string[]): Promise<string> {
  const all = [`${HERE}${name}.c`, ...sources.map((source) => `${ROOT}patch/${source}.c`)];
  return build(`${name} arm`, (path) => [
    "aarch64-linux-gnu-gcc",
    ...["-static", "-O1", "-Wno-builtin-declaration-mismatch", "-o", path],
    ...all,
  ]);
}

/** Whether the Go of a version is there. */
export function hasGo(version: keyof typeof GO): boolean {
  try {
    return Deno.statSync(GO[version]).isFile;
  } catch {
    return false;
  }
}

/** Whether there is a Rust compiler. */
export function hasRust(): boolean {
  return RUSTC !== "rustc" || commandExists("rustc");
}
