/**
 * What the C library and the kernel really do with a command, to compare with.
 *
 * @module
 */

import type { FindAnswer, FindRequest } from "./find_child.ts";

/** A command as env(1) executed it by execvp(3). */
export interface Execution {
  /** What strerror(3) says, if it was not executed. */
  readonly error: string | undefined;
  readonly output: string;
}

/** Has env(1) execute a command by execvp(3), with nothing but PATH in the environment. */
export function execvp(
  words: readonly string[],
  options: { path?: string | undefined; cwd?: string; uid?: number | undefined },
): Execution {
  const { path, cwd, uid } = options;
  const { stdout, stderr } = new Deno.Command("/usr/bin/env", {
    args: ["-i", ...(path === undefined ? [] : [`PATH=${path}`]), ...words],
    ...(cwd === undefined ? {} : { cwd }),
    ...(uid === undefined ? {} : { uid, gid: uid }),
    env: { LC_ALL: "C" },
  }).outputSync();
  const decoder = new TextDecoder();
  const error = /^\/usr\/bin\/env: .*: (.*)\n/s.exec(decoder.decode(stderr))?.[1];
  return { error, output: decoder.decode(stdout) };
}

/** Has a process of its own find commands in a working directory. */
export async function findInChild(cwd: string, request: FindRequest): Promise<FindAnswer[]> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-config", "-A", new URL("./find_child.ts", import.meta.url).href],
    cwd,
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(JSON.stringify(request)));
  await writer.close();
  const { success, stdout } = await child.output();
  if (!success) throw new Error("the child that finds commands failed");
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** A temporary directory, without symbolic links in its path, that everyone may enter. */
export function temporaryDirectory(): { readonly path: string } & Disposable {
  const path = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "mptcpize-program-" }));
  Deno.chmodSync(path, 0o755);
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

const encoder = new TextEncoder();

/** Writes a file with a mode, as {@linkcode copyProgram} does. */
export function writeFile(path: string, content: string | Uint8Array, mode = 0o755): void {
  const source = Deno.makeTempFileSync({ prefix: "mptcpize-program-" });
  try {
    Deno.writeFileSync(source, typeof content === "string" ? encoder.encode(content) : content);
    copyProgram(source, path, mode);
  } finally {
    Deno.removeSync(source);
  }
}

/** Runs a tool that a test needs. */
export function runTool(command: string, ...args: string[]): void {
  const { success, stderr } = new Deno.Command(command, { args }).outputSync();
  if (!success) throw new Error(`${command} failed: ${new TextDecoder().decode(stderr)}`);
}

/**
 * Copies a program, with a mode whatever the umask is, by a process of its own: what this one writes is busy
 * (ETXTBSY) while a child of another test holds the descriptor, between its fork and its exec.
 */
export function copyProgram(from: string, to: string, mode = 0o755): void {
  runTool("install", "-m", mode.toString(8), from, to);
}
