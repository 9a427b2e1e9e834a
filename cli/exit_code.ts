/**
 * Errors to exit statuses.
 *
 * @module
 */

import { FormatError, NotFoundError, NotPermittedError, SyscallError, UsageError } from "../mod.ts";

/**
 * The exit status for an error: 1, or 2 for words that make no sense.
 *
 * `run` keeps those for its command, as env(1) does: 125 if mptcpize failed, 126 if the command cannot be
 * executed, 127 if it is not found.
 */
export function exitStatus(command: string | undefined, error: unknown): number {
  if (command !== "run") return error instanceof UsageError ? 2 : 1;
  if (error instanceof NotFoundError) return 127;
  if (error instanceof NotPermittedError) return error.capability === undefined ? 126 : 125;
  if (error instanceof FormatError) return 126;
  // As env(1): ENOENT is "not found", another error of the exec family "cannot be executed".
  if (error instanceof SyscallError && error.call.startsWith("exec")) {
    return error.code === "ENOENT" ? 127 : 126;
  }
  return 125;
}
