/**
 * What was asked for on this machine: units that are enabled, and targets that are attached.
 *
 * @module
 */

import { type BpfState, readBpfState, type Target } from "../bpf/mod.ts";
import { MptcpizeError } from "../errors.ts";
import {
  type EnabledInstance,
  type EnabledUnit,
  listEnabledUnits,
  listPersistentTargets,
  type PersistentTarget,
} from "../force/mod.ts";
import { type ForcedProcess, readBootTime, readStart } from "./forced_process.ts";

/** A unit that runs, of those that are enabled. */
export interface RunningUnit extends EnabledInstance {
  /** When its main process was started; undefined where it has none. */
  readonly since: Date | undefined;
}

/** A unit that `mptcpize enable` has enabled. */
export interface AskedUnit extends Omit<EnabledUnit, "running"> {
  /** When its drop-in was written. */
  readonly since: Date | undefined;
  /** Those of it that run. */
  readonly running: readonly RunningUnit[];
}

/** A target of the BPF program, and whether it stays. */
export interface AskedTarget extends Target {
  /** When systemd attaches it again; undefined where it does not. */
  readonly again: "start" | "boot" | undefined;
}

/** The BPF program. */
export interface BpfStatus extends Pick<BpfState, "programs" | "maps" | "current" | "guarded"> {}

/** An error that keeps from seeing a part of the answer becomes a note. */
export async function noted<Value>(
  notes: Set<string>,
  read: () => Value | Promise<Value>,
): Promise<Value | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof MptcpizeError)) throw error;
    notes.add(error.hint === undefined ? error.message : `${error.message}: ${error.hint}`);
    return undefined;
  }
}

/** What is asked for on this machine, of whatever kind. */
export interface Asked {
  readonly units: readonly AskedUnit[];
  readonly targets: readonly AskedTarget[];
  readonly waiting: readonly PersistentTarget[];
  readonly bpf: BpfStatus | undefined;
}

function writtenAt(path: string): Date | undefined {
  try {
    return Deno.statSync(path).mtime ?? undefined;
  } catch {
    return undefined;
  }
}

/** Whether a persistent target is what makes a target come back. */
function isKept({ kind, path, name, gone }: Target, kept: PersistentTarget): boolean {
  if (kept.kind === "all" || kept.kind === "comm") {
    return kind === kept.kind && (kept.kind === "all" || kept.name === name);
  }
  // A unit's cgroup has its name.
  const unit = path?.slice(path.lastIndexOf("/") + 1) ?? "";
  if (kind !== "cgroup" || gone) return false;
  return unit === kept.name ||
    /@\.service$/.test(kept.name) && unit.endsWith(".service") &&
      unit.startsWith(kept.name.slice(0, -".service".length));
}

/** Joins what is attached with what systemd attaches again. Pure. */
export function joinTargets(
  targets: readonly Target[],
  persistent: readonly PersistentTarget[],
): Pick<Asked, "targets" | "waiting"> {
  return {
    targets: targets.map((target) => {
      const kept = persistent.find((kept) => isKept(target, kept));
      return { ...target, again: kept && (kept.kind === "service" ? "start" : "boot") };
    }),
    waiting: persistent.filter((kept) => !targets.some((target) => isKept(target, kept))),
  };
}

/**
 * Whether anything of what was asked for is in force, or will be as soon as its unit starts; not what a
 * restart is pending for, or what cannot be reached.
 */
export function isInForce(
  { units, targets, waiting }: {
    readonly units: readonly Pick<EnabledUnit, "running">[];
    readonly targets: readonly Pick<Target, "gone">[];
    readonly waiting: readonly Pick<PersistentTarget, "kind">[];
  },
  processes: readonly Pick<ForcedProcess, "obstacle">[],
): boolean {
  return targets.some(({ gone }) => !gone) ||
    waiting.some(({ kind }) => kind === "service") ||
    processes.some(({ obstacle }) => obstacle === undefined) ||
    units.some(({ running }) => running.length === 0 || running.some(({ pending }) => !pending));
}

/** Reads which units are enabled, and which targets are attached. */
export async function readAsked(notes: Set<string>): Promise<Asked> {
  const bootTime = readBootTime();
  const enabled = [
    ...await noted(notes, () => listEnabledUnits()) ?? [],
    // A user without a folder of its own has none.
    ...await noted(new Set(), () => listEnabledUnits({ user: true })) ?? [],
  ];
  // Undefined is an answer, too: that nothing is loaded.
  let known = false;
  const state = await noted(notes, () => {
    const state = readBpfState();
    known = true;
    return state;
  });
  const persistent = await noted(notes, () => listPersistentTargets()) ?? [];
  const joined = joinTargets(state?.targets ?? [], persistent);
  const isAttached = (unit: string) =>
    joined.targets.some(({ path, gone }) => !gone && path?.endsWith(`/${unit}`));
  const units = enabled.map((unit) => ({
    ...unit,
    since: writtenAt(unit.file),
    running: unit.running.map((instance) => ({
      ...instance,
      pending: unit.method === "bpf" && known ? !isAttached(instance.unit) : instance.pending,
      since: instance.mainPid === 0 ? undefined : readStart(instance.mainPid, bootTime)?.since,
    })),
  }));
  return {
    units,
    ...joined,
    bpf: state && {
      programs: state.programs,
      maps: state.maps,
      current: state.current,
      guarded: state.guarded,
    },
  };
}
