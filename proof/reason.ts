/**
 * Why a socket is not MPTCP, as data.
 *
 * @module
 */

import type { FallbackCause } from "../inspect/mod.ts";

/** What kept a socket, or a connection, from MPTCP. */
export type ReasonCode =
  | FallbackCause
  | "blackhole"
  | "passed-in"
  | "tcp-listener"
  | "not-forced"
  | "before-attach"
  | "static"
  | "secure"
  | "old-go"
  | "go-listen"
  | "library-not-loaded"
  | "back-to-tcp"
  | "past-the-library"
  | "mptcp-off"
  | "no-owner"
  | "not-visible";

/**
 * How sure a reason is: `certain` by what was seen of this very socket, `likely` and `possible` by what was
 * seen around it.
 */
export type Certainty = "certain" | "likely" | "possible";

/** One reason, with what it rests on. */
export interface Reason {
  /** The reason in a word, for programs. */
  readonly code: ReasonCode;
  /** A clause without a final period. */
  readonly words: string;
  /** How sure it is. */
  readonly certainty: Certainty;
  /** What was seen, each a few words. */
  readonly evidence: readonly string[];
  /** One thing to do about it; commands in backticks. */
  readonly hint?: string;
}

const ORDER: readonly Certainty[] = ["certain", "likely", "possible"];

/** The most certain first; else in the order given. A certain one leaves no room for others. */
export function rankReasons(reasons: readonly Reason[]): Reason[] {
  const certain = reasons.filter((reason) => reason.certainty === "certain");
  if (certain.length > 0) return certain.slice(0, 1);
  return [...reasons].sort((left, right) =>
    ORDER.indexOf(left.certainty) - ORDER.indexOf(right.certainty)
  );
}
