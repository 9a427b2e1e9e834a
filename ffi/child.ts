/**
 * A command as a child, of which this process is as good a parent as there can be: signals, stops and the
 * end go through (child.c).
 *
 * @module
 */

import { NotSupportedError } from "../errors.ts";
import { type CallResult, syscallError, tryCall } from "./call.ts";
import { type Execution, withExecution } from "./exec.ts";
import { cString } from "./libc.ts";

const SYMBOLS = {
  pass_signals: { parameters: ["u64"], result: "void" },
  child_is: { parameters: ["i32"], result: "void" },
  wait_for_child: { parameters: ["buffer"], result: "i32", nonblocking: true },
  end_as: { parameters: ["i32"], result: "void" },
} as const satisfies Deno.ForeignLibraryInterface;

let opened: Deno.DynamicLibrary<typeof SYMBOLS> | undefined;

function library() {
  const url = new URL(`./lib/${Deno.build.arch}/libmptcpize-child.so`, import.meta.url);
  try {
    return opened ??= Deno.dlopen(url, SYMBOLS);
  } catch (cause) {
    throw new NotSupportedError(`Cannot stay beside a command: ${url.pathname} cannot be loaded`, {
      cause,
      hint: "`deno task build` makes it",
    });
  }
}

/** How a process ended. */
export type ChildEnd =
  | { readonly kind: "exited"; readonly status: number }
  /** By a signal, by its number. */
  | { readonly kind: "killed"; readonly signal: number };

const CLD_EXITED = 1;

/** A command that was started as a child. */
export class Child {
  /** Its process. */
  readonly pid: number;

  /** Takes a process that {@linkcode spawnChild} has started. */
  constructor(pid: number) {
    this.pid = pid;
  }

  /**
   * Waits for its end; the runtime goes on, and this process stops and continues with it.
   *
   * @throws {SyscallError} when its end cannot be known
   */
  async end(): Promise<ChildEnd> {
    const end = new Int32Array(2);
    const result = await library().symbols.wait_for_child(new Uint8Array(end.buffer));
    if (result < 0) throw syscallError(`wait for process ${this.pid}`, "waitid", -result);
    const [code = 0, status = 0] = end;
    return code === CLD_EXITED ? { kind: "exited", status } : { kind: "killed", signal: status };
  }
}

/**
 * The signals that are ignored, as bits of a mask; taken early, since the runtime installs handlers of its own
 * about half a second after its start (seen on Deno 2.9.6).
 */
export function readIgnoredSignals(): bigint {
  try {
    const status = Deno.readTextFileSync("/proc/self/status");
    return BigInt(`0x${/^SigIgn:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  } catch {
    return 0n; // /proc is not mounted.
  }
}

/** Makes the runtime install the handlers now that it would install later, over ours. */
function settleRuntime(): void {
  const nothing = () => {};
  for (const signal of ["SIGUSR1", "SIGURG"] as const) {
    Deno.addSignalListener(signal, nothing);
    Deno.removeSignalListener(signal, nothing);
  }
}

/**
 * Starts a program as a child in the same process group, with what the runtime changed put back, and passes on
 * to it what signals come from now on; `errno` tells why it was not started.
 *
 * One child in the life of a process.
 *
 * @throws {NotSupportedError} when the native part is missing
 */
export function spawnChild(execution: Execution): Child | { readonly errno: number } {
  const { symbols } = library();
  const ignored = execution.ignoredSignals ?? readIgnoredSignals();
  settleRuntime();
  symbols.pass_signals(ignored);
  const pid = new Int32Array(1);
  const { value: errno }: CallResult = withExecution(
    execution,
    (argv, envp) =>
      tryCall(
        "posix_spawn",
        new Uint8Array(pid.buffer),
        cString(execution.path),
        null,
        null,
        argv,
        envp,
      ),
  );
  if (errno !== 0) return { errno };
  symbols.child_is(pid[0]!);
  return new Child(pid[0]!);
}

/** Ends this process by a signal, as another one ended by it; returns only if that is not to be had. */
export function endBySignal(signal: number): void {
  library().symbols.end_as(signal);
}
