/**
 * Enrols targets, and lets them go.
 *
 * Whoever changes something holds the lock, first mends what an interrupted change left, and writes in
 * an order in which every interruption leaves a state that the next call can mend: the list of targets
 * before what follows from it, and whole sets of pins by one rename.
 *
 * @module
 */

import { NotSupportedError, SyscallError } from "../errors.ts";
import { Errno } from "../ffi/errno.ts";
import { prepareBpffs, undoBpffs } from "./bpffs.ts";
import { type Key, resolveSpec, ROOT_ID } from "./cgroups.ts";
import { ensureLoaded, mend, PLACE, type Place, soften, unload } from "./loading.ts";
import { findPernetId, missingCapabilities, readObjectFile, translate } from "./object.ts";
import { mayHaveOrphans } from "./orphans.ts";
import { PinFolder, type PinnedSet } from "./pins.ts";
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
import { findRefused } from "./softening.ts";
import type { AttachOptions, AttachResult, DetachResult, TargetSpec } from "./types.ts";

type Records = Map<string, TargetRecord>;

/** Forgets the targets whose cgroups are gone. */
function prune(set: PinnedSet, records: Records): void {
  for (const [word, { key }] of records) {
    if (!isGone(key)) continue;
    deleteRecord(set, key);
    records.delete(word);
  }
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
    const { set, upgraded } = ensureLoaded(folder, place, wantsSoften);
    using pinned = set;
    const before = readRecords(pinned);
    try {
      return { ...enrol(pinned, before, wanted), upgraded };
    } catch (error) {
      undo(pinned, before);
      if (before.size === 0) unload(folder);
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
  // Before this process may be in a target: it would count among what is forced there.
  const refused = findRefused();
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
  const former = readSettings(set);
  const settings = {
    ...former,
    digest: readObjectFile().digest,
    // Who attached first may not have been shown the address.
    pernetId: former.pernetId || findPernetId(),
    refused,
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
    // Pins that were removed by hand leave programs on their cgroups.
    using folder = PinFolder.lock(place.bpffs, mayHaveOrphans(place.bpffs));
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
