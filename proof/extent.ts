/**
 * The sockets of many processes and cgroups at once, counted for each of them by one look at the machine.
 *
 * @module
 */

import type { Target } from "../bpf/mod.ts";
import { NotFoundError } from "../errors.ts";
import { listProcesses, readCgroup, readCommand } from "../inspect/mod.ts";
import { listSelected } from "./list_sockets.ts";
import { namespacesOf, ownNamespace } from "./namespaces.ts";
import type { Reason, ReasonCode } from "./reason.ts";
import type { SeenSocket } from "./seen_socket.ts";
import { SocketCounter, type SocketSummary } from "./socket_summary.ts";

/** Which processes and cgroups a row of the answer stands for. */
export interface Extent {
  readonly pids: readonly number[];
  readonly cgroupIds: readonly bigint[];
  /** Whether it stands for all there is. */
  readonly all: boolean;
}

/** What a target of the BPF program stands for; nothing where its cgroup is gone. */
export function targetExtent({ kind, path, name, gone }: Target): Extent {
  switch (kind) {
    case "all":
      return { pids: listProcesses(), cgroupIds: [], all: true };
    case "comm":
      return { ...NOTHING, pids: listProcesses().filter((pid) => readCommand(pid) === name) };
    case "cgroup":
      return path === undefined || gone ? NOTHING : cgroupExtent(path);
  }
}

/** No process, and no cgroup. */
export const NOTHING: Extent = { pids: [], cgroupIds: [], all: false };

/** What of a cgroup there is; nothing where it is gone. */
export function cgroupExtent(path: string): Extent {
  try {
    const { pids, ids } = readCgroup(path);
    return { pids, cgroupIds: ids, all: false };
  } catch (error) {
    if (error instanceof NotFoundError) return NOTHING;
    throw error;
  }
}

/** Several of them as one. */
export function unite(extents: readonly Extent[]): Extent {
  return {
    pids: [...new Set(extents.flatMap(({ pids }) => pids))],
    cgroupIds: extents.flatMap(({ cgroupIds }) => cgroupIds),
    all: extents.some(({ all }) => all),
  };
}

/** Reasons that no program gives that the kernel forces. */
const OVERRULED: readonly ReasonCode[] = [
  "not-forced",
  "static",
  "secure",
  "old-go",
  "go-listen",
  "library-not-loaded",
];

const BEFORE: Omit<Reason, "evidence"> = {
  code: "before-attach",
  words:
    "it was made before its target was attached, or where BPF does not look: with MPTCP off, " +
    "by io_uring, or by another process",
  certainty: "likely",
  hint: "restart the program",
};

/** Whose sockets the BPF program forces, to tell why one is TCP all the same. */
export class Attached {
  readonly #pids: ReadonlySet<number>;
  readonly #cgroupIds: ReadonlySet<number>;
  readonly #all: boolean;

  /** Takes the extents of the targets. */
  constructor(targets: readonly Extent[]) {
    const { pids, cgroupIds, all } = unite(targets);
    this.#pids = new Set(pids);
    this.#cgroupIds = new Set(cgroupIds.map(Number));
    this.#all = all;
  }

  /** The reasons of a socket: that it was not attached yet, where what it was made by would be forced. */
  reasonsOf(
    { verdict, reasons, owners, cgroupId }: Pick<
      SeenSocket,
      "verdict" | "reasons" | "owners" | "cgroupId"
    >,
  ): readonly Reason[] {
    const [first] = reasons;
    if (verdict !== "tcp" || first === undefined || !OVERRULED.includes(first.code)) return reasons;
    const here = this.#all || owners.some(({ pid }) => this.#pids.has(pid)) ||
      cgroupId !== undefined && this.#cgroupIds.has(cgroupId);
    return here ? [{ ...BEFORE, evidence: ["it is attached now", ...first.evidence] }] : reasons;
  }
}

/** Counts the sockets of each of several extents, by one look at the machine. */
export function countSockets(
  extents: readonly Extent[],
  attached: Attached,
  notes: Set<string>,
): { readonly summaries: readonly SocketSummary[]; readonly hidden: number } {
  const counters = extents.map(() => new SocketCounter());
  const whole = unite(extents);
  if (whole.pids.length === 0 && whole.cgroupIds.length === 0) {
    return { summaries: counters.map(({ summary }) => summary), hidden: 0 };
  }
  const byPid = new Map<number, number[]>();
  const byCgroup = new Map<number, number[]>();
  const everything: number[] = [];
  const add = (map: Map<number, number[]>, key: number, index: number) => {
    const known = map.get(key);
    if (known) known.push(index);
    else map.set(key, [index]);
  };
  extents.forEach(({ pids, cgroupIds, all }, index) => {
    if (all) everything.push(index);
    for (const pid of pids) add(byPid, pid, index);
    for (const id of cgroupIds) add(byCgroup, Number(id), index);
  });
  const own = ownNamespace();
  const { list, unreadable, asked } = listSelected({
    namespaces: [own, ...namespacesOf(whole.pids).filter(({ id }) => id !== own.id)],
    pids: whole.pids,
    cgroup: undefined,
    everyListed: true,
    // Process 1 too: it holds what a service manager has passed in.
    candidates: [...new Set([1, ...whole.pids])],
    wants: ({ cgroupId }, owners) =>
      whole.all || owners.some(({ pid }) => byPid.has(pid)) ||
      cgroupId !== undefined && byCgroup.has(cgroupId),
    askAll: false,
  });
  for (const note of list.notes) notes.add(note);
  for (const socket of list.sockets) {
    const rows = new Set(everything);
    for (const { pid } of socket.owners) for (const row of byPid.get(pid) ?? []) rows.add(row);
    for (const row of byCgroup.get(socket.cgroupId ?? -1) ?? []) rows.add(row);
    const reasons = attached.reasonsOf(socket);
    for (const row of rows) counters[row]!.add({ ...socket, reasons });
  }
  const hidden = unreadable + asked.refused;
  return { summaries: counters.map(({ summary }) => summary), hidden };
}
