/**
 * What stands around the sockets of a network namespace and decides why they are not MPTCP.
 *
 * @module
 */

import type { MptcpCounters, SocketOwner } from "../inspect/mod.ts";
import { explainFallback } from "./fallback_reasons.ts";
import { countAccepted, type NetworkNamespace, readCounters, readSysctl } from "./namespaces.ts";
import type { ProcessFacts } from "./process_facts.ts";
import type { Reason } from "./reason.ts";
import type { JoinedSocket } from "./seen_socket.ts";
import { explainTcp } from "./tcp_reasons.ts";

function listenerKey(address: string, port: number): string {
  return `${address} ${port}`;
}

/** What reasons need of a namespace, read once, and only when a reason is sought. */
export class Surroundings {
  readonly #namespace: NetworkNamespace;
  /** By address and port, as {@linkcode listenerKey} writes them. */
  readonly #listeners: ReadonlyMap<string, "mptcp" | "tcp">;
  #counters: MptcpCounters | undefined;
  #accepted: number | undefined;
  #enabled: { readonly value: boolean | undefined } | undefined;

  /** Takes the namespace, and all that is listed of it. */
  constructor(namespace: NetworkNamespace, joined: readonly JoinedSocket[]) {
    this.#namespace = namespace;
    const listeners = new Map<string, "mptcp" | "tcp">();
    for (const { socket } of joined) {
      if (socket.state !== "LISTEN" || socket.local === undefined) continue;
      const { address, port } = socket.local;
      listeners.set(listenerKey(address, port), socket.verdict === "mptcp" ? "mptcp" : "tcp");
    }
    this.#listeners = listeners;
  }

  /** What was counted of MPTCP. */
  get counters(): MptcpCounters {
    return this.#counters ??= readCounters(this.#namespace);
  }

  /** How many TCP connections were accepted. */
  get accepted(): number {
    return this.#accepted ??= countAccepted(this.#namespace);
  }

  /** Whether MPTCP is on; undefined where that cannot be read. */
  get enabled(): boolean | undefined {
    this.#enabled ??= { value: enabledBy(readSysctl(this.#namespace, "mptcp/enabled")) };
    return this.#enabled.value;
  }

  /** What listens on the own port of a connection. */
  listener(socket: JoinedSocket["socket"]): "mptcp" | "tcp" | undefined {
    if (socket.state === "LISTEN" || socket.local === undefined) return undefined;
    const { address, port } = socket.local;
    // The kernel takes the most exact one; that of IPv6 may take IPv4 too.
    const places = [address, ...socket.family === "IPv4" ? ["0.0.0.0"] : [], "::"];
    return places.map((place) => this.#listeners.get(listenerKey(place, port)))
      .find((verdict) => verdict !== undefined);
  }
}

function enabledBy(value: string | undefined): boolean | undefined {
  return value === undefined ? undefined : value !== "0";
}

/** Why a socket is not MPTCP, the most likely first; nothing for one that is. */
export function reasonsOf(
  { socket, half, connection }: JoinedSocket,
  owners: readonly SocketOwner[],
  surroundings: Surroundings,
  processOf: (pid: number) => ProcessFacts,
): Reason[] {
  if (socket.verdict === "mptcp") return [];
  const { counters } = surroundings;
  if (socket.verdict === "fallback") {
    return explainFallback({
      subflow: half?.subflow,
      tcp: half?.tcp,
      remoteKeyReceived: connection?.mptcp?.remoteKeyReceived,
      md5: half?.md5 ?? false,
      counters,
    });
  }
  const owner = owners.find(({ pid }) => pid !== 1) ?? owners[0];
  return explainTcp({
    listener: surroundings.listener(socket),
    owner,
    held: socket.inode !== 0,
    heldByInit: owner?.pid !== 1 && owners.some(({ pid }) => pid === 1),
    process: owner && processOf(owner.pid),
    ulp: half?.ulp,
    md5: half?.md5 ?? false,
    enabled: surroundings.enabled,
    accepted: surroundings.accepted,
    counters,
  });
}
