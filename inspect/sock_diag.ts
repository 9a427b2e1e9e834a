/**
 * `NETLINK_SOCK_DIAG`: the TCP and MPTCP sockets of a network namespace, whoever holds them.
 *
 * What it does not list: sockets that are neither connected nor listening.
 *
 * @module
 */

import { syscallError } from "../ffi/call.ts";
import { Errno } from "../ffi/errno.ts";
import { NetlinkProtocol, NetlinkSocket } from "../ffi/netlink.ts";
import { type DiagSocket, encodeDiagRequest, parseDiagMessage } from "./diag_message.ts";
import { ask } from "./netlink_request.ts";

// Source: include/uapi/linux/sock_diag.h @ v7.2.
const SOCK_DIAG_BY_FAMILY = 20;

/** Beyond these the whole list is taken: the kernel would go through them all for each socket. */
const MAX_FILTER_CGROUPS = 20;

/** Which sockets to list. */
export interface DiagScope {
  /** The network namespace, such as `/proc/PID/ns/net`; else the own one. */
  readonly namespace?: string | undefined;
  /** Sockets that were made in these cgroups (v2) alone; the kernel picks them if they are few. */
  readonly cgroupIds?: readonly bigint[] | undefined;
  /** Sockets with this local port alone. */
  readonly localPort?: number | undefined;
}

/** The sockets of one network namespace. */
export interface DiagSockets {
  /** TCP sockets, subflows among them. */
  readonly tcp: readonly DiagSocket[];
  /** Undefined where the kernel does not list them (CONFIG_INET_MPTCP_DIAG). */
  readonly mptcp: readonly DiagSocket[] | undefined;
  /** Whether sockets came or went while the kernel made the list: some may be missing. */
  readonly interrupted: boolean;
}

/** One list; undefined where the kernel has no such list. */
function readList(
  socket: NetlinkSocket,
  protocol: "TCP" | "MPTCP",
  { cgroupIds, localPort }: DiagScope,
): { readonly sockets: readonly DiagSocket[]; readonly interrupted: boolean } | undefined {
  const inKernel = cgroupIds !== undefined && cgroupIds.length <= MAX_FILTER_CGROUPS;
  const wanted = cgroupIds && new Set(cgroupIds);
  const sockets: DiagSocket[] = [];
  let interrupted = false;
  for (const family of ["IPv4", "IPv6"] as const) {
    const request = encodeDiagRequest(protocol, family, {
      localPort,
      ...(inKernel && { cgroupIds }),
    });
    const end = ask(socket, "dump", SOCK_DIAG_BY_FAMILY, request, (payload) => {
      const found = parseDiagMessage(protocol, payload);
      if (found === undefined) return;
      if (wanted && (found.cgroupId === undefined || !wanted.has(found.cgroupId))) return;
      sockets.push(found);
    });
    interrupted ||= end.interrupted;
    // No handler for the family or the protocol: built without, or a module that is not there.
    if (end.errno === Errno.ENOENT) return undefined;
    if (end.errno !== 0) {
      throw syscallError(`list the ${protocol} sockets`, "netlink", end.errno);
    }
  }
  return { sockets, interrupted };
}

/**
 * Lists the TCP and MPTCP sockets of a network namespace, whoever holds them.
 *
 * A subflow is in the list of TCP sockets, and its connection, with the same inode, in that of MPTCP; a
 * connection that never asked for MPTCP, since the kernel had given that up, is in the former alone.
 * In neither are sockets that are not connected and do not listen, and what is no socket yet or any more
 * (SYN_RECV, TIME_WAIT).
 *
 * Needs: nothing, but CAP_SYS_ADMIN for another namespace; up to 6.12 {@linkcode DiagSocket.ulp} is shown
 * with CAP_NET_ADMIN alone.
 *
 * Source: net/mptcp/mptcp_diag.c, net/ipv4/tcp_diag.c @ v6.12.
 *
 * @throws {SyscallError} when the namespace cannot be entered, or the kernel refuses
 */
export function readDiagSockets(scope: DiagScope = {}): DiagSockets {
  if (scope.cgroupIds?.length === 0) return { tcp: [], mptcp: [], interrupted: false };
  using socket = NetlinkSocket.open(NetlinkProtocol.SOCK_DIAG, scope.namespace);
  // TCP first: a connection made between the two is then rather MPTCP without subflows than TCP.
  const tcp = readList(socket, "TCP", scope);
  const mptcp = readList(socket, "MPTCP", scope);
  return {
    tcp: tcp?.sockets ?? [],
    mptcp: mptcp?.sockets,
    interrupted: (tcp?.interrupted ?? false) || (mptcp?.interrupted ?? false),
  };
}
