/**
 * The arrays of one element per subflow, which Linux 5.16 and later give: MPTCP_SUBFLOW_ADDRS with
 * `struct mptcp_subflow_addrs`, MPTCP_TCPINFO with `struct tcp_info`.
 *
 * @module
 */

import { parseSocketAddress, type SocketAddress } from "./socket_address.ts";
import { StructView } from "./struct_view.ts";

const HEADER_SIZE = 16;

/** The size of `struct mptcp_subflow_addrs`: two times `struct sockaddr_storage`. */
export const SUBFLOW_ADDRESSES_SIZE = 256;

/** The two ends of one subflow. */
export interface SubflowAddresses {
  /** The end on this machine; undefined for a family other than IPv4 and IPv6. */
  readonly local: SocketAddress | undefined;
  /** The other end; undefined as above. */
  readonly remote: SocketAddress | undefined;
}

/**
 * Encodes a request for an array: the header, with room for the elements behind it.
 *
 * Layout: `struct mptcp_subflow_data`, little-endian: u32 size_subflow_data 0 (16), num_subflows 4 and
 * size_kernel 8 (must be 0), size_user 12 (the room for one element); the elements from 16 on.
 *
 * Source: include/uapi/linux/mptcp.h, net/mptcp/sockopt.c mptcp_get_subflow_data @ v7.2.
 */
export function encodeSubflowRequest(
  elementSize: number,
  count: number,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER_SIZE + elementSize * count);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, HEADER_SIZE, true);
  view.setUint32(12, elementSize, true);
  return bytes;
}

/** An array of one element per subflow. */
export interface SubflowArray {
  /** How many subflows the kernel has, be there room for them or not. */
  readonly count: number;
  /** The elements that are wholly there. */
  readonly elements: readonly Uint8Array[];
}

/**
 * Parses the kernel's answer to {@linkcode encodeSubflowRequest}: as many elements as are there.
 *
 * Layout: as the request; size_subflow_data is where the elements begin, num_subflows how many
 * subflows there are, size_user, lowered to size_kernel, the stride. A header that is not wholly
 * there, or that is inconsistent, is an empty array.
 *
 * Source: net/mptcp/sockopt.c mptcp_put_subflow_data, mptcp_getsockopt_tcpinfo @ v7.2.
 */
export function parseSubflowArray(bytes: Uint8Array): SubflowArray {
  const view = new StructView(bytes);
  const start = view.u32(0) ?? 0;
  const count = view.u32(4) ?? 0;
  const stride = view.u32(12) ?? 0;
  if (start < HEADER_SIZE || stride === 0) return { count: 0, elements: [] };
  return { count, elements: sliceElements(bytes.subarray(start), stride, count) };
}

/** The elements of an array that are wholly there. */
export function sliceElements(bytes: Uint8Array, stride: number, count: number): Uint8Array[] {
  const length = Math.min(count, Math.floor(bytes.length / stride));
  return Array.from(
    { length },
    (_, index) => bytes.subarray(index * stride, (index + 1) * stride),
  );
}

/**
 * Parses `struct mptcp_subflow_addrs`.
 *
 * Layout: the local address at 0, the remote one at 128, each a `struct sockaddr_storage`.
 *
 * Source: include/uapi/linux/mptcp.h @ v7.2.
 */
export function parseSubflowAddresses(bytes: Uint8Array): SubflowAddresses {
  return {
    local: parseSocketAddress(bytes.subarray(0, 128)),
    remote: parseSocketAddress(bytes.subarray(128)),
  };
}
