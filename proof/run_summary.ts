/**
 * What became of the sockets of a run: single sightings in, a summary out. Pure.
 *
 * @module
 */

import type { Target } from "../bpf/mod.ts";
import { growth, type MptcpCounters, type SocketFacts, type Verdict } from "../inspect/mod.ts";
import { explainFallback } from "./fallback_reasons.ts";
import type { Reason } from "./reason.ts";

/** What went from one local address to one remote address. */
export interface PathTraffic {
  /** The address on this machine, without a port. */
  readonly local: string;
  /** The other one. */
  readonly remote: string;
  /** What used it: subflows of MPTCP connections, connections that fell back, or TCP. */
  readonly verdict: Verdict;
  /** How many subflows, or connections. */
  readonly flows: number;
  /** Payload bytes, with those that were sent again; undefined where nobody told. */
  readonly bytesSent: number | undefined;
  /** Payload bytes. */
  readonly bytesReceived: number | undefined;
}

/** How many of each kind. */
export type VerdictCounts = Readonly<Record<Verdict, number>>;

/** What was counted of the sockets that were made. */
export interface MadeSockets {
  /** The library in the programs; or the BPF program, for whatever ran in the cgroup of the run. */
  readonly countedBy: "library" | "kernel";
  /** Sockets that were asked for as TCP. */
  readonly made: number;
  /** Of these, made as MPTCP; the kernel leaves out those that were made where MPTCP is off. */
  readonly forced: number;
  /** Of these, put back to TCP for an option that only TCP has. */
  readonly returned: number;
  /** The name of the errno with which the kernel refused MPTCP; undefined where it did not. */
  readonly refusal: string | undefined;
  /** Socket options that MPTCP refuses and the BPF program answered with success; the library counts none. */
  readonly softened: number | undefined;
}

/** What the kernel counted for the cgroup of a run. */
export function countedByKernel(
  { socketsSeen, socketsForced, optionsSoftened }: Pick<
    Target,
    "socketsSeen" | "socketsForced" | "optionsSoftened"
  >,
): MadeSockets {
  return {
    countedBy: "kernel",
    made: Number(socketsSeen),
    forced: Number(socketsForced),
    returned: 0,
    refusal: undefined,
    softened: Number(optionsSoftened),
  };
}

/** A summary of a run. */
export interface RunSummary {
  /** Undefined where nobody counted: by another method than BPF, no program loaded the library. */
  readonly sockets: MadeSockets | undefined;
  /** The connections that were seen, by what they were at their end. */
  readonly connections: VerdictCounts;
  /** The listeners that were seen. */
  readonly listeners: VerdictCounts;
  /** Subflows of all MPTCP connections, the initial ones too. */
  readonly subflows: number;
  /** One for each path and verdict, that with the most bytes first. */
  readonly paths: readonly PathTraffic[];
  /** Why connections fell back, the most likely first; by what was counted in the network namespace meanwhile. */
  readonly fallbackReasons: readonly Reason[];
  /** The counters of the network namespace that moved, with all that others did there. */
  readonly counters: Readonly<Record<string, number>>;
  /** Sockets that closed faster than they could be read. */
  readonly lost: number;
  /** What is to be known besides, as sentences without a final period. */
  readonly notes: readonly string[];
}

interface Traffic {
  flows: number;
  bytesSent: number | undefined;
  bytesReceived: number | undefined;
}

/** All that is kept of one socket. */
interface Sighting {
  readonly listens: boolean;
  readonly verdict: Verdict;
  readonly subflows: number;
  readonly paths: readonly (readonly [key: string, Traffic])[];
}

/** More than that many sockets are added up, the oldest first: nobody reports of them any more. */
const KEPT = 20_000;
/** Paths beyond that many are one. */
const PATHS = 2_000;
const NO_COUNTS: VerdictCounts = { mptcp: 0, fallback: 0, tcp: 0 };
const ELSEWHERE = "elsewhere";

function add(left: number | undefined, right: number | undefined): number | undefined {
  return left === undefined ? right : left + (right ?? 0);
}

function sighting(facts: SocketFacts): Sighting | undefined {
  const { verdict, local, remote, subflows = [], tcp, mptcp, state } = facts;
  const listens = state === "LISTEN";
  if (!listens && remote === undefined && subflows.length === 0 && !mptcp?.token) return undefined;
  const flows = verdict === "mptcp" ? subflows : [{ local, remote, tcp }];
  const paths = listens
    ? []
    : flows.map((flow) =>
      [`${flow.local?.address ?? "?"} ${flow.remote?.address ?? "?"} ${verdict}`, {
        flows: 1,
        bytesSent: flow.tcp?.bytesSent,
        bytesReceived: flow.tcp?.bytesReceived,
      }] as const
    );
  return { listens, verdict, subflows: verdict === "mptcp" ? subflows.length : 0, paths };
}

/** Gathers what is seen of the sockets of a run, in bounded memory. */
export class RunSockets {
  readonly #seen = new Map<number, Sighting>();
  readonly #connections = { ...NO_COUNTS };
  readonly #listeners = { ...NO_COUNTS };
  readonly #paths = new Map<string, Traffic>();
  #subflows = 0;

  /** Whether any socket was seen. */
  get any(): boolean {
    return this.#seen.size > 0;
  }

  /** Takes what a socket is now; of one that is seen again, what was said last counts. */
  see(inode: number, facts: SocketFacts): void {
    const seen = sighting(facts);
    if (seen === undefined) return;
    // A connection whose subflows are gone already tells less than before.
    const before = this.#seen.get(inode);
    if (before && before.subflows > 0 && seen.verdict === "mptcp" && seen.subflows === 0) return;
    this.#seen.delete(inode);
    this.#seen.set(inode, seen);
    const oldest = this.#seen.size > KEPT ? this.#seen.entries().next().value : undefined;
    if (oldest === undefined) return;
    this.#seen.delete(oldest[0]);
    this.#fold(oldest[1]);
  }

  #fold({ listens, verdict, subflows, paths }: Sighting): void {
    (listens ? this.#listeners : this.#connections)[verdict]++;
    this.#subflows += subflows;
    for (const [wanted, traffic] of paths) {
      const room = this.#paths.has(wanted) || this.#paths.size < PATHS;
      const key = room ? wanted : `${ELSEWHERE} ${ELSEWHERE} ${verdict}`;
      const { flows, bytesSent, bytesReceived } = this.#paths.get(key) ??
        { flows: 0, bytesSent: undefined, bytesReceived: undefined };
      this.#paths.set(key, {
        flows: flows + traffic.flows,
        bytesSent: add(bytesSent, traffic.bytesSent),
        bytesReceived: add(bytesReceived, traffic.bytesReceived),
      });
    }
  }

  /** Sums up; nothing is to be added afterwards. */
  summarize(
    counted: { readonly sockets: MadeSockets | undefined; readonly lost: number },
    before: MptcpCounters,
    after: MptcpCounters,
    notes: readonly string[],
  ): RunSummary {
    for (const seen of this.#seen.values()) this.#fold(seen);
    this.#seen.clear();
    const moved = growth(before, after);
    const bytes = ({ bytesSent = 0, bytesReceived = 0 }: PathTraffic) => bytesSent + bytesReceived;
    return {
      sockets: counted.sockets,
      connections: this.#connections,
      listeners: this.#listeners,
      subflows: this.#subflows,
      paths: [...this.#paths].map(([key, traffic]): PathTraffic => {
        const [local = "", remote = "", verdict] = key.split(" ");
        return { local, remote, verdict: verdict as Verdict, ...traffic };
      }).sort((left, right) => bytes(right) - bytes(left)),
      fallbackReasons: this.#connections.fallback === 0 ? [] : explainFallback({
        subflow: undefined,
        tcp: undefined,
        remoteKeyReceived: undefined,
        md5: false,
        counters: moved,
      }),
      counters: Object.fromEntries([...moved].filter(([, value]) => value !== 0)),
      lost: counted.lost,
      notes,
    };
  }
}
