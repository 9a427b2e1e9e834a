/**
 * What is forced on this machine, by which method, since when, and what its sockets are.
 *
 * @module
 */

import { probeBpf } from "../bpf/mod.ts";
import type { Feature } from "../features/mod.ts";
import { type EnabledInstance, type PersistentTarget, readUnitSockets } from "../force/mod.ts";
import { openManager } from "../systemd/mod.ts";
import {
  type AskedTarget,
  type AskedUnit,
  type BpfStatus,
  isInForce,
  noted,
  readAsked,
} from "./asked.ts";
import { Attached } from "./attached.ts";
import { countSockets } from "./count_sockets.ts";
import { cgroupExtent, type Extent, NOTHING, targetExtent, unite } from "./extent.ts";
import {
  type ForcedProcess,
  type ForcedProcesses,
  groupProcesses,
  readForcedProcesses,
} from "./forced_process.ts";
import { SocketCounter, type SocketSummary } from "./socket_summary.ts";

/** A unit that is enabled, with the sockets of what of it runs. */
export interface UnitStatus extends AskedUnit {
  /** Of a `.socket` unit, the listeners that systemd holds for it. */
  readonly sockets: SocketSummary;
}

/** A target of the BPF program, with its sockets. */
export interface TargetStatus extends AskedTarget {
  /**
   * The sockets made in the cgroup or held by its processes, and those of processes with the name; of
   * `all`, those of this network namespace and of every process.
   */
  readonly sockets: SocketSummary;
}

/** A process that was started to be forced, with what it has made of itself: its forks. */
export interface ProcessStatus extends Omit<ForcedProcess, "parent"> {
  /** It, and those below it with its name and method, ascending. */
  readonly pids: readonly number[];
  /** Their sockets; one that several hold counts once. */
  readonly sockets: SocketSummary;
}

/** What is forced here. */
export interface Status {
  /**
   * Whether anything is, or will be as soon as its unit starts; undefined where nothing was seen and not
   * all could be.
   */
  readonly forced: boolean | undefined;
  /** By their names. */
  readonly units: readonly UnitStatus[];
  /** Cgroups by their paths, then names. */
  readonly targets: readonly TargetStatus[];
  /** What `attach --persist` has systemd attach at its next start, or at the next boot. */
  readonly waiting: readonly PersistentTarget[];
  /** By their numbers; without those of the units. */
  readonly processes: readonly ProcessStatus[];
  /** What is loaded; undefined for nothing, or where it may not be read. */
  readonly bpf: BpfStatus | undefined;
  /** Whether this kernel takes the BPF program, for who asks. */
  readonly bpfSupport: Feature;
  /** What could not be seen, and what it would take; sentences without a final period. */
  readonly notes: readonly string[];
}

/** All of a unit's cgroup; its main process where that cannot be seen. */
function unitExtent({ cgroup, mainPid }: EnabledInstance): Extent {
  const extent = cgroup === undefined ? NOTHING : cgroupExtent(cgroup);
  return extent.pids.length > 0 || mainPid === 0 ? extent : { ...NOTHING, pids: [mainPid] };
}

/** The listeners that systemd holds for a `.socket` unit. */
async function readHeld(
  { user, running }: Pick<UnitStatus, "user" | "running">,
  notes: Set<string>,
): Promise<SocketSummary> {
  const counter = new SocketCounter();
  for (const { unit } of running) {
    const held = await noted(
      notes,
      () => readUnitSockets(openManager(user ? "user" : "system"), unit),
    );
    for (const { verdict } of held ?? []) counter.add({ verdict, reasons: [] });
  }
  return counter.summary;
}

/** The note on processes that could not be seen; empty for none. */
export function unseenNotes({ unseen }: Pick<ForcedProcesses, "unseen">, hidden: number): string[] {
  const number = Math.max(unseen, hidden);
  // Root of the machine is refused only by what guards itself.
  if (number === 0 || Deno.uid() === 0) return [];
  const [they, whether, their] = number === 1
    ? ["1 process", "it is", "its"]
    : [`${number} processes`, "they are", "their"];
  return [
    `${they} could not be looked into: whether ${whether} forced, and what is not connected of ${their} ` +
    "sockets, is not shown. Run it as root to see all",
  ];
}

/**
 * Reads what is forced on this machine: units that are enabled, targets of the BPF program, and processes
 * that run with our library, with GODEBUG or with the page of `patch`; each with its sockets.
 *
 * A socket counts for each of them that it belongs to.
 *
 * Needs: nothing; to see processes of other users CAP_SYS_PTRACE, and to see the targets of the BPF
 * program CAP_BPF. What was missing is told in {@linkcode Status.notes}.
 *
 * @example
 * ```ts
 * import { readStatus } from "./status.ts";
 * const { units, targets, processes } = await readStatus();
 * console.log(units.length + targets.length + processes.length, "are forced here");
 * ```
 *
 * @throws {SyscallError} when the kernel refuses what it gives to everybody
 */
export async function readStatus(): Promise<Status> {
  const notes = new Set<string>();
  const { units, targets, waiting, bpf } = await readAsked(notes);
  const found = readForcedProcesses();
  const unitExtents = units.map(({ running }) => unite(running.map(unitExtent)));
  const ofUnits = new Set(unitExtents.flatMap(({ pids }) => pids));
  const groups = groupProcesses(found.processes.filter(({ pid }) => !ofUnits.has(pid)));
  const targetExtents = targets.map(targetExtent);
  const { summaries, hidden } = countSockets(
    [...unitExtents, ...targetExtents, ...groups.map(({ pids }) => ({ ...NOTHING, pids }))],
    notes,
    new Attached(() => targetExtents),
  );
  const sockets = summaries.values();
  const next = () => sockets.next().value!;
  const unitSockets: SocketSummary[] = [];
  for (const unit of units) {
    const counted = next();
    unitSockets.push(unit.method === "socket" ? await readHeld(unit, notes) : counted);
  }
  const told = [...notes, ...unseenNotes(found, hidden)];
  return {
    forced: isInForce({ units, targets, waiting }, groups.map(({ first }) => first)) ||
      (told.length > 0 ? undefined : false),
    units: units.map((unit, index) => ({ ...unit, sockets: unitSockets[index]! })),
    targets: targets.map((target) => ({ ...target, sockets: next() })),
    processes: groups.map(({ first: { parent: _, ...first }, pids }) => ({
      ...first,
      pids,
      sockets: next(),
    })),
    waiting,
    bpf,
    bpfSupport: bpf === undefined ? probeBpf() : { state: "yes" },
    notes: told,
  };
}
