import { strictEqual } from "node:assert";
import {
  FormatError,
  NotFoundError,
  NotPermittedError,
  NotSupportedError,
  SyscallError,
  UsageError,
} from "../errors.ts";
import { exitStatus } from "./exit_code.ts";

const execve = (code: string) => new SyscallError("", { call: "execve", errno: 0, code });

Deno.test("exitStatus() keeps the statuses of env(1) for run, and 1 and 2 for the rest", () => {
  for (
    const [error, run, other] of [
      [new UsageError(""), 125, 2],
      [new NotSupportedError(""), 125, 1],
      [new FormatError(""), 126, 1],
      [new Error(""), 125, 1],
      [new NotFoundError(""), 127, 1],
      [new NotPermittedError(""), 126, 1],
      [execve("ENOENT"), 127, 1],
      [execve("ENOTDIR"), 126, 1],
      [execve("EACCES"), 126, 1],
      [execve("E2BIG"), 126, 1],
      [execve("ENOEXEC"), 126, 1],
    ] as const
  ) {
    strictEqual(exitStatus("run", error), run, `${error.name} under run`);
    strictEqual(exitStatus("explain", error), other, `${error.name} under explain`);
    strictEqual(exitStatus(undefined, error), other, `${error.name} without a command`);
  }
});
