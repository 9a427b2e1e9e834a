/**
 * What a socket answered to whoever held it then, as bytes, turned into facts. Pure.
 *
 * @module
 */

import { parseSocketAddress } from "./socket_address.ts";
import { connectionState, pairSubflows, type SocketFacts } from "./stream_socket.ts";
import { parseSubflowArray } from "./subflow_addresses.ts";
import { parseTcpInfo } from "./tcp_info.ts";
import { IPPROTO_MPTCP, JUDGED_TCP, judgeMptcp } from "./verdict.ts";

const AF_INET = 2;

/** What one socket answered, as bytes; empty where it did not. */
export interface SocketAnswers {
  /** SO_DOMAIN. */
  readonly family: number;
  /** SO_PROTOCOL. */
  readonly protocol: number;
  /** SO_ACCEPTCONN. */
  readonly listens: boolean;
  /** What getsockname() filled in. */
  readonly local: Uint8Array;
  /** What getpeername() filled in. */
  readonly remote: Uint8Array;
  /** `struct mptcp_info`, or the errno for it. */
  readonly info: { readonly bytes: Uint8Array; readonly errno: number };
  /** What TCP_USER_TIMEOUT answered where MPTCP_INFO did not: 0 or an errno. */
  readonly userTimeoutErrno: number;
  /** `struct tcp_info`. */
  readonly tcpInfo: Uint8Array;
  /** The answer to MPTCP_SUBFLOW_ADDRS. */
  readonly subflowAddresses: Uint8Array;
  /** The answer to MPTCP_TCPINFO. */
  readonly subflowTcpInfos: Uint8Array;
}

/** The facts that answers give: the same as those of a socket that is asked itself. */
export function factsOfAnswers(answers: SocketAnswers): SocketFacts {
  const judgement = answers.protocol === IPPROTO_MPTCP
    ? judgeMptcp(answers.info, () => ({ value: 0, errno: answers.userTimeoutErrno }))
    : JUDGED_TCP;
  const connected = Boolean(judgement.mptcp?.token) && !answers.listens;
  const subflows = connected
    ? pairSubflows(
      parseSubflowArray(answers.subflowAddresses),
      parseSubflowArray(answers.subflowTcpInfos),
    )
    : undefined;
  const tcp = answers.tcpInfo.length > 0 ? parseTcpInfo(answers.tcpInfo) : undefined;
  const [local, remote] = [answers.local, answers.remote].map((bytes) => {
    const address = parseSocketAddress(bytes);
    return address?.port ? address : undefined;
  });
  return {
    family: answers.family === AF_INET ? "IPv4" : "IPv6",
    ...(local && { local }),
    ...(remote && { remote }),
    ...judgement,
    state: answers.listens ? "LISTEN" : tcp?.state ?? connectionState(subflows ?? []),
    ...(subflows && { subflows }),
    ...(judgement.verdict !== "mptcp" && remote && tcp && { tcp }),
  };
}
