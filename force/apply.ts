/**
 * Carrying a plan out: the only place here that changes anything.
 *
 * @module
 */

import { syscallError } from "../ffi/call.ts";
import { Errno } from "../ffi/errno.ts";
import { execute } from "../ffi/exec.ts";
import { copyLibrary, encodeByteString } from "../preload/mod.ts";
import type { CommandPlan } from "./command.ts";

const SHELL = "/bin/sh";

/**
 * Becomes the planned command: same process, same descriptors, signals and limits as at the start.
 *
 * Returns only by an error. A file that is neither ELF nor has a `#!` line is given to /bin/sh, as
 * execvp(3) does.
 *
 * @throws {SyscallError} when the kernel refuses to execute it
 * @throws {MptcpizeError} when the preload library cannot be copied to its place
 */
export function startCommand(plan: CommandPlan): never {
  if (plan.library !== undefined) copyLibrary(plan.library);
  const execution = {
    path: plan.path,
    arguments: plan.words,
    environment: plan.environment.map(encodeByteString),
    openFilesLimit: plan.openFilesLimit,
    ignoreSigpipe: plan.ignoreSigpipe,
  };
  let { errno } = execute(execution);
  if (errno === Errno.ENOEXEC) {
    const shell = new TextEncoder().encode(SHELL);
    const [, ...rest] = plan.words;
    ({ errno } = execute({ ...execution, path: shell, arguments: [shell, plan.path, ...rest] }));
  }
  throw syscallError(`run ${plan.program.path}`, "execve", errno);
}
