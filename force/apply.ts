/**
 * Carrying a plan out: the only place here that changes anything.
 *
 * @module
 */

import { attachTargets, detachTargets, type TargetSpec } from "../bpf/mod.ts";
import { syscallError } from "../ffi/call.ts";
import { Errno } from "../ffi/errno.ts";
import { execute } from "../ffi/exec.ts";
import { copyLibrary, encodeByteString } from "../preload/mod.ts";
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

/**
 * Becomes the planned command: same process, same descriptors, signals and limits as at the start.
 *
 * Returns only by an error. A file that is neither ELF nor has a `#!` line is given to /bin/sh, as
 * execvp(3) does.
 *
 * @throws {SyscallError} when the kernel refuses to execute it
 * @throws {NotPermittedError} when it is to be forced by BPF, and a capability is missing
 * @throws {MptcpizeError} when the preload library cannot be copied to its place
 */
export async function startCommand(plan: CommandPlan): Promise<never> {
  if (plan.library !== undefined) copyLibrary(plan.library);
  const { patch } = plan;
  const execution = {
    path: patch === undefined ? plan.path : new TextEncoder().encode(patch.patcher),
    arguments: patch === undefined ? plan.words : patcherWords(patch),
    environment: plan.environment.map(encodeByteString),
    openFilesLimit: plan.openFilesLimit,
    ignoreSigpipe: plan.ignoreSigpipe,
  };
  const leave = await enterCommandCgroup(plan);
  let { errno } = execute(execution);
  if (errno === Errno.ENOEXEC && patch === undefined) {
    const shell = new TextEncoder().encode(SHELL);
    const [, ...rest] = plan.words;
    ({ errno } = execute({ ...execution, path: shell, arguments: [shell, plan.path, ...rest] }));
  }
  leave();
  throw syscallError(`run ${patch?.patcher ?? plan.program.path}`, "execve", errno);
}
