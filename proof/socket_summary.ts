/**
 * Many sockets in a few numbers, and why those are not MPTCP that are not. Pure.
 *
 * @module
 */

import type { Verdict } from "../inspect/mod.ts";
import type { Reason } from "./reason.ts";
import type { SeenSocket } from "./seen_socket.ts";

/** Why some sockets are not MPTCP. */
export interface CountedReason {
  /** What they are. */
  readonly verdict: Exclude<Verdict, "mptcp">;
  /** How many. */
  readonly count: number;
  /** The likeliest reason of the first of them. */
  readonly reason: Reason;
}

/** Sockets by what they are. */
export interface SocketSummary {
  /** Those that speak MPTCP, or are able to. */
  readonly mptcp: number;
  /** Those that fell back. */
  readonly fallback: number;
  /** Those that are TCP. */
  readonly tcp: number;
  /** Why those are not MPTCP that are not: fallbacks first, then the most common. */
  readonly reasons: readonly CountedReason[];
}

/** Counts sockets, each by its likeliest reason. */
export class SocketCounter {
  readonly #counts: Record<Verdict, number> = { mptcp: 0, fallback: 0, tcp: 0 };
  readonly #reasons = new Map<string, CountedReason>();

  /** Adds one. */
  add({ verdict, reasons: [reason] }: Pick<SeenSocket, "verdict" | "reasons">): void {
    this.#counts[verdict]++;
    if (verdict === "mptcp" || reason === undefined) return;
    const key = `${verdict} ${reason.code} ${reason.words}`;
    const known = this.#reasons.get(key);
    this.#reasons.set(key, {
      verdict,
      count: (known?.count ?? 0) + 1,
      reason: known?.reason ?? reason,
    });
  }

  /** What was added so far. */
  get summary(): SocketSummary {
    const reasons = [...this.#reasons.values()].sort((left, right) =>
      left.verdict.localeCompare(right.verdict) || right.count - left.count
    );
    return { ...this.#counts, reasons };
  }
}

/** Counts all sockets of a list. */
export function summarizeSockets(
  sockets: Iterable<Pick<SeenSocket, "verdict" | "reasons">>,
): SocketSummary {
  const counter = new SocketCounter();
  for (const socket of sockets) counter.add(socket);
  return counter.summary;
}
