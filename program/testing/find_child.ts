/**
 * Finds commands in a process of its own, which has the working directory and the user of the test.
 *
 * Reads a {@linkcode FindRequest} as JSON from standard input and writes {@linkcode FindAnswer}s.
 *
 * @module
 */

import { FormatError } from "../../errors.ts";
import { call } from "../../ffi/call.ts";
import { Errno, errnoWords } from "../../ffi/errno.ts";
import { openFds } from "../../ffi/fd.ts";
import { errnoOf } from "../open.ts";
import type { Program } from "../program.ts";
import { findCommand } from "../read.ts";

/** What to find, and as whom. */
export interface FindRequest {
  /** The user and group to become; this process's where undefined. */
  readonly uid?: number | undefined;
  readonly cases: readonly { readonly command: string; readonly path?: string | undefined }[];
}

/** What was found, or what strerror(3) says of the error. */
export interface FindAnswer {
  readonly path?: string;
  readonly program?: Program;
  readonly error?: string;
}

/** setgroups, setresgid, setresuid: as bare calls they concern this thread alone. */
const NUMBERS = Deno.build.arch === "aarch64" ? [159n, 149n, 147n] : [116n, 119n, 117n];

function becomeUser(uid: number): void {
  const [setgroups, setresgid, setresuid] = NUMBERS as [bigint, bigint, bigint];
  const id = BigInt(uid);
  call("drop groups", "syscall", setgroups, 0n, 0n, 0n);
  call("change group", "syscall", setresgid, id, id, id);
  call("change user", "syscall", setresuid, id, id, id);
}

function find(command: string, path: string | undefined): FindAnswer {
  try {
    const found = findCommand(command, path);
    return { path: found.path, program: found.program };
  } catch (error) {
    const errno = error instanceof FormatError ? Errno.ELOOP : errnoOf(error);
    if (errno === undefined) throw error;
    return { error: errnoWords(errno) };
  }
}

if (import.meta.main) {
  const { uid, cases }: FindRequest = await new Response(Deno.stdin.readable).json();
  if (uid !== undefined) becomeUser(uid);
  const answers = cases.map(({ command, path }) => find(command, path));
  if (openFds().length > 0) throw new Error(`descriptors are left open: ${openFds()}`);
  console.log(JSON.stringify(answers));
}
