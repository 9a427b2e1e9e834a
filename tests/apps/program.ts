/**
 * How one program of a scene is started, and what it leaves.
 *
 * @module
 */

import type { ForceOptions } from "./force.ts";

/** How one program is started. */
export interface ProgramOptions {
  /** false: without mptcpize in every situation. */
  readonly force?: ForceOptions | false;
  /** Words before mptcpize, such as those that become another user. */
  readonly before?: readonly string[];
  /** What a forced server's listening socket is to be; MPTCP if absent, unless a warning says no. */
  readonly listens?: "MPTCP" | "TCP";
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly stdin?: Uint8Array<ArrayBuffer>;
  /** A line that mptcpize must write besides the warning that MPTCP is off. */
  readonly warning?: RegExp;
  /** The exit status that is right; 0 if absent. */
  readonly code?: number;
  readonly timeoutMs?: number;
}

/** What a program that has ended left. */
export interface Output {
  readonly code: number;
  readonly stdout: Uint8Array<ArrayBuffer>;
  readonly text: string;
  readonly stderr: string;
}

/** A program that runs on, such as a server. */
export interface Program {
  readonly pid: number;
  /** What it has written so far, both streams. */
  output(): string;
  /** Ends it with SIGTERM. */
  stop(): Promise<void>;
}
