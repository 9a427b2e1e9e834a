/**
 * What the kernel tells about MPTCP connections while it happens: generic netlink, `mptcp_pm_events`.
 *
 * @module
 */

import { NotPermittedError, NotSupportedError, SyscallError } from "../errors.ts";
import { Errno, errnoName } from "../ffi/errno.ts";
import { NetlinkProtocol, NetlinkSocket } from "../ffi/netlink.ts";
import { findFamily, GENL_HEADER_SIZE } from "./genetlink.ts";
import { parseAttributes, parseMessages } from "./netlink.ts";
import { renderIpv6, type SocketAddress } from "./socket_address.ts";
import { StructView } from "./struct_view.ts";

// Source: include/uapi/linux/mptcp_pm.h @ v7.2.
const FAMILY = "mptcp_pm";
const GROUP = "mptcp_pm_events";
const KINDS = {
  1: "created",
  2: "established",
  3: "closed",
  6: "announced",
  7: "removed",
  10: "subflow-established",
  11: "subflow-closed",
  13: "subflow-priority",
  15: "listener-created",
  16: "listener-closed",
} as const;
const MPTCP_ATTR_TOKEN = 1;
const MPTCP_ATTR_LOC_ID = 3;
const MPTCP_ATTR_REM_ID = 4;
const MPTCP_ATTR_SADDR4 = 5;
const MPTCP_ATTR_SADDR6 = 6;
const MPTCP_ATTR_DADDR4 = 7;
const MPTCP_ATTR_DADDR6 = 8;
const MPTCP_ATTR_SPORT = 9;
const MPTCP_ATTR_DPORT = 10;
const MPTCP_ATTR_BACKUP = 11;
const MPTCP_ATTR_ERROR = 12;
const MPTCP_ATTR_FLAGS = 13;
const MPTCP_ATTR_IF_IDX = 15;
const MPTCP_ATTR_RESET_REASON = 16;
const MPTCP_ATTR_RESET_FLAGS = 17;
const MPTCP_ATTR_SERVER_SIDE = 18;
const MPTCP_PM_EV_FLAG_DENY_JOIN_ID0 = 1;
const MPTCP_PM_EV_FLAG_SERVER_SIDE = 2;
const MPTCP_RST_FLAG_TRANSIENT = 1;

/** Why a peer reset a subflow, by number. Source: RFC 8684 §3.6. */
const RESET_REASONS = [
  "unspecified",
  "MPTCP-specific error",
  "lack of resources",
  "administratively prohibited",
  "too much outstanding data",
  "unacceptable performance",
  "middlebox interference",
] as const;

/** The two ends of a subflow, as an event names them. */
export interface EventSubflow {
  /** The end on this machine. */
  readonly local: SocketAddress;
  /** The other end. */
  readonly remote: SocketAddress;
  /** The number of the local address in this connection; 0 is that of the initial subflow. */
  readonly localId: number | undefined;
  /** The number of the remote address in this connection. */
  readonly remoteId: number | undefined;
}

/**
 * Something that happened to an MPTCP connection, a subflow or a listener of a network namespace.
 *
 * None has a process: the token joins it with what `listSockets()` shows. None tells of a fallback.
 */
export type MptcpEvent =
  /** The handshake: `created` when it began to be MPTCP, `established` when it was complete. */
  | {
    readonly kind: "created" | "established";
    readonly token: number;
    /** The initial subflow. */
    readonly subflow: EventSubflow;
    /** Whether the connection was accepted; undefined where the kernel does not tell. */
    readonly serverSide: boolean | undefined;
    /** Whether the peer wants no further subflow to the address of the first. Linux ≥ 6.18. */
    readonly denyJoinId0: boolean | undefined;
  }
  /** The connection is over. */
  | { readonly kind: "closed"; readonly token: number }
  /** The peer announced an address, or took it back. */
  | {
    readonly kind: "announced";
    readonly token: number;
    readonly addressId: number;
    /** Up to Linux 6.1 the port is 0 where that of the connection is meant. */
    readonly address: SocketAddress;
  }
  | { readonly kind: "removed"; readonly token: number; readonly addressId: number }
  /** An additional subflow came, changed its priority, or went. */
  | {
    readonly kind: "subflow-established" | "subflow-priority" | "subflow-closed";
    readonly token: number;
    readonly subflow: EventSubflow;
    /** Whether it is used only when no other is left. */
    readonly backup: boolean;
    /** The number of its network interface, where it is bound to one. */
    readonly interfaceIndex: number | undefined;
    /** The name of the errno with which it ended, such as `ETIMEDOUT`. */
    readonly error: string | undefined;
    /** What the peer said when it reset it (MP_TCPRST). */
    readonly reset: { readonly reason: string; readonly transient: boolean } | undefined;
  }
  /** An MPTCP socket began to listen, or stopped. Linux ≥ 6.2. */
  | { readonly kind: "listener-created" | "listener-closed"; readonly local: SocketAddress }
  /** More happened than was taken in time: what, is not known. */
  | { readonly kind: "lost" };

type Attributes = ReadonlyMap<number, Uint8Array>;

function number(attributes: Attributes, type: number, bits: 8 | 16 | 32): number | undefined {
  const value = attributes.get(type);
  return value && new StructView(value)[`u${bits}`](0);
}

function flag(attributes: Attributes, type: number): boolean | undefined {
  const value = number(attributes, type, 8);
  return value === undefined ? undefined : value !== 0;
}

/** Addresses and ports are in network order; a port that is not there is 0. */
function address(
  attributes: Attributes,
  v4: number,
  v6: number,
  port: number,
): SocketAddress | undefined {
  const bytes = attributes.get(v4) ?? attributes.get(v6);
  const [high = 0, low = 0] = attributes.get(port) ?? [];
  if (bytes?.length === 4) return { address: bytes.join("."), port: high << 8 | low };
  return bytes?.length === 16 ? { address: renderIpv6(bytes), port: high << 8 | low } : undefined;
}

function subflowOf(attributes: Attributes): EventSubflow | undefined {
  const local = address(attributes, MPTCP_ATTR_SADDR4, MPTCP_ATTR_SADDR6, MPTCP_ATTR_SPORT);
  const remote = address(attributes, MPTCP_ATTR_DADDR4, MPTCP_ATTR_DADDR6, MPTCP_ATTR_DPORT);
  return local && remote && {
    local,
    remote,
    localId: number(attributes, MPTCP_ATTR_LOC_ID, 8),
    remoteId: number(attributes, MPTCP_ATTR_REM_ID, 8),
  };
}

function resetOf(attributes: Attributes) {
  const reason = number(attributes, MPTCP_ATTR_RESET_REASON, 32);
  if (reason === undefined) return undefined;
  const flags = number(attributes, MPTCP_ATTR_RESET_FLAGS, 32) ?? 0;
  return {
    reason: RESET_REASONS[reason] ?? `reason ${reason}`,
    transient: (flags & MPTCP_RST_FLAG_TRANSIENT) !== 0,
  };
}

/**
 * Parses an event; undefined for one of a kind that is not known, or without what its kind must have.
 *
 * Layout: `struct genlmsghdr` (u8 event 0), then attributes: u32 TOKEN; u8 LOC_ID, REM_ID, BACKUP, ERROR,
 * SERVER_SIDE; u16 FAMILY, FLAGS; s32 IF_IDX; u32 RESET_REASON, RESET_FLAGS, little-endian; addresses of 4 or
 * 16 bytes and u16 ports in network order.
 *
 * Source: include/uapi/linux/mptcp_pm.h, net/mptcp/pm_netlink.c mptcp_event* @ v7.2.
 */
export function parseEvent(payload: Uint8Array): MptcpEvent | undefined {
  const kind = KINDS[payload[0] as keyof typeof KINDS];
  if (kind === undefined) return undefined;
  const attributes = parseAttributes(payload.subarray(GENL_HEADER_SIZE));
  if (kind === "listener-created" || kind === "listener-closed") {
    const local = address(attributes, MPTCP_ATTR_SADDR4, MPTCP_ATTR_SADDR6, MPTCP_ATTR_SPORT);
    return local && { kind, local };
  }
  const token = number(attributes, MPTCP_ATTR_TOKEN, 32);
  if (token === undefined) return undefined;
  const addressId = number(attributes, MPTCP_ATTR_REM_ID, 8);
  const subflow = subflowOf(attributes);
  switch (kind) {
    case "closed":
      return { kind, token };
    case "removed":
      return addressId === undefined ? undefined : { kind, token, addressId };
    case "announced": {
      const told = address(attributes, MPTCP_ATTR_DADDR4, MPTCP_ATTR_DADDR6, MPTCP_ATTR_DPORT);
      if (told === undefined || addressId === undefined) return undefined;
      return { kind, token, addressId, address: told };
    }
    case "created":
    case "established": {
      const flags = number(attributes, MPTCP_ATTR_FLAGS, 16);
      const told = flags && (flags & MPTCP_PM_EV_FLAG_SERVER_SIDE) !== 0;
      return subflow && {
        kind,
        token,
        subflow,
        serverSide: flag(attributes, MPTCP_ATTR_SERVER_SIDE) ?? (told ? true : undefined),
        denyJoinId0: flags === undefined
          ? undefined
          : (flags & MPTCP_PM_EV_FLAG_DENY_JOIN_ID0) !== 0,
      };
    }
    default: {
      const error = number(attributes, MPTCP_ATTR_ERROR, 8);
      return subflow && {
        kind,
        token,
        subflow,
        backup: flag(attributes, MPTCP_ATTR_BACKUP) ?? false,
        interfaceIndex: number(attributes, MPTCP_ATTR_IF_IDX, 32) || undefined,
        error: error ? errnoName(error) : undefined,
        reset: resetOf(attributes),
      };
    }
  }
}

/** How long one wait lasts at most, so that an end is noticed. */
const SLICE_MS = 100;

/**
 * The events of a network namespace from now on: what {@linkcode watchEvents} gives.
 *
 * An endless iteration; leaving its loop, {@linkcode EventWatch.return} or `using` ends it.
 */
export class EventWatch implements AsyncIterableIterator<MptcpEvent>, Disposable {
  readonly #socket: NetlinkSocket;
  readonly #pending: MptcpEvent[] = [];
  #lost = 0;
  #ended = false;

  /** Takes a socket that has joined the group; not for others than {@linkcode watchEvents}. */
  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** What has happened and was not taken yet, without waiting. */
  take(): MptcpEvent[] {
    if (this.#ended) return [];
    const events = this.#pending.splice(0);
    for (let bytes = this.#socket.poll(); bytes !== undefined; bytes = this.#socket.poll()) {
      for (const { payload } of parseMessages(bytes)) {
        const event = parseEvent(payload);
        if (event) events.push(event);
      }
    }
    if (this.#socket.overruns > this.#lost) events.push({ kind: "lost" });
    this.#lost = this.#socket.overruns;
    return events;
  }

  /** Waits for the next event. */
  async next(): Promise<IteratorResult<MptcpEvent, undefined>> {
    while (!this.#ended) {
      const [first, ...rest] = this.take();
      this.#pending.push(...rest);
      if (first !== undefined) return { done: false, value: first };
      await this.#socket.waitReadable(SLICE_MS);
    }
    this.#socket[Symbol.dispose]();
    return { done: true, value: undefined };
  }

  /** Ends the iteration. */
  return(): Promise<IteratorResult<MptcpEvent, undefined>> {
    this[Symbol.dispose]();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** Ends it; a second time does nothing. */
  [Symbol.dispose](): void {
    this.#ended = true;
    this.#socket[Symbol.dispose]();
  }

  /** Itself: all loops over it share what comes. */
  [Symbol.asyncIterator](): this {
    return this;
  }
}

/**
 * Watches what happens to the MPTCP connections of a network namespace, from the return of this call on.
 *
 * Needs: CAP_NET_ADMIN in the user namespace of that network namespace; Linux ≥ 5.13.
 *
 * Source: net/mptcp/pm_netlink.c mptcp_pm_mcgrps (GENL_MCAST_CAP_NET_ADMIN) @ v6.12.
 *
 * @example
 * ```ts
 * import { NotPermittedError } from "../errors.ts";
 * import { watchEvents } from "./events.ts";
 * try {
 *   using events = watchEvents();
 *   console.assert(Array.isArray(events.take()));
 *   // for await (const event of events) console.log(event.kind);
 * } catch (error) {
 *   console.assert(error instanceof NotPermittedError);
 * }
 * ```
 *
 * @param namespace another network namespace, such as `/proc/PID/ns/net`, which takes CAP_SYS_ADMIN too
 * @throws {NotPermittedError} without CAP_NET_ADMIN
 * @throws {NotSupportedError} in a kernel without these events
 * @throws {SyscallError} when the kernel refuses for another reason
 */
export function watchEvents(namespace?: string): EventWatch {
  const socket = NetlinkSocket.open(NetlinkProtocol.GENERIC, namespace);
  try {
    const group = findFamily(socket, FAMILY)?.groups.get(GROUP);
    if (group === undefined) {
      throw new NotSupportedError(
        "Cannot watch MPTCP events: this kernel does not tell them, Linux 5.13 or newer with MPTCP is needed",
      );
    }
    socket.join(group);
    return new EventWatch(socket);
  } catch (error) {
    socket[Symbol.dispose]();
    if (!(error instanceof SyscallError) || error.errno !== Errno.EPERM) throw error;
    throw new NotPermittedError(
      "Cannot watch MPTCP events: they are for administrators of the network (setsockopt: EPERM)",
      { capability: "CAP_NET_ADMIN", hint: "run it as root", cause: error },
    );
  }
}
