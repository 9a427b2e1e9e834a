/**
 * What of ours is loaded, and whether it could be.
 *
 * @module
 */

import { MptcpizeError, NotFoundError, NotPermittedError, NotSupportedError } from "../errors.ts";
import type { Feature } from "../features/mod.ts";
import { readMapInfo, readProgramInfo } from "../ffi/bpf.ts";
import { PLACE, type Place } from "./loading.ts";
import { loadObject, readObjectFile } from "./object.ts";
import { folderOf, PinnedSet } from "./pins.ts";
import { describe, readRecords, readSettings } from "./records.ts";
import type { BpfState } from "./types.ts";

/** As {@linkcode readBpfState}, at a place. */
export function readStateAt(place: Place): BpfState | undefined {
  const folder = folderOf(place.bpffs);
  try {
    Deno.lstatSync(folder);
  } catch (error) {
    if (!(error instanceof Deno.errors.PermissionDenied)) return undefined;
    throw new NotPermittedError(`Cannot look into ${folder}: this user may not (stat: EACCES)`, {
      cause: error,
      hint: "run it as root",
    });
  }
  using set = PinnedSet.open(`${folder}/current`);
  if (set === undefined) return undefined;
  const settings = readSettings(set);
  return {
    targets: [...readRecords(set).values()].map(describe),
    programs: [set.force, set.soften].filter((fd) => fd !== undefined).map(readProgramInfo),
    maps: [set.targets, set.names, set.settings].map((fd) => {
      const { name, id } = readMapInfo(fd);
      return { name, id };
    }),
    current: settings.digest === readObjectFile().digest,
    guarded: settings.pernetId !== 0n,
  };
}

/**
 * Reads what is enrolled; undefined where nothing of ours is loaded. Changes nothing, and waits for
 * nobody.
 *
 * Needs: CAP_BPF, and the right to look into /sys/fs/bpf.
 *
 * @throws {NotPermittedError} when this user may not look
 */
export function readBpfState(): BpfState | undefined {
  return readStateAt(PLACE);
}

/**
 * Refuses what {@linkcode attachTargets} would refuse because of this kernel or this user, by loading the
 * programs; nothing is attached, and nothing stays.
 *
 * @param strict whether socket options are to be left alone, which takes fewer capabilities
 * @throws {NotFoundError} where libbpf is absent
 * @throws {NotPermittedError} without the capabilities
 * @throws {NotSupportedError} where the kernel cannot do it
 * @throws {VerifierError} where the verifier refuses it
 */
export function tryToLoad(strict: boolean): void {
  loadObject({ force: true, soften: !strict })[Symbol.dispose]();
}

/**
 * Whether the kernel loads the program that forces, by loading it; nothing is attached, and nothing
 * stays.
 */
export function probeBpf(): Feature {
  try {
    tryToLoad(true);
    return { state: "yes" };
  } catch (error) {
    if (
      error instanceof NotSupportedError || error instanceof NotPermittedError ||
      error instanceof NotFoundError
    ) {
      return { state: "no", reason: error.state, needs: error.hint ?? "" };
    }
    if (error instanceof MptcpizeError) return { state: "unknown", cause: error.message };
    throw error;
  }
}
