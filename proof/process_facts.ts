/**
 * What decides whether the sockets of a running process are forced.
 *
 * @module
 */

import { MptcpizeError } from "../errors.ts";
import { type Environment, getVariable, parseNulTerminated } from "../preload/mod.ts";
import { imageOf, type Program, readProgram } from "../program/mod.ts";

/** The file name by which the preload library is told in an environment and among mapped files. */
export const LIBRARY_NAME = "libmptcpize.so";
/** Source: include/uapi/linux/auxvec.h @ v6.12. */
const AT_SECURE = 23n;

/** A process, as far as forcing goes. */
export interface ProcessFacts {
  /** Whether it may be looked into; if not, nothing below is known. */
  readonly visible: boolean;
  /** Whether its environment names the preload library. */
  readonly libraryNamed: boolean;
  /** Whether the preload library is loaded in it. */
  readonly libraryLoaded: boolean;
  /** Whether GODEBUG asks for MPTCP. */
  readonly godebug: boolean;
  /** Whether its loader heeds no environment: set-user-ID, file capabilities. */
  readonly secure: boolean;
  /** What it runs; undefined where that cannot be read. */
  readonly program: Program | undefined;
  /** How many descriptors, from 3 on, were passed in by a service manager (LISTEN_FDS). */
  readonly passedIn: number;
}

const UNSEEN: ProcessFacts = {
  visible: false,
  libraryNamed: false,
  libraryLoaded: false,
  godebug: false,
  secure: false,
  program: undefined,
  passedIn: 0,
};

/** Whether the auxiliary vector has AT_SECURE set: pairs of u64, type and value. */
export function parseSecure(auxv: Uint8Array): boolean {
  const view = new DataView(auxv.buffer, auxv.byteOffset, auxv.byteLength);
  for (let at = 0; at + 16 <= auxv.length; at += 16) {
    if (view.getBigUint64(at, true) === AT_SECURE) return view.getBigUint64(at + 8, true) !== 0n;
  }
  return false;
}

/** Whether the last word on MPTCP in a value of GODEBUG asks for it. */
export function asksGo(godebug: string): boolean {
  const words = godebug.split(",").filter((word) => word.startsWith("multipathtcp="));
  const last = words.at(-1);
  return last !== undefined && last !== "multipathtcp=0";
}

/** How many descriptors the environment says to be passed in to this very process. */
export function countPassedIn(environment: Environment, pid: number): number {
  if (Number(getVariable(environment, "LISTEN_PID")) !== pid) return 0;
  const count = Number(getVariable(environment, "LISTEN_FDS"));
  return Number.isSafeInteger(count) && count > 0 ? count : 0;
}

function program(pid: number): Program | undefined {
  try {
    return imageOf(readProgram(`/proc/${pid}/exe`));
  } catch (error) {
    if (error instanceof MptcpizeError) return undefined;
    throw error;
  }
}

/**
 * Reads what decides whether a process is forced; a process that is gone, or another user's, is not
 * visible.
 *
 * The environment is that of its start: what it set itself since does not show.
 *
 * Needs: the right to trace the process (PTRACE_MODE_READ), proc(5).
 */
export function readProcessFacts(pid: number): ProcessFacts {
  try {
    const environment = parseNulTerminated(Deno.readFileSync(`/proc/${pid}/environ`));
    return {
      visible: true,
      libraryNamed: (getVariable(environment, "LD_PRELOAD") ?? "").includes(LIBRARY_NAME),
      libraryLoaded: Deno.readTextFileSync(`/proc/${pid}/maps`).includes(`/${LIBRARY_NAME}`),
      godebug: asksGo(getVariable(environment, "GODEBUG") ?? ""),
      secure: parseSecure(Deno.readFileSync(`/proc/${pid}/auxv`)),
      program: program(pid),
      passedIn: countPassedIn(environment, pid),
    };
  } catch {
    return UNSEEN; // Gone, or of another user: what could be told is that it cannot be seen.
  }
}
