/**
 * One TCP or MPTCP socket, of which this process holds a descriptor.
 *
 * Only reads: nothing here makes the kernel create a subflow, as asking an unconnected MPTCP socket
 * for TCP_INFO would (net/mptcp/sockopt.c mptcp_getsockopt_first_sf_only @ v7.2).
 *
 * @module
 */

import { syscallError } from "../ffi/call.ts";
import { Errno } from "../ffi/errno.ts";
import { addressOf, readIntOption, readSocketAddress, readSocketOption } from "../ffi/libc.ts";
import { encodeFullInfoRequest, parseFullInfo, type Subflow } from "./full_info.ts";
import { MPTCP_INFO_BUFFER_SIZE, type MptcpInfo, parseMptcpInfo } from "./mptcp_info.ts";
import { parseSocketAddress, type SocketAddress } from "./socket_address.ts";
import {
  encodeSubflowRequest,
  parseSubflowAddresses,
  parseSubflowArray,
  SUBFLOW_ADDRESSES_SIZE,
  type SubflowArray,
} from "./subflow_addresses.ts";
import { StructView } from "./struct_view.ts";
import { parseTcpInfo, TCP_INFO_SIZE, type TcpInfo } from "./tcp_info.ts";
import {
  IPPROTO_MPTCP,
  IPPROTO_TCP,
  JUDGED_TCP,
  type Judgement,
  judgeMptcp,
  type Verdict,
} from "./verdict.ts";

// Source: include/uapi/asm-generic/socket.h, linux/tcp.h, linux/mptcp.h @ v7.2, socket(2); the same
// on x86_64 and aarch64.
const SOL_SOCKET = 1;
const SO_TYPE = 3;
const SO_ACCEPTCONN = 30;
const SO_PROTOCOL = 38;
const SO_DOMAIN = 39;
const SOL_TCP = 6;
const TCP_INFO = 11;
const TCP_USER_TIMEOUT = 18;
const SOL_MPTCP = 284;
const MPTCP_INFO = 1;
const MPTCP_TCPINFO = 2;
const MPTCP_SUBFLOW_ADDRS = 3;
const MPTCP_FULL_INFO = 4;

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;

/** The path manager makes at most 8 additional subflows (MPTCP_SUBFLOWS_MAX, net/mptcp/pm.c). */
const USUAL_SUBFLOWS = 9;

/** What the kernel says about one socket. */
export interface SocketFacts {
  /** The address family of the socket; an IPv6 socket may have IPv4-mapped addresses. */
  readonly family: "IPv4" | "IPv6";
  /** Undefined until the socket is bound. */
  readonly local?: SocketAddress;
  /** Undefined unless connected. */
  readonly remote?: SocketAddress;
  /**
   * The kernel's name of the TCP state, such as `ESTABLISHED`.
   *
   * MPTCP has states of its own, which no socket option tells: for an MPTCP connection this is the
   * state of its first subflow that is not closed. A peer that has ended its direction at the level of
   * MPTCP leaves the subflow `ESTABLISHED`. `UNKNOWN` where the kernel is too old to tell (< 5.16).
   */
  readonly state: string;
  /** MPTCP, fallen back, or TCP. */
  readonly verdict: Verdict;
  /** What the kernel was asked and answered, so that the verdict can be checked. */
  readonly evidence: string;
  /** The MPTCP connection, or the socket that could become one; with verdict `mptcp` alone. */
  readonly mptcp?: MptcpInfo;
  /** The subflows of a connection with verdict `mptcp`, the initial one first. */
  readonly subflows?: readonly Subflow[];
  /** The connection, with a verdict other than `mptcp`. */
  readonly tcp?: TcpInfo;
}

/** MPTCP_INFO of a descriptor, as it is and not as words. */
function askMptcpInfo(fd: number): { readonly bytes: Uint8Array; readonly errno: number } {
  return readSocketOption(fd, SOL_MPTCP, MPTCP_INFO, new Uint8Array(MPTCP_INFO_BUFFER_SIZE));
}

/**
 * Reads MPTCP_INFO of a socket; undefined for a socket that is not MPTCP, or no more.
 *
 * Needs: Linux ≥ 5.16; before, every MPTCP socket is undefined too.
 *
 * Source: net/mptcp/sockopt.c mptcp_getsockopt @ v7.2: after a fallback the option goes to the TCP
 * socket, whose IP layer refuses the level: EOPNOTSUPP on IPv4, ENOPROTOOPT on IPv6.
 *
 * @param fd a descriptor of this process
 * @throws {SyscallError} when the descriptor is closed (EBADF) or no socket (ENOTSOCK)
 */
export function readMptcpInfo(fd: number): MptcpInfo | undefined {
  const { bytes, errno } = askMptcpInfo(fd);
  if (errno === 0) return parseMptcpInfo(bytes);
  if (errno === Errno.EOPNOTSUPP || errno === Errno.ENOPROTOOPT) return undefined;
  throw syscallError(`read MPTCP_INFO of descriptor ${fd}`, "getsockopt", errno);
}

/**
 * Reads how far the peer has acknowledged, at the level of MPTCP; undefined for a socket that is not MPTCP,
 * or no more. It begins at a random number: only that it moves says something.
 *
 * Source: `mptcpi_snd_una`, a u64 at 24 of `struct mptcp_info`, include/uapi/linux/mptcp.h @ v7.2.
 */
export function readAcknowledged(fd: number): bigint | undefined {
  return new StructView(askMptcpInfo(fd).bytes).u64(24);
}

/** Subflows by MPTCP_FULL_INFO; undefined where the kernel refuses it (Linux < 6.5). */
export function readFullInfo(fd: number, room = USUAL_SUBFLOWS): readonly Subflow[] | undefined {
  for (;;) {
    const buffers = encodeFullInfoRequest(room, addressOf);
    const { bytes, errno } = readSocketOption(fd, SOL_MPTCP, MPTCP_FULL_INFO, buffers.header);
    if (errno !== 0) return undefined;
    const { count, subflows } = parseFullInfo({ ...buffers, header: bytes });
    if (count <= room) return subflows;
    room = count;
  }
}

/** One of the arrays of Linux 5.16; empty where the kernel refuses it. */
function readSubflowArray(
  fd: number,
  option: number,
  elementSize: number,
  room: number,
): SubflowArray {
  for (;;) {
    const request = encodeSubflowRequest(elementSize, room);
    const array = parseSubflowArray(readSocketOption(fd, SOL_MPTCP, option, request).bytes);
    if (array.count <= room) return array;
    room = array.count;
  }
}

/**
 * Subflows by MPTCP_SUBFLOW_ADDRS and MPTCP_TCPINFO, which list them in the same order.
 *
 * The two are asked one after the other; if their numbers differ, a subflow came or went between,
 * and no state is told rather than one of another subflow.
 */
export function readSubflowArrays(fd: number, room = USUAL_SUBFLOWS): readonly Subflow[] {
  const addresses = readSubflowArray(fd, MPTCP_SUBFLOW_ADDRS, SUBFLOW_ADDRESSES_SIZE, room);
  return pairSubflows(addresses, readSubflowArray(fd, MPTCP_TCPINFO, TCP_INFO_SIZE, room));
}

/** Subflows by two arrays in the same order; states only if both have as many. */
export function pairSubflows(addresses: SubflowArray, tcpInfos: SubflowArray): readonly Subflow[] {
  const paired = addresses.count === tcpInfos.count;
  return addresses.elements.map((bytes, index) => {
    const tcpInfo = paired ? tcpInfos.elements[index] : undefined;
    return {
      id: undefined,
      ...parseSubflowAddresses(bytes),
      tcp: tcpInfo && parseTcpInfo(tcpInfo),
    };
  });
}

/** A TCP socket, or an MPTCP socket whose options go to its TCP socket. */
function readTcp(fd: number): { readonly state: string; readonly tcp: TcpInfo } {
  const { bytes } = readSocketOption(fd, SOL_TCP, TCP_INFO, new Uint8Array(TCP_INFO_SIZE));
  const tcp = parseTcpInfo(bytes);
  return { state: tcp.state, tcp };
}

/** The state of an MPTCP connection, as far as its subflows tell: of the first that is not closed. */
export function connectionState(subflows: readonly Subflow[]): string {
  const open = subflows.find(({ tcp }) => tcp !== undefined && tcp.state !== "CLOSE");
  return open?.tcp?.state ?? "CLOSE";
}

type Answer = Judgement & Pick<SocketFacts, "state" | "subflows" | "tcp">;

/** What an MPTCP socket says about itself. */
function readMptcpSocket(fd: number): Answer {
  const info = askMptcpInfo(fd);
  const judgement = judgeMptcp(info, () => readIntOption(fd, SOL_TCP, TCP_USER_TIMEOUT));
  // Options go to the TCP socket.
  if (judgement.verdict === "fallback" && info.errno !== 0) {
    return { ...judgement, ...readTcp(fd) };
  }
  const connected = Boolean(judgement.mptcp?.token);
  const subflows = connected ? readFullInfo(fd) ?? readSubflowArrays(fd) : undefined;
  let state = connectionState(subflows ?? []);
  if (readIntOption(fd, SOL_SOCKET, SO_ACCEPTCONN).value === 1) state = "LISTEN";
  else if (info.errno !== 0) state = "UNKNOWN";
  return { ...judgement, state, ...(subflows && { subflows }) };
}

/** An end of a socket; undefined for one without a port, which is neither bound nor connected. */
function readEnd(fd: number, end: "getsockname" | "getpeername"): SocketAddress | undefined {
  const address = parseSocketAddress(readSocketAddress(fd, end).bytes);
  return address?.port ? address : undefined;
}

/**
 * Reads what the kernel says about a socket; undefined for one that is neither TCP nor MPTCP.
 *
 * @param fd a descriptor of this process
 */
export function readStreamSocket(fd: number): SocketFacts | undefined {
  const domain = readIntOption(fd, SOL_SOCKET, SO_DOMAIN).value;
  if (domain !== AF_INET && domain !== AF_INET6) return undefined;
  if (readIntOption(fd, SOL_SOCKET, SO_TYPE).value !== SOCK_STREAM) return undefined;
  const protocol = readIntOption(fd, SOL_SOCKET, SO_PROTOCOL).value;
  if (protocol !== IPPROTO_TCP && protocol !== IPPROTO_MPTCP) return undefined;
  const { tcp, ...answer }: Answer = protocol === IPPROTO_MPTCP
    ? readMptcpSocket(fd)
    : { ...JUDGED_TCP, ...readTcp(fd) };
  const local = readEnd(fd, "getsockname");
  const remote = readEnd(fd, "getpeername");
  return {
    family: domain === AF_INET ? "IPv4" : "IPv6",
    ...(local && { local }),
    ...(remote && { remote }),
    ...answer,
    ...(remote && tcp && { tcp }),
  };
}
