/**
 * What a program file is, as data.
 *
 * @module
 */

import type { Elf } from "./elf.ts";
import type { GoBuild } from "./go.ts";
import type { ScriptLine } from "./script.ts";

/** A program file and what decides how to reach it. */
export interface Program {
  /** Its path as found, to be shown: bytes that are not UTF-8 are replaced. */
  readonly path: string;
  /**
   * How the kernel takes it. `unknown` is what it refuses with ENOEXEC, neither ELF nor a good `#!` line:
   * execvp(3) gives such a file to /bin/sh.
   */
  readonly format: "elf" | "script" | "unknown";
  /** Whether it may be executed but not read: all that is known comes from stat(2). */
  readonly unreadable: boolean;
  /** Whether executing it changes the user to the owner; never so for scripts, as the kernel has it. */
  readonly setUid: boolean;
  /** Whether executing it changes the group to that of the file; never so for scripts. */
  readonly setGid: boolean;
  /** Whether executing it gives capabilities to users other than root; never so for scripts. */
  readonly fileCapabilities: boolean;
  /** The user that the file belongs to: whom set-user-ID makes of the caller. */
  readonly ownerUid: number;
  /** The group that the file belongs to. */
  readonly ownerGid: number;
  /** What the ELF headers say, of this file. */
  readonly elf?: Elf | undefined;
  /** How it was built, when it is a Go program. */
  readonly go?: GoBuild | undefined;
  /** Whether it is a launcher of mptcpize, which forces what it starts. */
  readonly launcher?: boolean;
  /** The `#!` line, when it has one. */
  readonly script?: ScriptLine | undefined;
  /** What is executed in its place: the interpreter of a script, /bin/sh for an unknown format. */
  readonly interpreterProgram?: Program | undefined;
}

/** The program that is loaded in the end: the last one of the chain of interpreters, or itself. */
export function imageOf(program: Program): Program {
  let image = program;
  while (image.interpreterProgram !== undefined) image = image.interpreterProgram;
  return image;
}
