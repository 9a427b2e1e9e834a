/**
 * Access to program files: by stat first, so that no device or pipe is ever opened, and in pieces.
 *
 * @module
 */

import { NotFoundError, NotPermittedError, SyscallError, UsageError } from "../errors.ts";
import { syscallError, tryCall } from "../ffi/call.ts";
import { Errno } from "../ffi/errno.ts";
import { Fd } from "../ffi/fd.ts";
import { addressOf, cString } from "../ffi/libc.ts";
import type { ByteSource } from "./byte_source.ts";

/** A regular file that is open for reading, or that may not be read. */
export interface OpenFile extends Disposable {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Undefined if the caller may not read it. */
  readonly source: ByteSource | undefined;
}

/** A path as it is shown; bytes that are not UTF-8 are replaced. */
export function displayPath(path: Uint8Array): string {
  return new TextDecoder().decode(path);
}

/**
 * Refuses what no C string can hold: another file would be taken, or none.
 *
 * @throws {UsageError} if there is a NUL in the path
 */
export function checkPath(path: Uint8Array): void {
  if (!path.includes(0)) return;
  const shown = JSON.stringify(displayPath(path));
  throw new UsageError(`Cannot execute ${shown}: it contains a NUL, which no path can`);
}

/** The error of execve(2) for a path, in the class that its meaning has. */
export function executionError(path: Uint8Array, errno: number, reason?: string): Error {
  const what = `execute ${displayPath(path)}`;
  if (errno === Errno.ENOENT) {
    const message = `Cannot ${what}: ${reason ?? "there is no such file"} (execve: ENOENT)`;
    return new NotFoundError(message, { tried: [displayPath(path)] });
  }
  if (errno === Errno.EACCES) {
    return new NotPermittedError(
      `Cannot ${what}: ${reason ?? "the caller may not execute it"} (execve: EACCES)`,
    );
  }
  return syscallError(what, "execve", errno);
}

/** The errno that an error of {@linkcode executionError} stands for; undefined for any other. */
export function errnoOf(error: unknown): number | undefined {
  if (error instanceof NotFoundError) return Errno.ENOENT;
  if (error instanceof NotPermittedError) return Errno.EACCES;
  return error instanceof SyscallError ? error.errno : undefined;
}

/**
 * Opens a program file for reading.
 *
 * @throws {NotFoundError} if it is not there
 * @throws {NotPermittedError} if it is no regular file, or its directory may not be searched
 * @throws {SyscallError} for what else execve(2) would say of the path
 */
export function openProgramFile(path: Uint8Array): OpenFile {
  using name = nameOf(path);
  const info = translate(path, () => Deno.statSync(name.text));
  if (!info.isFile) {
    const reason = info.isDirectory ? "it is a directory" : "it is no regular file";
    throw executionError(path, Errno.EACCES, reason);
  }
  const file = openReadable(path, name.text);
  return {
    mode: info.mode ?? 0,
    uid: info.uid ?? 0,
    gid: info.gid ?? 0,
    source: file && fileSource(file, info.size),
    [Symbol.dispose]: () => file?.close(),
  };
}

/** A path for the runtime, which takes UTF-8 alone; another one by way of a descriptor. */
function nameOf(path: Uint8Array): { readonly text: string } & Disposable {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(path);
    return { text, [Symbol.dispose]: () => {} };
  } catch {
    const fd = openPath(path);
    return { text: `/proc/self/fd/${fd.number}`, [Symbol.dispose]: () => fd[Symbol.dispose]() };
  }
}

/** A descriptor that stands for a file without opening it. */
function openPath(path: Uint8Array): Fd {
  const SYS_openat = Deno.build.arch === "aarch64" ? 56n : 257n;
  const AT_FDCWD = -100n;
  const O_PATH_CLOEXEC = 0o12000000n;
  const terminated = cString(path);
  const { value, errno } = tryCall(
    "syscall",
    SYS_openat,
    AT_FDCWD,
    addressOf(terminated),
    O_PATH_CLOEXEC,
  );
  // Keeps the bytes alive up to here: the kernel read them through a bare pointer.
  void terminated.length;
  if (value === -1) throw executionError(path, errno);
  return new Fd(value);
}

function openReadable(path: Uint8Array, name: string): Deno.FsFile | undefined {
  try {
    return translate(path, () => Deno.openSync(name));
  } catch (error) {
    if (error instanceof NotPermittedError) return undefined;
    throw error;
  }
}

/** Turns an error of the runtime that has an errno into ours; others, as of its sandbox, stay. */
function translate<Result>(path: Uint8Array, operation: () => Result): Result {
  try {
    return operation();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    const errno = Object.entries(Errno).find(([name]) => name === code)?.[1];
    throw errno === undefined ? error : executionError(path, errno);
  }
}

function fileSource(file: Deno.FsFile, size: number): ByteSource {
  return {
    size,
    read(offset, length) {
      // Behind the end lseek(2) may fail with EINVAL.
      if (offset >= size) return new Uint8Array();
      file.seekSync(offset, Deno.SeekMode.Start);
      const bytes = new Uint8Array(Math.min(length, size - offset));
      let filled = 0;
      while (filled < bytes.length) {
        const count = file.readSync(bytes.subarray(filled));
        if (count === null || count === 0) break;
        filled += count;
      }
      return bytes.subarray(0, filled);
    },
  };
}
