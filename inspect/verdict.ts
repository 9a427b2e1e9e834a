/**
 * Whether a socket is MPTCP, fallen back, or TCP, from what the kernel answered about it.
 *
 * @module
 */

import { errnoName } from "../ffi/errno.ts";
import { type MptcpInfo, parseMptcpInfo } from "./mptcp_info.ts";

// Source: include/uapi/linux/in.h @ v7.2.
/** The protocol of a TCP socket. */
export const IPPROTO_TCP = 6;
/** The protocol of an MPTCP socket, fallen back or not. */
export const IPPROTO_MPTCP = 262;

/**
 * What a socket is, by the kernel's answers.
 *
 * `mptcp`: an MPTCP socket that speaks MPTCP, or is able to (listening, not connected yet);
 * `fallback`: an MPTCP socket whose connection is TCP; `tcp`: a TCP socket, which is also what an
 * MPTCP listener accepts from a client that speaks TCP.
 */
export type Verdict = "mptcp" | "fallback" | "tcp";

/** A verdict and what it rests on. */
export interface Judgement {
  /** MPTCP, fallen back, or TCP. */
  readonly verdict: Verdict;
  /** What the kernel was asked and answered, so that the verdict can be checked. */
  readonly evidence: string;
  /** The MPTCP connection, or the socket that could become one; with verdict `mptcp` alone. */
  readonly mptcp?: MptcpInfo;
}

/** A TCP socket needs no more than its protocol. */
export const JUDGED_TCP: Judgement = { verdict: "tcp", evidence: `SO_PROTOCOL ${IPPROTO_TCP}` };

/**
 * Judges an MPTCP socket by what it answers when asked for MPTCP_INFO.
 *
 * After a fallback all options go to the TCP socket, whose IP layer does not know MPTCP_INFO. A kernel
 * before 5.16 does not know it either. What tells the two apart is TCP_USER_TIMEOUT: TCP answers, and
 * MPTCP never has. No socket that can speak MPTCP is asked this.
 *
 * Source: net/mptcp/sockopt.c mptcp_getsockopt @ v7.2, net/ipv4/ip_sockglue.c ip_getsockopt
 * (EOPNOTSUPP), net/ipv6/ipv6_sockglue.c ipv6_getsockopt (ENOPROTOOPT).
 *
 * @param info the bytes of MPTCP_INFO, or why there are none
 * @param askUserTimeout asks the socket for TCP_USER_TIMEOUT
 */
export function judgeMptcp(
  info: { readonly bytes: Uint8Array; readonly errno: number },
  askUserTimeout: () => { readonly value: number; readonly errno: number },
): Judgement {
  const protocol = `SO_PROTOCOL ${IPPROTO_MPTCP}`;
  if (info.errno !== 0) {
    const { value, errno } = askUserTimeout();
    const answer = errno === 0 ? value : errnoName(errno);
    return {
      verdict: errno === 0 ? "fallback" : "mptcp",
      evidence: `${protocol}, MPTCP_INFO: ${errnoName(info.errno)}, TCP_USER_TIMEOUT: ${answer}`,
    };
  }
  const mptcp = parseMptcpInfo(info.bytes);
  const answered = `${protocol}, MPTCP_INFO ${info.bytes.length} bytes`;
  // Without a TCP socket to go to, the option is answered even after a fallback.
  if (mptcp.fallback) return { verdict: "fallback", evidence: `${answered}, flag FALLBACK` };
  const token = mptcp.token ? `token 0x${mptcp.token.toString(16).padStart(8, "0")}` : "no token";
  return { verdict: "mptcp", evidence: `${answered}, ${token}`, mptcp };
}
