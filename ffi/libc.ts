/**
 * System calls with their arguments in the types of this language.
 *
 * @module
 */

import { call, type CallResult, tryCall } from "./call.ts";
import { Errno } from "./errno.ts";
import { Fd } from "./fd.ts";
import { libc } from "./libc_symbols.ts";

const encoder = new TextEncoder();

/** A C string of a path: bytes as they are, a string in UTF-8, with the NUL behind. */
export function cString(path: string | Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = typeof path === "string" ? encoder.encode(path) : path;
  const terminated = new Uint8Array(bytes.length + 1);
  terminated.set(bytes);
  return terminated;
}

/**
 * Makes a socket; the caller closes it.
 *
 * @throws {SyscallError} with the errno of socket(2)
 */
export function openSocket(domain: number, type: number, protocol: number): Fd {
  return new Fd(call("open a socket", "socket", domain, type, protocol));
}

/** Where a symbolic link leads, in bytes of a buffer that the next call writes anew; `errno` tells why not. */
export function readLink(
  path: Uint8Array<ArrayBuffer>,
): CallResult & { readonly target: Uint8Array } {
  const result = tryCall("readlink", path, linkBuffer, BigInt(linkBuffer.length));
  return { ...result, target: linkBuffer.subarray(0, Math.max(0, result.value)) };
}

const linkBuffer = new Uint8Array(256);

/** Waits until a descriptor can be read, or time is up; the runtime goes on meanwhile. */
export async function waitForInput(fd: Fd, limitMs: number): Promise<void> {
  const POLLIN = 1;
  const request = new Int16Array(4);
  new DataView(request.buffer).setInt32(0, fd.number, true);
  request[2] = POLLIN;
  await libc().symbols.poll_beside(new Uint8Array(request.buffer), 1n, limitMs);
}

/** The number of a network interface; undefined for one that is not there. */
export function interfaceIndex(name: string): number | undefined {
  return tryCall("if_nametoindex", cString(name)).value || undefined;
}

/** Where a buffer lies in memory, for structures that hold pointers; the caller keeps it alive. */
export function addressOf(buffer: Uint8Array<ArrayBuffer>): bigint {
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(buffer));
}

/** A socket option as the kernel filled it in, or why not. */
export interface SocketOption extends CallResult {
  /** The bytes that the kernel wrote; empty on failure. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Reads a socket option into a buffer.
 *
 * @param buffer what the kernel reads (some options look into it) and writes
 */
export function readSocketOption(
  fd: number,
  level: number,
  name: number,
  buffer: Uint8Array<ArrayBuffer>,
): SocketOption {
  const length = new Uint32Array([buffer.length]);
  const result = tryCall("getsockopt", fd, level, name, buffer, length);
  const written = result.value === -1 ? 0 : Math.min(length[0] ?? 0, buffer.length);
  return { ...result, bytes: buffer.subarray(0, written) };
}

/** Reads a socket option that is an int. */
export function readIntOption(
  fd: number,
  level: number,
  name: number,
): { readonly value: number; readonly errno: number } {
  const option = readSocketOption(fd, level, name, new Uint8Array(4));
  if (option.bytes.length < 4) return { value: -1, errno: option.errno };
  return { value: new DataView(option.bytes.buffer).getInt32(0, true), errno: 0 };
}

/** The bytes of a `struct sockaddr`, local or remote; empty if there is none. */
export function readSocketAddress(
  fd: number,
  end: "getsockname" | "getpeername",
): SocketOption {
  const buffer = new Uint8Array(128);
  const length = new Uint32Array([buffer.length]);
  const result = tryCall(end, fd, buffer, length);
  const written = result.value === -1 ? 0 : Math.min(length[0] ?? 0, buffer.length);
  return { ...result, bytes: buffer.subarray(0, written) };
}

/**
 * Memory as a file that has no name; closed at an exec.
 *
 * @throws {SyscallError} with the errno of memfd_create(2)
 */
export function openMemory(name: string): Fd {
  const MFD_CLOEXEC = 1;
  return new Fd(call("make shared memory", "memfd_create", cString(name), MFD_CLOEXEC));
}

/** Numbers of calls that the C library may lack; the same on x86_64 and aarch64. */
const SYS_pidfd_open = 434;
const SYS_pidfd_getfd = 438;
const SYS_landlock_create_ruleset = 444;

/** Opens a descriptor that refers to a process; `errno` tells why not. Linux ≥ 5.3. */
export function openPidfd(pid: number): Fd | { readonly errno: number } {
  const { value, errno } = tryCall("syscall", BigInt(SYS_pidfd_open), BigInt(pid), 0n, 0n);
  return value === -1 ? { errno } : new Fd(value);
}

/**
 * Takes a copy of a descriptor of another process; `errno` tells why not. Linux ≥ 5.6.
 *
 * Needs: the right to ptrace the process (PTRACE_MODE_ATTACH_REALCREDS).
 */
export function takePidfdFd(pidfd: Fd, number: number): Fd | { readonly errno: number } {
  const { value, errno } = tryCall(
    "syscall",
    BigInt(SYS_pidfd_getfd),
    BigInt(pidfd.number),
    BigInt(number),
    0n,
  );
  return value === -1 ? { errno } : new Fd(value);
}

/**
 * Whether programs may confine themselves with Landlock: it is built in, and active since the boot.
 *
 * Source: landlock_create_ruleset(2), LANDLOCK_CREATE_RULESET_VERSION: its version, which begins at 1.
 */
export function hasLandlock(): boolean {
  const LANDLOCK_CREATE_RULESET_VERSION = 1n;
  return tryCall(
    "syscall",
    BigInt(SYS_landlock_create_ruleset),
    0n,
    0n,
    LANDLOCK_CREATE_RULESET_VERSION,
  ).value > 0;
}

/** An extended attribute of the file behind a path, or undefined if it has none. */
export function readAttribute(path: string | Uint8Array, name: string): Uint8Array | undefined {
  const buffer = new Uint8Array(256);
  const { value, errno } = tryCall(
    "getxattr",
    cString(path),
    cString(name),
    buffer,
    BigInt(buffer.length),
  );
  // A value that is too long for the buffer is there all the same.
  if (value === -1) return errno === Errno.ERANGE ? buffer : undefined;
  return buffer.subarray(0, value);
}

/** Whether the caller's effective user may execute the file, as faccessat(2) with X_OK says. */
export function mayExecute(path: string | Uint8Array): CallResult {
  const X_OK = 1;
  return tryCall("access", cString(path), X_OK);
}
