/**
 * Finding and reading programs: the thin layer between the parsers of this folder and the files.
 *
 * @module
 */

import { FormatError, NotFoundError } from "../errors.ts";
import { Errno } from "../ffi/errno.ts";
import { mayExecute, readAttribute } from "../ffi/libc.ts";
import { isElf, parseElf } from "./elf.ts";
import { parseGoBuild } from "./go.ts";
import { isLauncher } from "./launcher.ts";
import { checkPath, displayPath, errnoOf, executionError, openProgramFile } from "./open.ts";
import { lookupPaths, toBytes } from "./path_lookup.ts";
import { imageOf, type Program } from "./program.ts";
import { HEAD_SIZE, parseScriptLine } from "./script.ts";
import { parseFileCapabilities, parseSetIdBits } from "./setid.ts";

/** The shell that execvp(3) gives files of unknown format to: _PATH_BSHELL. */
const SHELL = toBytes("/bin/sh");
/** Interpreters that may follow a script: exec_binprm, fs/exec.c @ v6.12 (ELOOP behind the fifth). */
const MAX_INTERPRETERS = 5;
/** The errors after which execvp(3) goes on to the next element of PATH; EACCES is remembered. */
const GOES_ON: ReadonlySet<number> = new Set([
  Errno.ENOENT,
  Errno.ESTALE,
  Errno.ENOTDIR,
  Errno.ENODEV,
  Errno.ETIMEDOUT,
  Errno.EACCES,
]);
/** The machines whose programs this one executes itself, so that it needs their loaders. */
const NATIVE_MACHINES: readonly string[] = Deno.build.arch === "aarch64"
  ? ["aarch64", "arm"]
  : ["x86_64", "i386"];

/**
 * Reads what a program file is, with the interpreters that the kernel would load for it.
 *
 * The file itself need not be executable; its interpreters must be. One that may be executed but not
 * read gives what stat(2) tells, with `unreadable`.
 *
 * @example
 * ```ts
 * import { imageOf, readProgram } from "./mod.ts";
 * const program = readProgram("/bin/sh");
 * console.assert(program.format === "elf" && imageOf(program) === program);
 * ```
 *
 * @throws {NotFoundError} if it or an interpreter is not there
 * @throws {NotPermittedError} if it is no regular file, may neither be read nor executed, or an
 * interpreter may not be executed
 * @throws {FormatError} if it is an ELF file that no kernel executes, or its interpreters never end
 * @throws {SyscallError} if the path cannot be followed for another reason, such as ELOOP
 * @throws {UsageError} if there is a NUL in it
 */
export function readProgram(path: string | Uint8Array): Program {
  const bytes = toBytes(path);
  checkPath(bytes);
  const program = readChain(bytes, 0);
  const image = imageOf(program);
  if (image.format !== "unknown" || image.unreadable) return program;
  // ENOEXEC of the last interpreter is the answer for the first file, which then goes to the shell.
  return { ...program, format: "unknown", interpreterProgram: readChain(SHELL, 0) };
}

function readChain(path: Uint8Array, depth: number): Program {
  using file = openProgramFile(path);
  const { source, mode, uid, gid } = file;
  if (depth > MAX_INTERPRETERS) {
    const count = `more than ${MAX_INTERPRETERS} interpreters follow each other`;
    throw new FormatError(`Cannot execute ${displayPath(path)}: ${count} (execve: ELOOP)`);
  }
  const describe = (format: Program["format"], facts: Partial<Program> = {}): Program => {
    // The kernel takes rights from the image alone: never from a script or what the shell reads.
    const mayGiveRights = format === "elf" || source === undefined;
    return {
      path: displayPath(path),
      format,
      unreadable: source === undefined,
      ...parseSetIdBits(mayGiveRights ? mode : 0),
      fileCapabilities: mayGiveRights &&
        parseFileCapabilities(readAttribute(path, "security.capability")),
      ownerUid: uid,
      ownerGid: gid,
      ...facts,
    };
  };
  if (source === undefined) {
    const { errno } = mayExecute(path);
    if (errno === 0) return describe("unknown");
    throw executionError(path, errno, "the caller may neither read nor execute it");
  }
  const head = source.read(0, HEAD_SIZE);
  if (isElf(head)) {
    const file = parseElf(source, displayPath(path));
    const launcher = file.elf.interpreter === undefined && isLauncher(source);
    return describe("elf", {
      elf: file.elf,
      go: parseGoBuild(file),
      ...(launcher ? { launcher } : {}),
    });
  }
  const script = parseScriptLine(head);
  if (script === undefined) return describe("unknown");
  const interpreterProgram = readInterpreter(path, script.interpreter, depth + 1);
  return describe("script", { script: script.line, interpreterProgram });
}

function readInterpreter(script: Uint8Array, name: Uint8Array, depth: number): Program {
  // The kernel follows an empty path to the working directory, other than calls of a process do.
  const path = name.length === 0 ? toBytes(".") : name;
  const { errno } = mayExecute(path);
  if (errno !== 0) {
    const state = errno === Errno.ENOENT ? "is not there" : "may not be executed";
    throw executionError(script, errno, `its interpreter ${displayPath(path)} ${state}`);
  }
  return readChain(path, depth);
}

/** A command as it was found. */
export interface FoundCommand {
  /** Its path, to be shown: bytes that are not UTF-8 are replaced. */
  readonly path: string;
  /** The path that execve(2) takes; without a slash when it was found in the working directory. */
  readonly bytes: Uint8Array;
  /** What it is, as {@linkcode readProgram} gives it. */
  readonly program: Program;
}

/**
 * Finds a command as execvp(3) does: the first file in PATH that the kernel would execute.
 *
 * A file whose interpreter or loader is not there counts as not there, one that may not be executed is
 * passed over and only reported when nothing else is found.
 *
 * @param environmentPath the value of PATH; undefined if it is not set, which means `/bin:/usr/bin`
 *
 * Source: glibc 2.36, posix/execvpe.c; execve(2).
 *
 * @throws {NotFoundError} if it is nowhere (127 of env(1)); `tried` has every path
 * @throws {NotPermittedError} if it is there and may not be executed, or is a directory (126)
 * @throws {SyscallError} if the search ends with another error, such as ELOOP or ENOTDIR (126)
 * @throws {FormatError} as {@linkcode readProgram} does (126)
 * @throws {UsageError} if there is a NUL in the command
 */
export function findCommand(
  command: string | Uint8Array,
  environmentPath: string | Uint8Array | undefined,
): FoundCommand {
  const name = toBytes(command);
  checkPath(name);
  const paths = lookupPaths(name, environmentPath);
  let denied: Error | undefined;
  let dangling: Error | undefined;
  let last: { readonly path: Uint8Array; readonly errno: number } | undefined;
  for (const path of paths) {
    const found = tryCandidate(path);
    if ("program" in found) return { path: displayPath(path), bytes: path, program: found.program };
    const { errno, error } = found;
    if (!GOES_ON.has(errno)) throw error ?? executionError(path, errno);
    if (errno === Errno.EACCES) denied ??= error ?? executionError(path, errno, denialReason(path));
    if (errno === Errno.ENOENT) dangling ??= error;
    last = { path, errno };
  }
  if (denied !== undefined) throw denied;
  if (last !== undefined && last.errno !== Errno.ENOENT) {
    throw executionError(last.path, last.errno);
  }
  if (dangling !== undefined) throw dangling;
  const shown = displayPath(name) || "a command";
  const reason = name.length === 0
    ? "its name is empty"
    : name.includes(0x2f)
    ? "there is no such file"
    : "it is in no directory of PATH";
  throw new NotFoundError(`Cannot find ${shown}: ${reason} (execvp: ENOENT)`, {
    tried: paths.map(displayPath),
  });
}

type Candidate = { readonly program: Program } | {
  readonly errno: number;
  readonly error?: Error | undefined;
};

/** What execve(2) would say of one path. Most are not there: those cost one call and no error. */
function tryCandidate(path: Uint8Array): Candidate {
  const { errno } = mayExecute(path);
  if (errno !== 0) return { errno };
  try {
    const program = readProgram(path);
    const { elf } = imageOf(program);
    if (elf?.interpreter !== undefined && NATIVE_MACHINES.includes(elf.machine)) {
      const loader = mayExecute(elf.interpreter).errno;
      if (loader !== 0) {
        const reason = `its loader ${elf.interpreter} is not there or not executable`;
        return { errno: loader, error: executionError(path, loader, reason) };
      }
    }
    return { program };
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    return { errno, error: error as Error };
  }
}

/** Why a path may not be executed, if its mode says so. */
function denialReason(path: Uint8Array): string | undefined {
  try {
    using file = openProgramFile(path);
    return (file.mode & 0o111) === 0 ? "it is not marked as executable" : undefined;
  } catch {
    return undefined;
  }
}
