/**
 * What the kernel counted about MPTCP in a network namespace since it was made.
 *
 * @module
 */

/** Counters by the kernel's name, such as `MPCapableSYNTX`; one that this kernel lacks is not in it. */
export type MptcpCounters = ReadonlyMap<string, number>;

/**
 * Parses one group of `/proc/net/netstat` or `/proc/net/snmp`; an empty map where it is not in the text.
 *
 * Layout: two lines a group, `Group: Name…` and `Group: Value…`. Names are told apart by themselves, never
 * by their place: kernels add in the middle.
 *
 * Source: net/mptcp/mib.c mptcp_seq_show @ v7.2: zeros until the namespace has its first MPTCP socket.
 */
export function parseCounters(text: string, group: string): Map<string, number> {
  const [names, values] = text.split("\n")
    .filter((line) => line.startsWith(`${group}:`))
    .map((line) => line.trim().split(" ").slice(1));
  const counters = new Map<string, number>();
  names?.forEach((name, index) => {
    const value = Number(values?.[index]);
    if (Number.isSafeInteger(value)) counters.set(name, value);
  });
  return counters;
}

/**
 * Reads the MPTCP counters of a network namespace.
 *
 * @param pid a process in it; else the own one
 * @throws {Deno.errors.NotFound} when that process has gone
 */
export function readMptcpCounters(pid?: number): MptcpCounters {
  const path = pid === undefined ? "/proc/thread-self/net/netstat" : `/proc/${pid}/net/netstat`;
  return parseCounters(Deno.readTextFileSync(path), "MPTcpExt");
}

/**
 * Reads how many TCP connections were accepted in a network namespace, subflows of MPTCP among them.
 *
 * Source: /proc/net/snmp, TcpPassiveOpens (RFC 4022).
 *
 * @param pid a process in it; else the own one
 * @throws {Deno.errors.NotFound} when that process has gone
 */
export function readPassiveOpens(pid?: number): number {
  const path = pid === undefined ? "/proc/thread-self/net/snmp" : `/proc/${pid}/net/snmp`;
  return parseCounters(Deno.readTextFileSync(path), "Tcp").get("PassiveOpens") ?? 0;
}

/** Why connections did not become, or did not stay, MPTCP. */
export type FallbackCause =
  | "answered-as-tcp"
  | "syn-lost"
  | "not-asked"
  | "client-went-tcp"
  | "stripped-later"
  | "bad-data"
  | "checksum"
  | "signature"
  | "simultaneous-open"
  | "no-token";

/** A cause that the counters of a namespace show to have happened there. */
export interface CountedCause {
  /** What happened. */
  readonly cause: FallbackCause;
  /** The counter's name. */
  readonly counter: string;
  /** How often. */
  readonly times: number;
}

/**
 * Which counter tells which cause.
 *
 * Source: net/mptcp/mib.h, and where each is raised in protocol.c, subflow.c, options.c @ v6.12.
 */
const CAUSES: readonly (readonly [counter: string, cause: FallbackCause])[] = [
  ["MPCapableFallbackSYNACK", "answered-as-tcp"],
  ["MPCapableSYNTXDrop", "syn-lost"],
  ["MPCapableSYNTXDisabled", "not-asked"],
  ["MPCapableFallbackACK", "client-went-tcp"],
  ["MPCapableDataFallback", "stripped-later"],
  ["DssFallback", "bad-data"],
  ["DSSCorruptionFallback", "bad-data"],
  ["DataCsumErr", "checksum"],
  ["InfiniteMapRx", "checksum"],
  ["InfiniteMapTx", "checksum"],
  ["MD5SigFallback", "signature"],
  ["SimultConnectFallback", "simultaneous-open"],
  ["MPFallbackTokenInit", "no-token"],
];

/** The causes that counters show, the most frequent first. */
export function countCauses(counters: MptcpCounters): CountedCause[] {
  return CAUSES.flatMap(([counter, cause]) => {
    const times = counters.get(counter) ?? 0;
    return times > 0 ? [{ cause, counter, times }] : [];
  }).sort((left, right) => right.times - left.times);
}

/** How much each counter grew between two readings; counters that did not are not in it. */
export function growth(before: MptcpCounters, after: MptcpCounters): Map<string, number> {
  const grown = new Map<string, number>();
  for (const [name, value] of after) {
    const more = value - (before.get(name) ?? 0);
    if (more > 0) grown.set(name, more);
  }
  return grown;
}
