/**
 * What a probe makes of its attempts, in words: facts in, a finding out.
 *
 * @module
 */

import type { Attempt } from "./attempt.ts";
import { ownNamespace, readSysctl } from "./namespaces.ts";
import type { AddressProbe } from "./probe.ts";
import type { Reason } from "./reason.ts";

/** A time as a person reads it. */
export function seconds(ms: number): string {
  return ms < 1000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** What is said of an address. */
export type Finding = Pick<AddressProbe, "outcome" | "words" | "evidence" | "hint">;

/** An address that TCP does not reach either. */
export function withoutTcp(tcp: Attempt): Finding {
  const evidence = [`TCP: ${tcp.error ?? `no answer in ${seconds(tcp.ms)}`}`];
  switch (tcp.state) {
    case "refused":
      return { outcome: "closed", words: "nothing listens on that port", evidence };
    case "unreachable":
      return { outcome: "unreachable", words: "there is no way to that address", evidence };
    case "no-answer":
      return { outcome: "timeout", words: "no answer, with TCP neither", evidence };
    default:
      return { outcome: "failed", words: "TCP does not connect", evidence };
  }
}

/** Writing the setting makes the kernel begin anew; its value is left as it is. */
function blackholeHint(): string {
  const seconds = readSysctl(ownNamespace(), "mptcp/blackhole_timeout") ?? "3600";
  return `\`sysctl -w net.mptcp.blackhole_timeout=${seconds}\` as root makes it ask again`;
}

/**
 * Whether this kernel asks without MPTCP when a SYN with it gets no answer: those before 6.12 never do.
 *
 * Source: net/mptcp/ctrl.c mptcp_active_detect_blackhole, absent @ v6.11; the setting came with it.
 */
function fallsBackAfterSyn(): boolean {
  return readSysctl(ownNamespace(), "mptcp/blackhole_timeout") !== undefined;
}

/** An address that TCP reaches, and MPTCP does not. */
export function withoutMptcp(mptcp: Attempt, tcp: Attempt): Finding {
  const answered = `TCP: connected in ${seconds(tcp.ms)}`;
  const failed = `MPTCP: ${mptcp.error ?? `no answer in ${seconds(mptcp.ms)}`}`;
  switch (mptcp.state) {
    case "no-socket":
      return {
        outcome: "unavailable",
        words: "this machine gives no MPTCP socket, so it could not be asked",
        evidence: [failed, answered],
        hint: "`mptcpize doctor` says why",
      };
    case "no-answer":
      return {
        outcome: "syn-dropped",
        words: "something on the way drops the SYN that asks for MPTCP",
        evidence: [failed, answered],
        hint: fallsBackAfterSyn()
          ? "programs wait about 3 s, then get TCP, and the kernel stops asking for a while"
          : "programs fail to connect there when they are forced: leave them unforced",
      };
    case "refused":
      return {
        outcome: "syn-refused",
        words: "the server, or something on the way, refuses the SYN that asks for MPTCP",
        evidence: [failed, answered],
        hint: "programs fail to connect there when they are forced: leave them unforced",
      };
    default:
      return { outcome: "failed", words: "MPTCP does not connect", evidence: [failed, answered] };
  }
}

/** A connection that asked for MPTCP and is TCP. */
export function fallenBack(reason: Reason | undefined, answered: string): Finding {
  const evidence = [...reason?.evidence ?? [], answered];
  switch (reason?.code) {
    case "not-asked":
      return {
        outcome: "not-asked",
        words: "the kernel has stopped asking for MPTCP here, since a SYN with it was lost",
        evidence,
        hint: blackholeHint(),
      };
    case "syn-lost":
      return {
        outcome: "syn-dropped",
        words: "something on the way drops the SYN that asks for MPTCP",
        evidence,
        hint: blackholeHint(),
      };
    case "stripped-later":
      return { outcome: "stripped-later", words: STRIPPED, evidence };
    default:
      return {
        outcome: "answers-as-tcp",
        words: "the server, or something on the way, answers as plain TCP",
        evidence,
      };
  }
}

/** What is said where options are removed after the handshake. */
export const STRIPPED =
  "the handshake is MPTCP, but something on the way removes its options after that";
