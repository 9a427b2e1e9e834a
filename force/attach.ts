/**
 * Attaching targets and detaching them: the kernel's part, and systemd's for those that are to stay.
 *
 * @module
 */

import {
  attachTargets,
  detachTargets,
  probeBpf,
  readBpfState,
  type Target,
  type TargetSpec,
  tryToLoad,
} from "../bpf/mod.ts";
import { NotPermittedError } from "../errors.ts";
import { type Feature, probeMptcp } from "../features/mod.ts";
import { readCgroup } from "../inspect/mod.ts";
import { dropInFolders, listDropIns } from "../systemd/mod.ts";
import { findInstalled } from "./installed.ts";
import { type FileChange, Persistence, type PersistPlan } from "./persist.ts";
import { pruneRunCgroups } from "./run_cgroup.ts";
import { type MatchedTarget, matchTargets, specOf } from "./match_targets.ts";
import {
  MACHINE,
  type NamedTarget,
  resolveTargets,
  sameTarget,
  type TargetWords,
} from "./targets.ts";

/** What is to be attached, and for how long. */
export interface AttachRequest extends TargetWords {
  /** Whether systemd attaches it anew: a service at each start, all else at boot. */
  readonly persist?: boolean;
}

/** One target of an attachment. */
export interface PlannedTarget extends NamedTarget {
  /** Whether it is attached already, as it is asked for; undefined where that may not be read. */
  readonly attached: boolean | undefined;
  /** The processes in its cgroup now; undefined where it has none. */
  readonly processes: number | undefined;
}

/** All that an attachment will do, as plain data. */
export interface AttachPlan {
  /** Each once, in the order of the words. */
  readonly targets: readonly PlannedTarget[];
  /** What is done to systemd's files; undefined where nothing is to stay. */
  readonly persist: PersistPlan | undefined;
  /** Whether the kernel makes MPTCP sockets here. */
  readonly mptcp: Feature;
  /** Whether this kernel lets this user force; undefined once that is done. */
  readonly bpf?: Feature;
}

/** An attachment that was made. */
export interface Attachment extends AttachPlan {
  /** Whether a program of another version gave way to ours. */
  readonly upgraded: boolean;
  /** Whether programs with net.mptcp.enabled=0 are left alone: elsewhere they get no TCP sockets. */
  readonly guarded: boolean;
}

/** All that a detachment will do, or did. */
export interface DetachPlan {
  /** Each target as it was named; one without anything was not attached. */
  readonly targets: readonly MatchedTarget[];
  /** What is done to systemd's files. */
  readonly persist: readonly FileChange[];
  /** The services among them that `mptcpize enable` has attached at each start: only `disable` ends that. */
  readonly enabled: readonly string[];
  /** Whether nothing of ours is loaded into the kernel afterwards; undefined before. */
  readonly unloaded: boolean | undefined;
}

function countProcesses(spec: TargetSpec | undefined): number | undefined {
  if (spec?.kind !== "cgroup") return undefined;
  try {
    return readCgroup(spec.path).pids.length;
  } catch {
    return undefined; // Removed meanwhile.
  }
}

function isAttached(spec: TargetSpec | undefined, targets: readonly Target[]): boolean {
  return spec !== undefined &&
    targets.some((target) =>
      !target.gone && target.strict === spec.strict && sameTarget(specOf(target), spec)
    );
}

async function plan(request: AttachRequest, persistence: Persistence): Promise<AttachPlan> {
  const { persist = false } = request;
  const named = await resolveTargets({ ...request, atRest: persist }, MACHINE);
  const plan = persist ? await persistence.planAdd(named, findInstalled()) : undefined;
  let targets: readonly Target[] | undefined;
  try {
    targets = readBpfState()?.targets ?? [];
  } catch (error) {
    if (!(error instanceof NotPermittedError)) throw error;
  }
  return {
    targets: named.map((target) => ({
      ...target,
      attached: targets && isAttached(target.spec, targets),
      processes: countProcesses(target.spec),
    })),
    persist: plan,
    mptcp: probeMptcp(),
  };
}

/**
 * Plans an attachment; changes nothing.
 *
 * @throws {UsageError} for words that make no sense, or when there are none
 * @throws {NotFoundError} for what is not there
 * @throws {ConflictError} for a unit that does not run, or a file of systemd's that is not ours
 * @throws {NotSupportedError} for what cannot be attached, or not for good
 */
export async function planAttach(
  request: AttachRequest,
  persistence: Persistence = new Persistence(),
): Promise<AttachPlan> {
  return { ...await plan(request, persistence), bpf: probeBpf() };
}

/**
 * Attaches targets, all or none: from now on the TCP sockets that they make are MPTCP sockets. Those that
 * are attached stay so.
 *
 * Needs: root, or CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN; root to have it stay.
 *
 * @throws {NotPermittedError} when a capability is missing
 * @throws {NotSupportedError} when this kernel cannot do it, with the reason
 * @throws {MptcpizeError} whatever {@linkcode planAttach} throws, or what keeps it from being done;
 * nothing is changed then
 */
export async function attach(
  request: AttachRequest,
  persistence: Persistence = new Persistence(),
): Promise<Attachment> {
  using _lock = request.persist ? await persistence.lock() : undefined;
  const planned = await plan(request, persistence);
  const specs = planned.targets.map(({ spec }) => spec).filter((spec) => spec !== undefined);
  // What would be refused, before files are made or looked for.
  if (specs.length === 0 || Deno.uid() !== 0) tryToLoad(request.strict ?? false);
  if (specs.length === 0) {
    if (planned.persist !== undefined) await persistence.apply(planned.persist);
    return { ...planned, upgraded: false, guarded: true };
  }
  pruneRunCgroups();
  const before = readBpfState()?.targets.filter(({ gone }) => !gone).map(specOf) ?? [];
  const { added, upgraded, guarded } = attachTargets(specs, { mountBpffs: true });
  const isAdded = (spec: TargetSpec) => added.some((target) => sameTarget(specOf(target), spec));
  try {
    if (planned.persist !== undefined) await persistence.apply(planned.persist);
  } catch (error) {
    const changed = before.filter(isAdded); // Those that were otherwise strict.
    const made = added.map(specOf).filter((spec) =>
      !changed.some((other) => sameTarget(spec, other))
    );
    if (changed.length > 0) attachTargets(changed);
    if (made.length > 0) detachTargets(made);
    throw error;
  }
  return {
    ...planned,
    targets: planned.targets.map((target) => ({
      ...target,
      attached: target.spec !== undefined && !isAdded(target.spec),
    })),
    upgraded,
    guarded,
  };
}

async function planDetachment(
  request: TargetWords,
  persistence: Persistence,
): Promise<DetachPlan & { readonly files: PersistPlan }> {
  const state = readBpfState();
  const targets = await matchTargets(request, state?.targets ?? [], persistence.list(), MACHINE);
  const persistent = targets.flatMap(({ persistent }) => persistent);
  const files = persistence.planRemove(persistent);
  const enabled = listDropIns(dropInFolders("system"))
    .filter(({ dropIn }) => dropIn?.method === "bpf").map(({ unit }) => unit)
    .filter((unit) => targets.some(({ name }) => name === unit || name.endsWith(`/${unit}`)));
  return { targets, persist: files.changes, enabled, unloaded: undefined, files };
}

/**
 * Plans a detachment; changes nothing.
 *
 * @throws {UsageError} for words that make no sense, or when there are none
 * @throws {NotFoundError} for a process that is not there
 * @throws {NotPermittedError} when it may not be read what is attached
 */
export async function planDetach(
  request: TargetWords,
  persistence: Persistence = new Persistence(),
): Promise<DetachPlan> {
  return await planDetachment(request, persistence);
}

/**
 * Detaches targets, and undoes what has systemd attach them anew. The sockets that they have made stay
 * as they are. What is not attached is no error: it is told by empty lists.
 *
 * @throws {NotPermittedError} when a capability is missing
 * @throws {MptcpizeError} whatever {@linkcode planDetach} throws, or what keeps it from being done
 */
export async function detach(
  request: TargetWords,
  persistence: Persistence = new Persistence(),
): Promise<DetachPlan> {
  const first = await planDetachment(request, persistence);
  using _lock = first.persist.length > 0 ? await persistence.lock() : undefined;
  const { files, ...done } = first.persist.length > 0
    ? await planDetachment(request, persistence)
    : first;
  // What attaches it anew goes first: else a service that starts meanwhile would bring it back.
  if (files.changes.length > 0) await persistence.apply(files);
  pruneRunCgroups();
  // Even with none: what is gone is forgotten.
  const { unloaded } = detachTargets(done.targets.flatMap(({ specs }) => specs));
  return { ...done, unloaded };
}
