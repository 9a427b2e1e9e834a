/**
 * Which way a packet would go, as the kernel's routing says.
 *
 * @module
 */

import { NetlinkProtocol, NetlinkSocket } from "../ffi/netlink.ts";
import { encodeAttribute, parseAttributes } from "./netlink.ts";
import { ask } from "./netlink_request.ts";
import { encodeSocketAddress } from "./socket_address.ts";
import { StructView } from "./struct_view.ts";

// Source: include/uapi/linux/rtnetlink.h @ v7.2.
const RTM_GETROUTE = 26;
const RTA_DST = 1;
const RTA_SRC = 2;
const RTA_OIF = 4;
const ROUTE_MESSAGE_SIZE = 12;

/** A question about one packet. */
export interface RouteQuestion {
  /** The address that the packet comes from. */
  readonly source: string;
  /** Of the same address family as the source. */
  readonly destination: string;
  /** The number of the interface that its socket is bound to. */
  readonly interfaceIndex?: number | undefined;
}

function addressBytes(address: string): Uint8Array {
  const bytes = encodeSocketAddress({ address, port: 0 });
  return address.includes(":") ? bytes.subarray(8, 24) : bytes.subarray(4, 8);
}

/**
 * Encodes the question, what stands behind the netlink header.
 *
 * Layout: `struct rtmsg`: u8 family 0, dst_len 1, src_len 2 (in bits); 12 bytes, zeros; then attributes.
 */
export function encodeRouteQuestion(
  { source, destination, interfaceIndex }: RouteQuestion,
): Uint8Array[] {
  const message = new Uint8Array(ROUTE_MESSAGE_SIZE);
  const [from, to] = [addressBytes(source), addressBytes(destination)];
  message.set([from.length === 16 ? 10 : 2, 8 * to.length, 8 * from.length]);
  const index = new Uint8Array(4);
  new DataView(index.buffer).setUint32(0, interfaceIndex ?? 0, true);
  return [
    message,
    encodeAttribute(RTA_DST, to),
    encodeAttribute(RTA_SRC, from),
    ...(interfaceIndex === undefined ? [] : [encodeAttribute(RTA_OIF, index)]),
  ];
}

/** Parses the answer: the number of the interface that the packet leaves through. */
export function parseRoute(payload: Uint8Array): number | undefined {
  const index = parseAttributes(payload.subarray(ROUTE_MESSAGE_SIZE)).get(RTA_OIF);
  return index && new StructView(index).u32(0);
}

/**
 * Asks through which interface a packet would leave; undefined where there is no way.
 *
 * Source: net/ipv4/route.c inet_rtm_getroute, net/ipv6/route.c inet6_rtm_getroute @ v6.12.
 *
 * @throws {SyscallError} when the question cannot be sent, or the answer not be read
 */
export function findRoute(question: RouteQuestion): number | undefined {
  using socket = NetlinkSocket.open(NetlinkProtocol.ROUTE);
  let index: number | undefined;
  ask(socket, "get", RTM_GETROUTE, encodeRouteQuestion(question), (payload) => {
    index ??= parseRoute(payload);
  });
  return index;
}
