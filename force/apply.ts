/**
 * Carrying a plan out: the only place here that changes anything.
 *
 * @module
 */

import { attachTargets, detachTargets, type TargetSpec } from "../bpf/mod.ts";
import { syscallError } from "../ffi/call.ts";
import { type Child, spawnChild } from "../ffi/child.ts";
import { Errno } from "../ffi/errno.ts";
import { execute, type Execution } from "../ffi/exec.ts";
import { copyLibrary, encodeByteString, type Environment, setVariable } from "../preload/mod.ts";
import { patcherWords } from "../patch/mod.ts";
import type { CommandPlan } from "./command.ts";
import { enterRunCgroup, pruneRunCgroups } from "./run_cgroup.ts";

const SHELL = "/bin/sh";

/**
 * Moves this process into the cgroup of its own that a plan has for the command, attached; does nothing
 * where it has none.
 *
 * @returns what undoes it, where the command could not be started
 * @throws {NotPermittedError} when a capability is missing
 * @throws {MptcpizeError} when it cannot be done; nothing is changed then
 */
export async function enterCommandCgroup(plan: CommandPlan): Promise<() => void> {
  if (plan.cgroup === undefined) return () => {};
  pruneRunCgroups();
  const cgroup = await enterRunCgroup(plan.cgroup);
  const spec: TargetSpec = { kind: "cgroup", path: cgroup.path, strict: plan.cgroup.strict };
  try {
    attachTargets([spec], { mountBpffs: true });
  } catch (error) {
    cgroup.leave();
    throw error;
  }
  return () => {
    detachTargets([spec]);
    cgroup.leave();
  };
}

/** Begins a command in one way or the other; an errno tells that it was not begun. */
type Begin<Result> = (execution: Execution) => Result | { readonly errno: number };

/** A file that is neither ELF nor has a `#!` line is given to /bin/sh, as execvp(3) does. */
async function begin<Result extends object>(
  plan: CommandPlan,
  environment: Environment,
  way: Begin<Result>,
): Promise<Result> {
  if (plan.library !== undefined) copyLibrary(plan.library);
  if (plan.reportLibrary !== undefined) copyLibrary(plan.reportLibrary);
  const { patch } = plan;
  const execution = {
    path: patch === undefined ? plan.path : new TextEncoder().encode(patch.patcher),
    arguments: patch === undefined ? plan.words : patcherWords(patch),
    environment: environment.map(encodeByteString),
    openFilesLimit: plan.openFilesLimit,
    ignoreSigpipe: plan.ignoreSigpipe,
    ignoredSignals: plan.ignoredSignals,
  };
  const leave = await enterCommandCgroup(plan);
  let begun = way(execution);
  if ("errno" in begun && begun.errno === Errno.ENOEXEC && patch === undefined) {
    const shell = new TextEncoder().encode(SHELL);
    const [, ...rest] = plan.words;
    begun = way({ ...execution, path: shell, arguments: [shell, plan.path, ...rest] });
  }
  if (!("errno" in begun)) return begun;
  leave();
  throw syscallError(`run ${patch?.patcher ?? plan.program.path}`, "execve", begun.errno as number);
}

/**
 * Becomes the planned command: same process, same descriptors, signals and limits as at the start.
 *
 * Returns only by an error.
 *
 * @throws {SyscallError} when the kernel refuses to execute it
 * @throws {NotPermittedError} when it is to be forced by BPF, and a capability is missing
 * @throws {MptcpizeError} when the preload library cannot be copied to its place
 */
export async function startCommand(plan: CommandPlan): Promise<never> {
  return await begin<never>(plan, plan.environment, execute);
}

/**
 * Starts the planned command as a child, whose signals, stops and end go through this process.
 *
 * @param entry one more variable, as `NAME=value`
 * @throws {SyscallError} when the kernel refuses to execute it
 * @throws {NotPermittedError} when it is to be forced by BPF, and a capability is missing
 * @throws {MptcpizeError} when a library cannot be copied to its place
 */
export async function spawnCommand(
  plan: CommandPlan,
  [name, value]: readonly [string, string],
): Promise<Child> {
  return await begin<Child>(plan, setVariable(plan.environment, name, value), spawnChild);
}
