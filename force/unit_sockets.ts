/**
 * The TCP and MPTCP sockets of a unit, by the kernel's answer.
 *
 * @module
 */

import { NotFoundError, NotPermittedError } from "../errors.ts";
import {
  type DiagSocket,
  type DiagSockets,
  readCgroup,
  readDiagSockets,
  readProcessSockets,
  type SocketAddress,
  type Verdict,
} from "../inspect/mod.ts";

/** One socket of a unit. */
export interface UnitSocket {
  /** The kernel's name of its state, such as `LISTEN`. */
  readonly state: string;
  /** Such as `127.0.0.1:80`. */
  readonly local: string;
  /** Undefined unless connected. */
  readonly remote: string | undefined;
  /** MPTCP, fallen back, or TCP. */
  readonly verdict: Verdict;
}

/** An address with its port, as in a URL. */
function addressText({ address, port }: SocketAddress): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** What the lists of the kernel say: subflows are shown as their connection alone. */
function fromDiag({ tcp, mptcp = [] }: DiagSockets): UnitSocket[] {
  const connections = new Set(mptcp.map(({ inode }) => inode));
  const subflows = ({ inode, ulp }: DiagSocket) => ulp === "mptcp" || connections.has(inode);
  return [...mptcp, ...tcp.filter((socket) => !subflows(socket))].map((socket) => ({
    state: socket.state,
    local: addressText(socket.local),
    remote: socket.remote === undefined ? undefined : addressText(socket.remote),
    verdict: socket.protocol === "TCP" ? "tcp" : socket.mptcp?.fallback ? "fallback" : "mptcp",
  }));
}

/**
 * Reads the sockets that the processes of a control group hold, listeners first.
 *
 * Through copies of their descriptors, which works in any network namespace; where they may not be traced,
 * by the kernel's list of this one.
 *
 * @param group such as `/system.slice/nginx.service`; gone is no error, it has no sockets then
 */
export function readGroupSockets(group: string): UnitSocket[] {
  let cgroup;
  try {
    cgroup = readCgroup(group);
  } catch (error) {
    if (error instanceof NotFoundError) return [];
    throw error;
  }
  const found = new Map<number, UnitSocket>();
  try {
    for (const pid of cgroup.pids) {
      for (const { inode, state, local, remote, verdict } of socketsOf(pid)) {
        if (local === undefined || local.port === 0) continue;
        found.set(inode, {
          state,
          local: addressText(local),
          remote: remote === undefined ? undefined : addressText(remote),
          verdict,
        });
      }
    }
  } catch (error) {
    if (!(error instanceof NotPermittedError)) throw error;
    return sorted(fromDiag(readDiagSockets({ cgroupIds: cgroup.ids })));
  }
  return sorted([...found.values()]);
}

function socketsOf(pid: number): ReturnType<typeof readProcessSockets>["sockets"] {
  try {
    return readProcessSockets(pid).sockets;
  } catch (error) {
    if (error instanceof NotFoundError) return []; // It has ended.
    throw error;
  }
}

/**
 * Reads the listeners of this network namespace at some addresses, whoever holds them.
 *
 * @param addresses such as `127.0.0.1:80`, as systemd prints them
 */
export function readListeners(addresses: readonly string[]): UnitSocket[] {
  const wanted = new Set(addresses);
  const all = fromDiag(readDiagSockets({}));
  return sorted(all.filter(({ state, local }) => state === "LISTEN" && wanted.has(local)));
}

function sorted(sockets: readonly UnitSocket[]): UnitSocket[] {
  const rank = ({ state }: UnitSocket) => state === "LISTEN" ? 0 : 1;
  return sockets.toSorted((left, right) =>
    rank(left) - rank(right) || left.local.localeCompare(right.local)
  );
}
