/**
 * Starting another program, or becoming it, with what the runtime changed put back first.
 *
 * @module
 */

import { type CallResult, tryCall } from "./call.ts";
import { cString } from "./libc.ts";

const SIGPIPE = 13;
const SIG_DFL = 0;
const SIG_IGN = 1;
const RLIMIT_NOFILE = 7;

/** Pointers to C strings with a null pointer behind; the strings live as long as the result. */
function pointers(strings: readonly Uint8Array<ArrayBuffer>[]): BigUint64Array<ArrayBuffer> {
  const list = new BigUint64Array(strings.length + 1);
  strings.forEach((string, index) => {
    list[index] = BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(string)));
  });
  return list;
}

/** What a program is started with, in bytes: neither arguments nor environment need be UTF-8. */
export interface Execution {
  /** The file to execute. */
  readonly path: Uint8Array;
  /** argv, with argv[0]. */
  readonly arguments: readonly Uint8Array[];
  /** `NAME=value` entries, in order, duplicates kept. */
  readonly environment: readonly Uint8Array[];
  /** The soft limit of open files that the program is to have; undefined leaves it. */
  readonly openFilesLimit?: number | undefined;
  /** Whether the program is to find SIGPIPE ignored, as after `trap '' PIPE`; else at its default. */
  readonly ignoreSigpipe?: boolean | undefined;
  /** The other signals that a child is to find ignored, as bits of a mask; those that are, by default. */
  readonly ignoredSignals?: bigint | undefined;
}

/**
 * Calls back with the arguments and the environment as C has them, while signals and limits are as the program
 * is to find them.
 *
 * The runtime ignores SIGPIPE and raises the soft limit of open files to the hard one; a program that
 * inherited either would behave otherwise than from a shell. Both are set as asked before, and back
 * again afterwards.
 */
export function withExecution(
  execution: Execution,
  callback: (
    argv: BigUint64Array<ArrayBuffer>,
    envp: BigUint64Array<ArrayBuffer>,
  ) => CallResult,
): CallResult {
  const argumentStrings = execution.arguments.map(cString);
  const environmentStrings = execution.environment.map(cString);
  const argv = pointers(argumentStrings);
  const envp = pointers(environmentStrings);
  const before = new BigUint64Array(2);
  tryCall("getrlimit", RLIMIT_NOFILE, before);
  const [, hard] = before;
  if (execution.openFilesLimit !== undefined && hard !== undefined) {
    const soft = BigInt(execution.openFilesLimit);
    tryCall("setrlimit", RLIMIT_NOFILE, new BigUint64Array([soft < hard ? soft : hard, hard]));
  }
  const handler = tryCall(
    "signal",
    SIGPIPE,
    BigInt(execution.ignoreSigpipe ? SIG_IGN : SIG_DFL),
  );
  const result = callback(argv, envp);
  if (handler.value !== -1) tryCall("signal", SIGPIPE, BigInt(handler.value));
  tryCall("setrlimit", RLIMIT_NOFILE, before);
  // Keeps the strings alive up to here: the kernel read them through bare pointers.
  void argumentStrings.length, void environmentStrings.length;
  return result;
}

/** Replaces this process by another program. Returns only if that failed. */
export function execute(execution: Execution): CallResult {
  return withExecution(
    execution,
    (argv, envp) => tryCall("execve", cString(execution.path), argv, envp),
  );
}
