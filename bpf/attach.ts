/**
 * Enrols targets, and lets them go.
 *
 * Whoever changes something holds the lock, first mends what an interrupted change left, and writes in
 * an order in which every interruption leaves a state that the next call can mend: the list of targets
 * before what follows from it, and whole sets of pins by one rename.
 *
 * @module
 */

import { ConflictError, NotSupportedError, SyscallError } from "../errors.ts";
import { attachTracing, openPin } from "../ffi/bpf.ts";
import { Errno } from "../ffi/errno.ts";
import { Fd } from "../ffi/fd.ts";
import { type Key, listMounts, resolveSpec, ROOT_ID, rootPath } from "./cgroups.ts";
import { LAYOUT_VERSION } from "./layout.ts";
import {
  findPernetId,
  loadObject,
  MAPS,
  missingCapabilities,
  PROGRAMS,
  readObjectFile,
  translate,
} from "./object.ts";
import {
  BPFFS,
  pinAll,
  PinFolder,
  type PinName,
  PinnedSet,
  prepareBpffs,
  removePins,
  undoBpffs,
} from "./pins.ts";
import {
  deleteRecord,
  describe,
  isGone,
  readRecords,
  readSettings,
  type Record as TargetRecord,
  wordOf,
  writeRecord,
  writeSettings,
} from "./records.ts";
import { applySoftening, findRefused } from "./softening.ts";
import type { AttachOptions, AttachResult, DetachResult, TargetSpec } from "./types.ts";

/** Where it happens; tests use a bpffs of their own, and what their kernel can load. */
export interface Place {
  /** The mount point of the bpffs. */
  readonly bpffs: string;
  /** Whether the program that forces is loaded. */
  readonly force: boolean;
}

/** The place of all but tests. */
export const PLACE: Place = { bpffs: BPFFS, force: true };

type Records = Map<string, TargetRecord>;

/** Folders of the cgroups that the setsockopt program belongs to. */
function softenedPaths(records: Iterable<TargetRecord>): Set<string> {
  const paths = new Set<string>();
  for (const { key, value } of records) {
    if (!value.strict && !isGone(key)) paths.add(key.kind === "name" ? rootPath() : key.path);
  }
  return paths;
}

/** Folders of all cgroups that it may be attached to. */
function* allPaths(records: Iterable<TargetRecord>): Generator<string> {
  yield* listMounts().map(({ point }) => point);
  for (const { key } of records) if (key.kind === "cgroup" && !isGone(key)) yield key.path;
}

/** Attaches the setsockopt program where these targets want it; what was a target as well as what is. */
function soften(
  set: PinnedSet,
  records: Iterable<TargetRecord>,
  before: Iterable<TargetRecord> = [],
): void {
  const now = [...records];
  applySoftening({
    program: set.soften,
    former: [],
    wanted: softenedPaths(now),
    unwanted: allPaths([...now, ...before]),
  });
}

/**
 * Removes what an interrupted change left, and makes all be as the list of targets says.
 *
 * @returns the pins that count
 */
function mend(folder: PinFolder): PinnedSet | undefined {
  const set = PinnedSet.open(folder.current);
  if (set === undefined && exists(folder.current)) folder.retire(); // A part of it is missing.
  try {
    for (const stale of folder.stale()) {
      const former = openPin(`${stale}/soften`);
      if (former instanceof Fd) {
        using program = former;
        using listed = PinnedSet.open(stale);
        const source = set ?? listed;
        // Nothing was attached by whoever did not get as far as a list of targets.
        const records = source === undefined ? [] : [...readRecords(source).values()];
        applySoftening({
          program: set?.soften,
          former: [program],
          wanted: set === undefined ? new Set() : softenedPaths(records),
          unwanted: allPaths(records),
        });
      }
      removePins(stale);
    }
    return set;
  } catch (error) {
    set?.[Symbol.dispose]();
    throw error;
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Loads the object and pins it as what counts, in the place of what there is. */
function load(folder: PinFolder, place: Place, wantsSoften: boolean, former?: PinnedSet): void {
  const { digest } = readObjectFile();
  const reused = former && {
    targets: former.targets.number,
    names: former.names.number,
    settings: former.settings.number,
  };
  using object = loadObject({ force: place.force, soften: wantsSoften }, reused);
  const pins: Partial<Record<PinName, Fd | number>> = {
    targets: object.mapFd(MAPS.targets),
    names: object.mapFd(MAPS.names),
    settings: object.mapFd(MAPS.settings),
    ...place.force ? { force: object.programFd(PROGRAMS.force) } : {},
    ...wantsSoften ? { soften: object.programFd(PROGRAMS.soften) } : {},
  };
  const made = folder.begin();
  pinAll(made, pins);
  const settings = { version: LAYOUT_VERSION, digest, pernetId: findPernetId(), refused: 0n };
  using set = PinnedSet.open(made)!;
  if (former === undefined) writeSettings(set.settings, settings, []);
  if (place.force) {
    // Attached before the former one is detached: at no time is nothing attached.
    using link = attachTracing(object.programFd(PROGRAMS.force));
    pinAll(made, { link });
  }
  folder.commit(former !== undefined);
}

/** Opens what is loaded, after loading it where it is not there or not ours. */
function ensureLoaded(
  folder: PinFolder,
  place: Place,
  wantsSoften: boolean,
): { readonly set: PinnedSet; readonly loaded: boolean; readonly upgraded: boolean } {
  const { digest } = readObjectFile();
  using found = mend(folder);
  if (found === undefined) {
    load(folder, place, wantsSoften);
    return { set: PinnedSet.open(folder.current)!, loaded: true, upgraded: false };
  }
  const settings = readSettings(found);
  if (settings.version !== LAYOUT_VERSION) {
    throw new ConflictError(
      `Cannot take over what another version of mptcpize has attached: its maps have layout ` +
        `${settings.version}, this one knows ${LAYOUT_VERSION}`,
      { hint: "detach all targets with that version first" },
    );
  }
  const isOurs = settings.digest === digest;
  if (!isOurs || (wantsSoften && found.soften === undefined)) {
    load(folder, place, wantsSoften || found.soften !== undefined, found);
    mend(folder)?.[Symbol.dispose]();
  }
  return { set: PinnedSet.open(folder.current)!, loaded: false, upgraded: !isOurs };
}

/** Forgets the targets whose cgroups are gone. */
function prune(set: PinnedSet, records: Records): void {
  for (const [word, { key }] of records) {
    if (!isGone(key)) continue;
    deleteRecord(set, key);
    records.delete(word);
  }
}

/** Unloads all: in one step the pins count no more, and then they are removed. */
function unload(folder: PinFolder): void {
  folder.retire();
  mend(folder);
}

const WANTED = ["CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN"] as const;

/** As {@linkcode attachTargets}, at a place. */
export function attachAt(
  place: Place,
  specs: readonly TargetSpec[],
  options: AttachOptions = {},
): AttachResult {
  const wanted = specs.map((spec) => [resolveSpec(spec), spec.strict] as const);
  const wantsSoften = specs.some(({ strict }) => !strict);
  const mounted = prepareBpffs(place.bpffs, options.mountBpffs ?? false);
  try {
    using folder = PinFolder.lock(place.bpffs, true)!;
    const { set, loaded, upgraded } = ensureLoaded(folder, place, wantsSoften);
    using pinned = set;
    const before = readRecords(pinned);
    try {
      return { ...enrol(pinned, before, wanted), upgraded };
    } catch (error) {
      undo(pinned, before);
      if (loaded) unload(folder);
      throw error;
    }
  } catch (error) {
    if (mounted) undoBpffs(place.bpffs);
    throw explain("attach", error);
  }
}

function enrol(
  set: PinnedSet,
  before: Records,
  wanted: readonly (readonly [Key, boolean])[],
): Omit<AttachResult, "upgraded"> {
  const records = new Map(before);
  const [added, kept] = [new Set<string>(), new Set<string>()];
  for (const [key, strict] of wanted) {
    const word = wordOf(key);
    const there = records.get(word);
    if (there?.value.strict === strict) {
      if (!added.has(word)) kept.add(word);
      continue;
    }
    const fresh = { seen: 0n, forced: 0n, softened: 0n, sinceMs: BigInt(Date.now()) };
    const value = key.kind === "name"
      ? { level: 0, path: "", ...fresh, ...there?.value, strict }
      : { level: key.level, path: key.path, ...fresh, ...there?.value, strict };
    const record = { key, value };
    writeRecord(set, record);
    records.set(word, record);
    added.add(word);
  }
  prune(set, records);
  const all = [...records.values()];
  // Who may not attach it has asked for targets that need none.
  if (wanted.some(([, strict]) => !strict) || missingCapabilities(["CAP_NET_ADMIN"]).length === 0) {
    soften(set, all, before.values());
  }
  const settings = {
    ...readSettings(set),
    digest: readObjectFile().digest,
    refused: findRefused(),
  };
  // From here on what was added is forced.
  writeSettings(set.settings, settings, all);
  const describeAll = (words: Set<string>) =>
    [...words].flatMap((word) => {
      const record = records.get(word);
      return record === undefined ? [] : [describe(record)];
    });
  return {
    added: describeAll(added),
    kept: describeAll(kept),
    guarded: settings.pernetId !== 0n,
  };
}

/** Puts the targets back; what fails meanwhile is left to the next call. */
function undo(set: PinnedSet, before: Records): void {
  try {
    const now = readRecords(set);
    for (const [word, { key }] of now) if (!before.has(word)) deleteRecord(set, key);
    for (const [word, record] of before) {
      if (now.get(word)?.value.strict !== record.value.strict) writeRecord(set, record);
    }
    soften(set, before.values(), now.values());
    writeSettings(set.settings, readSettings(set), before.values());
  } catch {
    // The error that led here is told.
  }
}

/** As {@linkcode detachTargets}, at a place. */
export function detachAt(place: Place, specs: readonly TargetSpec[]): DetachResult {
  try {
    using folder = PinFolder.lock(place.bpffs, false);
    if (folder === undefined) return { removed: [], absent: specs, unloaded: false };
    using set = mend(folder);
    if (set === undefined) return { removed: [], absent: specs, unloaded: false };
    const before = readRecords(set);
    const records = new Map(before);
    const removed: TargetRecord[] = [];
    const absent: TargetSpec[] = [];
    for (const spec of specs) {
      const found = [...records.values()].find(({ key }) => isMeant(spec, key));
      if (found === undefined) {
        absent.push(spec);
        continue;
      }
      records.delete(wordOf(found.key));
      removed.push(found);
    }
    const result = { removed: removed.map(describe), absent };
    for (const [word, { key }] of records) if (isGone(key)) records.delete(word);
    if (records.size === 0) {
      unload(folder);
      return { ...result, unloaded: true };
    }
    soften(set, records.values(), before.values());
    for (const [word, { key }] of before) if (!records.has(word)) deleteRecord(set, key);
    writeSettings(set.settings, readSettings(set), records.values());
    return { ...result, unloaded: false };
  } catch (error) {
    throw explain("detach", error);
  }
}

/** Whether a spec names a target: a cgroup by its path, even where it is gone. */
function isMeant(spec: TargetSpec, key: Key): boolean {
  if (spec.kind === "comm") return key.kind === "name" && key.name === spec.name;
  if (key.kind === "name") return false;
  if (spec.kind === "all") return key.id === ROOT_ID;
  let path = spec.path.replace(/(?<=.)\/+$/, "");
  try {
    path = Deno.realPathSync(path);
  } catch {
    // It is gone, and stands as it was.
  }
  return key.path === path;
}

function explain(verb: string, error: unknown): unknown {
  if (error instanceof SyscallError && error.errno === Errno.E2BIG) {
    return new NotSupportedError(`Cannot ${verb}: there are as many targets as the map holds`, {
      cause: error,
      hint: "attach to a cgroup above them in their place",
    });
  }
  return translate(`${verb} the BPF program`, error, WANTED);
}

/**
 * Makes the kernel force targets to MPTCP, from their next socket on; what was enrolled already stays.
 *
 * All of them, or none: where one cannot be enrolled the others are let go again. The first target loads
 * the program and pins it; a program of another version gives way without a gap. A target ends with
 * {@linkcode detachTargets}, or when the machine goes down. Waits for others who attach or detach.
 *
 * Needs: CAP_BPF and CAP_PERFMON, and CAP_NET_ADMIN unless all are strict; the right to write to
 * /sys/fs/bpf; libbpf; Linux ≥ 6.6 with CONFIG_MPTCP.
 *
 * @throws {UsageError} for a path that is not absolute, or a name that no process can have
 * @throws {NotFoundError} when there is no such cgroup, or no libbpf
 * @throws {NotPermittedError} with the capabilities that are missing
 * @throws {NotSupportedError} where the kernel cannot do it, with the ways that work there
 * @throws {VerifierError} where the kernel's verifier refuses the program
 * @throws {ConflictError} where somebody else could change what is pinned, or a newer version is loaded
 */
export function attachTargets(
  specs: readonly TargetSpec[],
  options: AttachOptions = {},
): AttachResult {
  return attachAt(PLACE, specs, options);
}

/**
 * Lets targets go: sockets that they have stay what they are. With the last one all of ours leaves the
 * kernel.
 *
 * Whether a target was strict does not matter here. Waits for others who attach or detach.
 *
 * @throws {NotPermittedError} without the capabilities
 * @throws {ConflictError} where somebody else could change what is pinned
 */
export function detachTargets(specs: readonly TargetSpec[]): DetachResult {
  return detachAt(PLACE, specs);
}
