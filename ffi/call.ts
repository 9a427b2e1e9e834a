/**
 * The one place through which C library calls pass: call, then errno, with nothing between.
 *
 * errno belongs to the thread, and the runtime makes system calls of its own between two operations
 * of a program. Read by the very next synchronous foreign call it was right in 300,000 of 300,000
 * cases; with an operation of the runtime between, it was overwritten; after a `nonblocking` call it
 * is another thread's. So no function here is `nonblocking`, and nobody else reads errno.
 *
 * @module
 */

import { SyscallError } from "../errors.ts";
import { errnoName, errnoWords } from "./errno.ts";
import { type Libc, libc } from "./libc_symbols.ts";

/** What a C library call gave: its result, and errno if the result says that it failed. */
export interface CallResult {
  /** The call's own result; -1 for failure. */
  readonly value: number;
  /** The error number, 0 on success. */
  readonly errno: number;
}

type Symbols = Libc["symbols"];
/** A function of the C library that returns -1 and sets errno when it fails. */
export type CallName = Exclude<keyof Symbols, "__errno_location" | `${string}_beside`>;

/** Calls a function of the C library, and never throws for what the function says. */
export function tryCall<Name extends CallName>(
  name: Name,
  ...parameters: Parameters<NonNullable<Symbols[Name]>>
): CallResult {
  const { symbols } = libc();
  const errnoLocation = symbols.__errno_location;
  const callee = symbols[name] as (...parameters: unknown[]) => number | bigint;
  const value = callee(...parameters);
  // Between these two lines nothing may run that could make a system call.
  const location = errnoLocation();
  const result = Number(value);
  if (result !== -1 || location === null) return { value: result, errno: 0 };
  return { value: result, errno: new Deno.UnsafePointerView(location).getInt32() };
}

/** The error for a failed call: `Cannot <what>: <strerror> (<call>: <ERRNO>)`. */
export function syscallError(what: string, call: string, errno: number): SyscallError {
  const code = errnoName(errno);
  return new SyscallError(`Cannot ${what}: ${errnoWords(errno)} (${call}: ${code})`, {
    call,
    errno,
    code,
  });
}

/**
 * Calls a function of the C library.
 *
 * @param what what this is for, as it stands behind "Cannot": `read the sockets of process 12`
 * @throws {SyscallError} when the function returns -1
 */
export function call<Name extends CallName>(
  what: string,
  name: Name,
  ...parameters: Parameters<NonNullable<Symbols[Name]>>
): number {
  const { value, errno } = tryCall(name, ...parameters);
  if (value === -1) throw syscallError(what, name, errno);
  return value;
}
