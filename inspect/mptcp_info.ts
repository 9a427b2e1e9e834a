/**
 * `struct mptcp_info`: what the kernel tells of one MPTCP connection.
 *
 * @module
 */

import { StructView } from "./struct_view.ts";

const MPTCP_INFO_FLAG_FALLBACK = 1;
const MPTCP_INFO_FLAG_REMOTE_KEY_RECEIVED = 2;

/** Room for the structure of every kernel up to 7.2 (96 bytes), and more. */
export const MPTCP_INFO_BUFFER_SIZE = 256;

/**
 * An MPTCP connection in the kernel's words; a field that this kernel does not tell is undefined.
 *
 * The limits and address counts belong to the path manager of the network namespace.
 */
export interface MptcpInfo {
  /** Additional subflows; the initial one is not counted, so a healthy connection may say 0. */
  readonly subflows: number | undefined;
  /** Addresses announced to the peer. */
  readonly addAddrSignal: number | undefined;
  /** Addresses that the peer announced and that were accepted. */
  readonly addAddrAccepted: number | undefined;
  /** How many additional subflows the limits allow. */
  readonly subflowsMax: number | undefined;
  /** How many endpoints there are to announce. */
  readonly addAddrSignalMax: number | undefined;
  /** How many announced addresses the limits accept. */
  readonly addAddrAcceptedMax: number | undefined;
  /** Whether the connection is TCP after all; the kernel rather refuses the option then. */
  readonly fallback: boolean | undefined;
  /** Whether the peer has answered as MPTCP. */
  readonly remoteKeyReceived: boolean | undefined;
  /** The local token, by which the kernel's other interfaces name it; 0 before a connection. */
  readonly token: number | undefined;
  /** Endpoints in use for subflows of this side. */
  readonly localAddrUsed: number | undefined;
  /** How many endpoints there are for subflows of this side. */
  readonly localAddrMax: number | undefined;
  /** Whether DSS checksums are in use. */
  readonly csumEnabled: boolean | undefined;
  /** Retransmissions between subflows. Linux ≥ 6.5. */
  readonly retransmits: number | undefined;
  /** Bytes retransmitted on another subflow. Linux ≥ 6.5. */
  readonly bytesRetrans: number | undefined;
  /** Payload bytes, over all subflows. Linux ≥ 6.5. */
  readonly bytesSent: number | undefined;
  /** Payload bytes, over all subflows. Linux ≥ 6.5. */
  readonly bytesReceived: number | undefined;
  /** Payload bytes, over all subflows. Linux ≥ 6.5. */
  readonly bytesAcked: number | undefined;
  /** Subflows, with the initial one. Linux ≥ 6.8. */
  readonly subflowsTotal: number | undefined;
  /** Milliseconds since data was last sent. Linux ≥ 6.10. */
  readonly lastDataSentMs: number | undefined;
  /** Milliseconds since data was last received. Linux ≥ 6.10. */
  readonly lastDataRecvMs: number | undefined;
  /** Milliseconds since the last acknowledgement. Linux ≥ 6.10. */
  readonly lastAckRecvMs: number | undefined;
}

/**
 * Parses `struct mptcp_info`; fields beyond the end are undefined, bytes beyond the last are ignored.
 *
 * Layout: little-endian, only ever longer.
 * 5.16 (48 bytes): u8 subflows 0, add_addr_signal 1, add_addr_accepted 2, subflows_max 3,
 * add_addr_signal_max 4, add_addr_accepted_max 5; u32 flags 8, token 12; u64 write_seq 16, snd_una
 * 24, rcv_nxt 32; u8 local_addr_used 40, local_addr_max 41, csum_enabled 42.
 * 6.5 (80): u32 retransmits 44; u64 bytes_retrans 48, bytes_sent 56, bytes_received 64, bytes_acked
 * 72. 6.8 (88): u8 subflows_total 80. 6.10 (96): u32 last_data_sent 84, last_data_recv 88,
 * last_ack_recv 92.
 * The structure ends in padding, which a newer field may later take (44, 84): such a field counts only
 * if the bytes reach to the end of what its release brought. Not decoded: write_seq, snd_una and
 * rcv_nxt, which start at random keys and say nothing outside the connection; endp_laminar_max 81 and
 * endp_fullmesh_max 82 (6.18), where 0 may also be an older kernel's padding.
 *
 * Source: include/uapi/linux/mptcp.h, net/mptcp/sockopt.c mptcp_diag_fill_info @ v7.2.
 */
export function parseMptcpInfo(bytes: Uint8Array): MptcpInfo {
  const view = new StructView(bytes);
  const has6_5 = view.length >= 80;
  const has6_8 = view.length >= 88;
  const has6_10 = view.length >= 96;
  const flags = view.u32(8);
  const csumEnabled = view.u8(42);
  return {
    subflows: view.u8(0),
    addAddrSignal: view.u8(1),
    addAddrAccepted: view.u8(2),
    subflowsMax: view.u8(3),
    addAddrSignalMax: view.u8(4),
    addAddrAcceptedMax: view.u8(5),
    fallback: flags === undefined ? undefined : (flags & MPTCP_INFO_FLAG_FALLBACK) !== 0,
    remoteKeyReceived: flags === undefined
      ? undefined
      : (flags & MPTCP_INFO_FLAG_REMOTE_KEY_RECEIVED) !== 0,
    token: view.u32(12),
    localAddrUsed: view.u8(40),
    localAddrMax: view.u8(41),
    csumEnabled: csumEnabled === undefined ? undefined : csumEnabled !== 0,
    retransmits: has6_5 ? view.u32(44) : undefined,
    bytesRetrans: has6_5 ? view.counter64(48) : undefined,
    bytesSent: has6_5 ? view.counter64(56) : undefined,
    bytesReceived: has6_5 ? view.counter64(64) : undefined,
    bytesAcked: has6_5 ? view.counter64(72) : undefined,
    subflowsTotal: has6_8 ? view.u8(80) : undefined,
    lastDataSentMs: has6_10 ? view.u32(84) : undefined,
    lastDataRecvMs: has6_10 ? view.u32(88) : undefined,
    lastAckRecvMs: has6_10 ? view.u32(92) : undefined,
  };
}
