/**
 * What is loaded and pinned: brought into the kernel, exchanged for another version's, mended and removed.
 *
 * @module
 */

import { ConflictError } from "../errors.ts";
import { attachTracing, openPin } from "../ffi/bpf.ts";
import { Fd } from "../ffi/fd.ts";
import { BPFFS } from "./bpffs.ts";
import { listMounts, rootPath } from "./cgroups.ts";
import { LAYOUT_VERSION } from "./layout.ts";
import { loadObject, MAPS, PROGRAMS, readObjectFile } from "./object.ts";
import { pinAll, PinFolder, type PinName, PinnedSet, removePins } from "./pins.ts";
import {
  isGone,
  readCgroupRecords,
  readRecords,
  readSettings,
  type Record as TargetRecord,
  writeRecord,
  writeSettings,
} from "./records.ts";
import { detachOrphans } from "./orphans.ts";
import { applySoftening } from "./softening.ts";

/** Where it happens; tests use a bpffs of their own, and what their kernel can load. */
export interface Place {
  /** The mount point of the bpffs. */
  readonly bpffs: string;
  /** Whether the program that forces is loaded. */
  readonly force: boolean;
}

/** The place of all but tests. */
export const PLACE: Place = { bpffs: BPFFS, force: true };

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
export function soften(
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
 * Removes what an interrupted change left, and what is attached without pins that count; makes all be as
 * the list of targets says.
 *
 * @returns the pins that count
 */
export function mend(folder: PinFolder): PinnedSet | undefined {
  const set = PinnedSet.open(folder.current);
  if (set === undefined && exists(folder.current)) folder.retire(); // A part of it is missing.
  try {
    for (const stale of folder.stale()) {
      const former = openPin(`${stale}/soften`);
      if (former instanceof Fd) {
        using program = former;
        const listed = openPin(`${stale}/targets`);
        using targets = listed instanceof Fd ? listed : undefined;
        // Nothing was attached by whoever did not get as far as a list of targets.
        const stood = targets === undefined ? [] : readCgroupRecords(targets);
        const records = [...stood, ...(set === undefined ? [] : readRecords(set).values())];
        applySoftening({
          program: set?.soften,
          former: [program],
          wanted: set === undefined ? new Set() : softenedPaths(readRecords(set).values()),
          unwanted: allPaths(records),
        });
      }
      removePins(stale);
    }
    if (set === undefined) detachOrphans(folder.device);
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

/** Fills new maps: with nothing, or with what those of an older layout hold. */
function fill(folder: PinFolder, made: string, former: PinnedSet | undefined): void {
  using set = PinnedSet.open(made)!;
  const records = former === undefined ? [] : [...readRecords(former).values()];
  for (const record of records) writeRecord(set, record);
  const settings = {
    ...former === undefined ? { pernetId: 0n, refused: 0n, token: 0n } : readSettings(former),
    version: LAYOUT_VERSION,
    digest: readObjectFile().digest,
    device: folder.device,
  };
  writeSettings(set.settings, settings, records);
}

/**
 * Loads the object and pins it as what counts, in the place of what there is: over the same maps, unless
 * they are of an older layout.
 */
function load(folder: PinFolder, place: Place, wantsSoften: boolean, former?: PinnedSet): void {
  const isOlder = former !== undefined && readSettings(former).version < LAYOUT_VERSION;
  const reused = former !== undefined && !isOlder
    ? {
      targets: former.targets.number,
      names: former.names.number,
      settings: former.settings.number,
    }
    : undefined;
  using object = loadObject({ force: place.force, soften: wantsSoften }, reused);
  const pins: Partial<Record<PinName, Fd | number>> = {
    targets: object.mapFd(MAPS.targets),
    names: object.mapFd(MAPS.names),
    settings: object.mapFd(MAPS.settings),
    ...place.force ? { force: object.programFd(PROGRAMS.force) } : {},
    ...wantsSoften ? { soften: object.programFd(PROGRAMS.soften) } : {},
  };
  const made = folder.begin();
  try {
    pinAll(made, pins);
    if (place.force) {
      // Attached before the former one is detached: at no time is nothing attached.
      using link = attachTracing(object.programFd(PROGRAMS.force));
      pinAll(made, { link });
    }
    // It is asked before the former one, and has had no answer for anybody so far.
    if (reused === undefined) fill(folder, made, former);
    folder.commit(former !== undefined);
  } catch (error) {
    removePins(made);
    throw error;
  }
}

/** Opens what is loaded, after loading it where it is not there or not ours. */
export function ensureLoaded(
  folder: PinFolder,
  place: Place,
  wantsSoften: boolean,
): { readonly set: PinnedSet; readonly upgraded: boolean } {
  const { digest } = readObjectFile();
  using found = mend(folder);
  if (found === undefined) {
    load(folder, place, wantsSoften);
    return { set: PinnedSet.open(folder.current)!, upgraded: false };
  }
  const settings = readSettings(found);
  if (settings.version > LAYOUT_VERSION) {
    throw new ConflictError(
      `Cannot take over what a newer version of mptcpize has attached: its maps have layout ` +
        `${settings.version}, this one knows ${LAYOUT_VERSION}`,
      { hint: "use that version, or detach all targets with it first" },
    );
  }
  const isOurs = settings.digest === digest;
  if (!isOurs || (wantsSoften && found.soften === undefined)) {
    load(folder, place, wantsSoften || found.soften !== undefined, found);
    mend(folder)?.[Symbol.dispose]();
  }
  return { set: PinnedSet.open(folder.current)!, upgraded: !isOurs };
}

/** Unloads all: in one step the pins count no more, and then they are removed. */
export function unload(folder: PinFolder): void {
  folder.retire();
  mend(folder);
}
