/**
 * `struct mptcp_full_info`: all subflows of one connection in one call. Linux ≥ 6.5.
 *
 * @module
 */

import { StructView } from "./struct_view.ts";
import {
  parseSubflowAddresses,
  sliceElements,
  type SubflowAddresses,
} from "./subflow_addresses.ts";
import { parseTcpInfo, TCP_INFO_SIZE, type TcpInfo } from "./tcp_info.ts";

/**
 * The header without the `struct mptcp_info` behind it; asked for with this length, the kernel leaves
 * that out.
 */
const HEADER_SIZE = 40;

/** The size of `struct mptcp_subflow_info`. */
const SUBFLOW_INFO_SIZE = 264;

/** One subflow of an MPTCP connection. */
export interface Subflow extends SubflowAddresses {
  /** The kernel's number of the subflow, in order of their making. Linux ≥ 6.5. */
  readonly id: number | undefined;
  /** The subflow as a TCP connection. */
  readonly tcp: TcpInfo | undefined;
}

/** Bytes that the kernel fills in for one call of getsockopt(MPTCP_FULL_INFO). */
export interface FullInfoBuffers {
  /** The option's value: `struct mptcp_full_info`. */
  readonly header: Uint8Array<ArrayBuffer>;
  /** An array of `struct mptcp_subflow_info`. */
  readonly subflowInfos: Uint8Array<ArrayBuffer>;
  /** An array of `struct tcp_info`. */
  readonly tcpInfos: Uint8Array<ArrayBuffer>;
}

/**
 * Encodes a request for up to `count` subflows.
 *
 * @param addressOf where a buffer lies in memory: the kernel writes the arrays through pointers
 *
 * Layout: `struct mptcp_full_info`, little-endian: u32 size_tcpinfo_kernel 0 (must be 0),
 * size_tcpinfo_user 4, size_sfinfo_kernel 8 (must be 0), size_sfinfo_user 12, num_subflows 16 (must
 * be 0), size_arrays_user 20 (elements); u64 subflow_info 24, tcp_info 32 (pointers).
 *
 * Source: include/uapi/linux/mptcp.h, net/mptcp/sockopt.c mptcp_get_full_info @ v7.2.
 */
export function encodeFullInfoRequest(
  count: number,
  addressOf: (buffer: Uint8Array<ArrayBuffer>) => bigint,
): FullInfoBuffers {
  const header = new Uint8Array(HEADER_SIZE);
  const subflowInfos = new Uint8Array(SUBFLOW_INFO_SIZE * count);
  const tcpInfos = new Uint8Array(TCP_INFO_SIZE * count);
  const view = new DataView(header.buffer);
  view.setUint32(4, TCP_INFO_SIZE, true);
  view.setUint32(12, SUBFLOW_INFO_SIZE, true);
  view.setUint32(20, count, true);
  view.setBigUint64(24, addressOf(subflowInfos), true);
  view.setBigUint64(32, addressOf(tcpInfos), true);
  return { header, subflowInfos, tcpInfos };
}

/** The subflows of one connection. */
export interface FullInfo {
  /** How many subflows the kernel has, be there room for them or not. */
  readonly count: number;
  /** The subflows that there was room for. */
  readonly subflows: readonly Subflow[];
}

/**
 * Parses what the kernel made of {@linkcode encodeFullInfoRequest}.
 *
 * Layout: as the request; num_subflows is how many subflows there are, and the user's sizes, lowered
 * to the kernel's, are the strides of the arrays. `struct mptcp_subflow_info`: u32 id 0, `struct
 * mptcp_subflow_addrs` 8. A header that is not wholly there is no subflow.
 *
 * Source: net/mptcp/sockopt.c mptcp_getsockopt_full_info @ v7.2.
 */
export function parseFullInfo(buffers: {
  readonly header: Uint8Array;
  readonly subflowInfos: Uint8Array;
  readonly tcpInfos: Uint8Array;
}): FullInfo {
  const view = new StructView(buffers.header);
  const count = view.u32(16) ?? 0;
  const subflowInfos = sliceElements(buffers.subflowInfos, view.u32(12) || Infinity, count);
  const tcpInfos = sliceElements(buffers.tcpInfos, view.u32(4) || Infinity, count);
  const subflows = subflowInfos.map((bytes, index) => {
    const tcpInfo = tcpInfos[index];
    return {
      id: new StructView(bytes).u32(0),
      ...parseSubflowAddresses(bytes.subarray(8)),
      tcp: tcpInfo && parseTcpInfo(tcpInfo),
    };
  });
  return { count, subflows };
}
