/**
 * The messages of `NETLINK_SOCK_DIAG` about TCP and MPTCP sockets, as bytes: no effects.
 *
 * @module
 */

import { type MptcpInfo, parseMptcpInfo } from "./mptcp_info.ts";
import { encodeAttribute, parseAttributes } from "./netlink.ts";
import { renderIpv6, type SocketAddress } from "./socket_address.ts";
import { StructView } from "./struct_view.ts";
import { parseTcpInfo, STATES, type TcpInfo } from "./tcp_info.ts";
import { IPPROTO_MPTCP, IPPROTO_TCP } from "./verdict.ts";

// Source: include/uapi/linux/sock_diag.h, inet_diag.h @ v7.2.
const INET_DIAG_REQ_BYTECODE = 1;
const INET_DIAG_REQ_PROTOCOL = 3;
const INET_DIAG_BC_JMP = 1;
const INET_DIAG_BC_CGROUP_COND = 13;
const INET_DIAG_INFO = 2;
const INET_DIAG_MARK = 15;
const INET_DIAG_MD5SIG = 18;
const INET_DIAG_ULP_INFO = 19;
const INET_DIAG_CGROUP_ID = 21;
const INET_ULP_INFO_NAME = 1;
const INET_ULP_INFO_MPTCP = 3;
const MPTCP_SUBFLOW_ATTR_TOKEN_REM = 1;
const MPTCP_SUBFLOW_ATTR_TOKEN_LOC = 2;
const MPTCP_SUBFLOW_ATTR_FLAGS = 8;
const MPTCP_SUBFLOW_ATTR_ID_REM = 9;
const MPTCP_SUBFLOW_ATTR_ID_LOC = 10;

const AF_INET = 2;
const AF_INET6 = 10;
const MESSAGE_SIZE = 72;

/** All states but those that are no socket any more or yet: TIME_WAIT, SYN_RECV, NEW_SYN_RECV. */
const SOCKET_STATES = 0xfff & ~(1 << 6 | 1 << 3);

/** A subflow as the TCP half of the kernel knows it. */
export interface DiagSubflow {
  /** The token of the connection on this side; 0 for one that never asked for MPTCP. */
  readonly localToken: number | undefined;
  /** The token of the connection at the peer, as far as it is known: with MP_JOIN. */
  readonly remoteToken: number | undefined;
  /** The address id that the peer uses. */
  readonly remoteId: number | undefined;
  /** The address id on this side: 0 for the initial subflow. */
  readonly localId: number | undefined;
  /** Whether the peer's handshake carried MP_CAPABLE; of a joined subflow, never. */
  readonly peerCapable: boolean;
  /** Whether this side's SYN asked for MPTCP; false where the kernel gave that up. */
  readonly asked: boolean;
  /** Whether it joined a connection that was there. */
  readonly joined: boolean;
  /** Whether the peer wants it as backup. */
  readonly backupByPeer: boolean;
  /** Whether this side wants it as backup. */
  readonly backup: boolean;
  /** Whether MPTCP was seen from the peer after the handshake too. */
  readonly fullyEstablished: boolean;
  /** Whether the handshake is through, on the side that connects. */
  readonly connected: boolean;
}

/** One socket in the kernel's list. */
export interface DiagSocket {
  /** Which list it is in: a subflow is TCP, its connection MPTCP. */
  readonly protocol: "TCP" | "MPTCP";
  /** An IPv6 socket may carry IPv4, with mapped addresses. */
  readonly family: "IPv4" | "IPv6";
  /** The kernel's name of the state, such as `ESTABLISHED`. */
  readonly state: string;
  /** Port 0 for a socket that is closed. */
  readonly local: SocketAddress;
  /** Undefined unless connected. */
  readonly remote: SocketAddress | undefined;
  /** The owner of the socket, as a user id. */
  readonly uid: number;
  /** 0 for a socket that no descriptor refers to: closed, and not finished yet, or not accepted yet. */
  readonly inode: number;
  /** The cgroup v2 that the socket was made in. */
  readonly cgroupId: bigint | undefined;
  /** Of an MPTCP socket. */
  readonly mptcp?: MptcpInfo;
  /** Of a TCP socket. */
  readonly tcp?: TcpInfo;
  /** What sits upon a TCP socket: `mptcp`, `tls`; undefined for nothing, or where it is not shown. */
  readonly ulp?: string;
  /** Of a TCP socket upon which MPTCP sits. */
  readonly subflow?: DiagSubflow;
  /** Whether it signs its segments (TCP_MD5SIG), which rules MPTCP out; shown to CAP_NET_ADMIN. */
  readonly md5: boolean;
  /** Whether the kernel shows what only CAP_NET_ADMIN may see, such as {@linkcode DiagSocket.ulp} up to 6.12. */
  readonly privileged: boolean;
}

/** Which sockets the kernel is to pick. */
export interface DiagFilter {
  /** Sockets that were made in these cgroups (v2) alone: at most 20. */
  readonly cgroupIds?: readonly bigint[] | undefined;
  /** Sockets with this local port alone. */
  readonly localPort?: number | undefined;
}

/**
 * A filter that passes sockets of any of the cgroups.
 *
 * A condition goes on with the operation behind it where it holds, a jump to the end, and beyond that one where
 * it does not: the kernel takes only what all `yes` together lead to for a place to go to.
 *
 * Source: net/ipv4/inet_diag.c inet_diag_bc_audit, valid_cc @ v6.12.
 */
function encodeCgroupFilter(cgroupIds: readonly bigint[]): Uint8Array {
  const JUMP = 4;
  const CONDITION = 12;
  const bytes = new Uint8Array((CONDITION + JUMP) * cgroupIds.length - JUMP);
  const view = new DataView(bytes.buffer);
  cgroupIds.forEach((id, index) => {
    const at = index * (CONDITION + JUMP);
    view.setUint8(at, INET_DIAG_BC_CGROUP_COND);
    view.setUint8(at + 1, CONDITION);
    view.setUint16(at + 2, CONDITION + JUMP, true);
    view.setBigUint64(at + 4, id, true);
    const jump = at + CONDITION;
    if (jump === bytes.length) return;
    view.setUint8(jump, INET_DIAG_BC_JMP);
    view.setUint8(jump + 1, JUMP);
    view.setUint16(jump + 2, bytes.length - jump, true);
  });
  return bytes;
}

/**
 * Encodes the request for a list of sockets, what stands behind the netlink header.
 *
 * Layout: `struct inet_diag_req_v2`, little-endian: u8 family 0, protocol 1, ext 2 (bit n-1: attribute
 * n); u32 states 4 (bit n: state n); `struct inet_diag_sockid` 8 (u16 local port 8, in network order), zeros for any; 56 bytes. The protocol
 * is too narrow for 262: what counts is the attribute INET_DIAG_REQ_PROTOCOL, a u32.
 * The filter: `struct inet_diag_bc_op`: u8 code 0, u8 yes 1, u16 no 2 (how far to jump, in bytes), the u64
 * cgroup id of a condition, nothing of a jump, which goes its `no`; what comes to exactly the end passes, what
 * goes beyond it does not.
 *
 * Source: net/ipv4/inet_diag.c inet_diag_get_protocol, inet_diag_bc_run @ v6.12.
 *
 * @param scope which sockets; of cgroups at most 20
 */
export function encodeDiagRequest(
  protocol: "TCP" | "MPTCP",
  family: "IPv4" | "IPv6",
  { cgroupIds = [], localPort = 0 }: DiagFilter = {},
): Uint8Array[] {
  const head = new Uint8Array(56);
  const number = new Uint8Array(4);
  const value = protocol === "MPTCP" ? IPPROTO_MPTCP : IPPROTO_TCP;
  const view = new DataView(head.buffer);
  view.setUint8(0, family === "IPv4" ? AF_INET : AF_INET6);
  view.setUint8(1, IPPROTO_TCP);
  view.setUint8(2, 1 << INET_DIAG_INFO - 1);
  view.setUint32(4, SOCKET_STATES, true);
  view.setUint16(8, localPort);
  new DataView(number.buffer).setUint32(0, value, true);
  return [
    head,
    encodeAttribute(INET_DIAG_REQ_PROTOCOL, number),
    ...(cgroupIds.length === 0
      ? []
      : [encodeAttribute(INET_DIAG_REQ_BYTECODE, encodeCgroupFilter(cgroupIds))]),
  ];
}

function parseUlp(bytes: Uint8Array): Pick<DiagSocket, "ulp" | "subflow"> {
  const attributes = parseAttributes(bytes);
  const name = attributes.get(INET_ULP_INFO_NAME);
  if (name === undefined) return {};
  const ulp = String.fromCharCode(...name).replace(/\0.*$/s, "");
  const nested = attributes.get(INET_ULP_INFO_MPTCP);
  return nested === undefined ? { ulp } : { ulp, subflow: parseSubflow(nested) };
}

/**
 * Source: include/uapi/linux/mptcp.h MPTCP_SUBFLOW_FLAG_*, net/mptcp/diag.c subflow_get_info @ v6.12.
 */
function parseSubflow(bytes: Uint8Array): DiagSubflow {
  const attributes = parseAttributes(bytes);
  const number = (type: number) => {
    const value = attributes.get(type);
    return value && new StructView(value);
  };
  const flags = number(MPTCP_SUBFLOW_ATTR_FLAGS)?.u32(0) ?? 0;
  const has = (bit: number) => (flags & 1 << bit) !== 0;
  return {
    localToken: number(MPTCP_SUBFLOW_ATTR_TOKEN_LOC)?.u32(0),
    remoteToken: number(MPTCP_SUBFLOW_ATTR_TOKEN_REM)?.u32(0),
    remoteId: number(MPTCP_SUBFLOW_ATTR_ID_REM)?.u8(0),
    localId: number(MPTCP_SUBFLOW_ATTR_ID_LOC)?.u8(0),
    peerCapable: has(0),
    asked: has(1),
    joined: has(2) || has(3),
    backupByPeer: has(4),
    backup: has(5),
    fullyEstablished: has(6),
    connected: has(7),
  };
}

function parseEnd(
  bytes: Uint8Array,
  family: number,
  portAt: number,
  addressAt: number,
  scope: number,
): SocketAddress {
  const port = bytes[portAt]! << 8 | bytes[portAt + 1]!;
  if (family === AF_INET) {
    const at = addressAt;
    return { address: `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`, port };
  }
  const linkLocal = bytes[addressAt] === 0xfe && (bytes[addressAt + 1]! & 0xc0) === 0x80;
  const address = renderIpv6(bytes.subarray(addressAt, addressAt + 16));
  return { address: linkLocal && scope ? `${address}%${scope}` : address, port };
}

/**
 * Parses one socket of the kernel's list, what stands behind the netlink header; undefined for a message
 * that is too short, or of another family.
 *
 * Layout: `struct inet_diag_msg`: u8 family 0, state 1, timer 2, retrans 3; ports in network order 4 and
 * 6; addresses 8 and 24; u32 interface 40, cookie 44 and 48, expires 52, rqueue 56, wqueue 60, uid 64,
 * inode 68; 72 bytes, and attributes.
 *
 * Source: include/uapi/linux/inet_diag.h, net/ipv4/inet_diag.c inet_sk_diag_fill @ v6.12.
 */
export function parseDiagMessage(
  protocol: "TCP" | "MPTCP",
  bytes: Uint8Array,
): DiagSocket | undefined {
  const family = bytes[0];
  if (bytes.length < MESSAGE_SIZE || family !== AF_INET && family !== AF_INET6) return undefined;
  const view = new StructView(bytes);
  const attributes = parseAttributes(bytes.subarray(MESSAGE_SIZE));
  const info = attributes.get(INET_DIAG_INFO) ?? new Uint8Array();
  const cgroup = attributes.get(INET_DIAG_CGROUP_ID);
  const ulp = attributes.get(INET_DIAG_ULP_INFO);
  const scope = view.u32(40) ?? 0;
  const local = parseEnd(bytes, family, 4, 8, scope);
  const remote = parseEnd(bytes, family, 6, 24, scope);
  return {
    protocol,
    family: family === AF_INET ? "IPv4" : "IPv6",
    state: STATES[bytes[1]!] ?? "UNKNOWN",
    local,
    remote: remote.port === 0 ? undefined : remote,
    uid: view.u32(64)!,
    inode: view.u32(68)!,
    cgroupId: cgroup && new StructView(cgroup).u64(0),
    ...(protocol === "MPTCP" ? { mptcp: parseMptcpInfo(info) } : { tcp: parseTcpInfo(info) }),
    ...(ulp && parseUlp(ulp)),
    md5: attributes.has(INET_DIAG_MD5SIG),
    privileged: attributes.has(INET_DIAG_MARK),
  };
}
