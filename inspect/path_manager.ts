/**
 * The in-kernel path manager of MPTCP: endpoints and limits.
 *
 * @module
 */

import { syscallError } from "../ffi/call.ts";
import { NetlinkProtocol, NetlinkSocket } from "../ffi/netlink.ts";
import { encodeCommand, findFamily, type GenericFamily, GENL_HEADER_SIZE } from "./genetlink.ts";
import { parseAttributes } from "./netlink.ts";
import { ask } from "./netlink_request.ts";
import { renderIpv6 } from "./socket_address.ts";
import { StructView } from "./struct_view.ts";

// Source: include/uapi/linux/mptcp_pm.h @ v7.2.
const FAMILY = "mptcp_pm";
const MPTCP_PM_CMD_GET_ADDR = 3;
const MPTCP_PM_CMD_GET_LIMITS = 6;
const MPTCP_PM_ATTR_ADDR = 1;
const MPTCP_PM_ATTR_RCV_ADD_ADDRS = 2;
const MPTCP_PM_ATTR_SUBFLOWS = 3;
const MPTCP_PM_ADDR_ATTR_FAMILY = 1;
const MPTCP_PM_ADDR_ATTR_ID = 2;
const MPTCP_PM_ADDR_ATTR_ADDR4 = 3;
const MPTCP_PM_ADDR_ATTR_ADDR6 = 4;
const MPTCP_PM_ADDR_ATTR_PORT = 5;
const MPTCP_PM_ADDR_ATTR_FLAGS = 6;
const MPTCP_PM_ADDR_ATTR_IF_IDX = 7;

/** What an endpoint is for. */
export type EndpointFlag = "signal" | "subflow" | "backup" | "fullmesh" | "implicit" | "laminar";

/** By bit. Source: include/uapi/linux/mptcp_pm.h MPTCP_PM_ADDR_FLAG_* @ v7.2. */
const FLAGS: readonly EndpointFlag[] = [
  "signal",
  "subflow",
  "backup",
  "fullmesh",
  "implicit",
  "laminar",
];

/** An address that the path manager uses. */
export interface Endpoint {
  /** Its number, by which `ip mptcp endpoint delete id` names it. */
  readonly id: number;
  /** As RFC 5952 writes it. */
  readonly address: string;
  /** Undefined for any. */
  readonly port: number | undefined;
  /** What it is for; none for an endpoint that is not used yet. */
  readonly flags: readonly EndpointFlag[];
  /** The number of its network interface; undefined where none is set. */
  readonly interfaceIndex: number | undefined;
}

/** How much the path manager may do for one connection. */
export interface Limits {
  /** How many addresses that a peer announces are used. */
  readonly addAddrAccepted: number;
  /** How many subflows besides the initial one. */
  readonly subflows: number;
}

/** What the path manager of a network namespace is set to. */
export interface PathManager {
  /** In the order of the kernel. */
  readonly endpoints: readonly Endpoint[];
  /** What one connection may have. */
  readonly limits: Limits;
}

function readNumber(value: Uint8Array | undefined): StructView | undefined {
  return value && new StructView(value);
}

/** Source: attributes of addresses hold them in network order, ports in host order (mptcp_pm.yaml). */
function readAddress(
  v4: Uint8Array | undefined,
  v6: Uint8Array | undefined,
): string | undefined {
  if (v4?.length === 4) return v4.join(".");
  return v6?.length === 16 ? renderIpv6(v6) : undefined;
}

/** Parses one endpoint of a list; undefined for one without an address. */
export function parseEndpoint(payload: Uint8Array): Endpoint | undefined {
  const nested = parseAttributes(payload.subarray(GENL_HEADER_SIZE)).get(MPTCP_PM_ATTR_ADDR);
  if (nested === undefined) return undefined;
  const attributes = parseAttributes(nested);
  const address = readAddress(
    attributes.get(MPTCP_PM_ADDR_ATTR_ADDR4),
    attributes.get(MPTCP_PM_ADDR_ATTR_ADDR6),
  );
  if (address === undefined || !attributes.has(MPTCP_PM_ADDR_ATTR_FAMILY)) return undefined;
  const flags = readNumber(attributes.get(MPTCP_PM_ADDR_ATTR_FLAGS))?.u32(0) ?? 0;
  return {
    id: attributes.get(MPTCP_PM_ADDR_ATTR_ID)?.[0] ?? 0,
    address,
    port: readNumber(attributes.get(MPTCP_PM_ADDR_ATTR_PORT))?.u16(0) || undefined,
    flags: FLAGS.filter((_, bit) => flags & 1 << bit),
    interfaceIndex: readNumber(attributes.get(MPTCP_PM_ADDR_ATTR_IF_IDX))?.u32(0) || undefined,
  };
}

/** Parses the limits; undefined for a message without them. */
export function parseLimits(payload: Uint8Array): Limits | undefined {
  const attributes = parseAttributes(payload.subarray(GENL_HEADER_SIZE));
  const accepted = readNumber(attributes.get(MPTCP_PM_ATTR_RCV_ADD_ADDRS))?.u32(0);
  const subflows = readNumber(attributes.get(MPTCP_PM_ATTR_SUBFLOWS))?.u32(0);
  if (accepted === undefined || subflows === undefined) return undefined;
  return { addAddrAccepted: accepted, subflows };
}

function withFamily<Result>(
  callback: (socket: NetlinkSocket, family: GenericFamily) => Result,
): Result | undefined {
  using socket = NetlinkSocket.open(NetlinkProtocol.GENERIC);
  const family = findFamily(socket, FAMILY);
  return family && callback(socket, family);
}

/**
 * Reads what the path manager of this network namespace is set to; undefined in a kernel without one.
 *
 * Needs: nothing.
 *
 * Source: net/mptcp/pm_netlink.c @ v6.12: of its commands the two that read are for everybody.
 *
 * @throws {SyscallError} when the kernel refuses
 */
export function readPathManager(): PathManager | undefined {
  return withFamily((socket, { id }) => {
    const endpoints: Endpoint[] = [];
    let limits: Limits | undefined;
    const check = (errno: number) => {
      if (errno !== 0) throw syscallError("read the endpoints of MPTCP", "netlink", errno);
    };
    check(
      ask(socket, "dump", id, encodeCommand(MPTCP_PM_CMD_GET_ADDR), (payload) => {
        const endpoint = parseEndpoint(payload);
        if (endpoint) endpoints.push(endpoint);
      }).errno,
    );
    check(
      ask(socket, "get", id, encodeCommand(MPTCP_PM_CMD_GET_LIMITS), (payload) => {
        limits ??= parseLimits(payload);
      }).errno,
    );
    return { endpoints, limits: limits ?? { addAddrAccepted: 0, subflows: 0 } };
  });
}
