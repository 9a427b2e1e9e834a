/**
 * Why an MPTCP socket carries a TCP connection: facts in, reasons out. Pure.
 *
 * @module
 */

import {
  countCauses,
  type CountedCause,
  type DiagSubflow,
  type FallbackCause,
  type MptcpCounters,
  type TcpInfo,
} from "../inspect/mod.ts";
import { type Certainty, rankReasons, type Reason } from "./reason.ts";

/** What is known of a connection that has fallen back. */
export interface FallbackFacts {
  /** How the kernel describes its TCP half; undefined where that is not shown. */
  readonly subflow: DiagSubflow | undefined;
  readonly tcp: TcpInfo | undefined;
  /** Whether the peer's handshake was MPTCP; undefined where that is not known. */
  readonly remoteKeyReceived: boolean | undefined;
  /** Whether segments are signed (TCP_MD5SIG). */
  readonly md5: boolean;
  /** What was counted in its network namespace. */
  readonly counters: MptcpCounters;
}

const WORDS: Readonly<Record<FallbackCause, string>> = {
  "answered-as-tcp": "the peer, or something on the way, answered as plain TCP",
  "syn-lost":
    "something on the way dropped the SYN that asked for MPTCP; one without it came through",
  "not-asked": "the kernel has stopped asking for MPTCP here, since a SYN with it was lost",
  "client-went-tcp": "the client asked for MPTCP and then went on as TCP",
  "stripped-later": "MPTCP options were removed on the way after the handshake",
  "bad-data": "MPTCP data arrived without its mapping, or with a wrong one",
  "checksum": "data was changed on the way: its MPTCP checksum was wrong",
  "signature": "the program signs its segments (TCP_MD5SIG), which rules MPTCP out",
  "simultaneous-open": "both ends connected to each other at the same time",
  "no-token": "the kernel had no free token for the connection",
};

const HINTS: Partial<Record<FallbackCause, string>> = {
  "not-asked": "`sysctl -w net.mptcp.blackhole_timeout=3600` as root makes it ask again",
};

/** The causes that can end MPTCP before, and after, the peer has answered with it. */
const AT_HANDSHAKE: readonly FallbackCause[] = [
  "answered-as-tcp",
  "syn-lost",
  "not-asked",
  "signature",
  "no-token",
  "simultaneous-open",
];
const AFTER_HANDSHAKE: readonly FallbackCause[] = [
  "stripped-later",
  "bad-data",
  "checksum",
  "simultaneous-open",
];

function reason(
  cause: FallbackCause,
  certainty: Certainty,
  evidence: readonly string[],
  counted: readonly CountedCause[],
): Reason {
  const counters = counted.filter((count) => count.cause === cause)
    .map(({ counter, times }) => `${counter} ${times}`);
  const hint = HINTS[cause];
  return {
    code: cause,
    words: WORDS[cause],
    certainty,
    evidence: [...evidence, ...counters],
    ...(hint === undefined ? {} : { hint }),
  };
}

/** Reasons by the counters of the namespace: the most frequent first. */
function byCounters(
  causes: readonly FallbackCause[],
  counted: readonly CountedCause[],
  evidence: readonly string[],
): Reason[] {
  const seen = new Set<FallbackCause>();
  const found = counted.filter(({ cause }) => {
    if (seen.has(cause) || !causes.includes(cause)) return false;
    seen.add(cause);
    return true;
  });
  return found.map(({ cause }, index) => {
    const certainty = found.length === 1 ? "likely" : index === 0 ? "likely" : "possible";
    return reason(cause, certainty, evidence, counted);
  });
}

/**
 * Why a connection fell back.
 *
 * The kernel keeps no reason for a socket, but traces of it: whether the SYN asked for MPTCP (a request
 * that was given up is cleared), whether the peer's key came, and how often the SYN was repeated. The
 * counters of the namespace decide what the socket itself leaves open.
 *
 * Source: net/mptcp/protocol.h mptcp_subflow_early_fallback, net/mptcp/subflow.c subflow_finish_connect,
 * net/mptcp/options.c check_fully_established, net/mptcp/ctrl.c @ v6.12.
 */
export function explainFallback(facts: FallbackFacts): Reason[] {
  const { subflow, tcp, remoteKeyReceived, md5 } = facts;
  const counted = countCauses(facts.counters);
  if (md5) return [reason("signature", "certain", ["TCP_MD5SIG is set"], counted)];
  if (remoteKeyReceived) {
    const evidence = ["the handshake was MPTCP"];
    const reasons = byCounters(AFTER_HANDSHAKE, counted, evidence);
    return reasons.length > 0
      ? rankReasons(reasons)
      : [reason("stripped-later", "likely", evidence, counted)];
  }
  if (subflow?.asked) {
    return [
      reason("answered-as-tcp", "certain", ["asked for in the SYN", "SYN/ACK without it"], counted),
    ];
  }
  if (subflow !== undefined && tcp?.retransmits !== undefined) {
    const early = subflow.localToken === 0;
    if (!early && tcp.retransmits > 0) {
      const evidence = [`SYN repeated ${tcp.retransmits}×`, "the last one without MPTCP"];
      return [reason("syn-lost", "certain", evidence, counted)];
    }
    const causes: readonly FallbackCause[] = ["not-asked", "signature", "no-token"];
    const reasons = byCounters(causes, counted, ["not asked for"]);
    if (reasons.length > 0) return rankReasons(reasons);
  }
  return rankReasons(byCounters(AT_HANDSHAKE.concat(AFTER_HANDSHAKE), counted, []));
}
