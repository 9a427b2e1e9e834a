/**
 * `mptcpize enable --install`: an installation that is made first, and undone if nothing comes of it.
 *
 * @module
 */

import {
  applyUninstall,
  checkPlaces,
  findPlaces,
  hasInstallation,
  type InstallPlaces,
  type InstallPlan,
} from "../mod.ts";
import type { Env } from "./env.ts";
import type { ParsedFlags } from "./flags.ts";
import { installAt, placeRequest } from "./install.ts";

/** An installation that is to be made before units are enabled. */
export interface FirstInstall {
  readonly places: InstallPlaces;
  /** Makes it, or only plans it. */
  readonly make: (dryRun: boolean) => Promise<InstallPlan>;
  /** Removes what was made. */
  readonly undo: () => Promise<unknown>;
}

/**
 * What `enable --install` makes; undefined where it is not asked for, or units find an installation already.
 *
 * @param installations those that units find
 *
 * @throws {MptcpizeError} when its place is none that units could load from
 */
export function planFirstInstall(
  env: Env,
  flags: ParsedFlags,
  installations: readonly string[],
): FirstInstall | undefined {
  if (!flags.has("install") || hasInstallation(installations, flags.has("user"))) return undefined;
  const places = findPlaces(placeRequest(env, flags));
  checkPlaces(places, Deno.uid() ?? 0);
  return {
    places,
    make: (dryRun) => installAt(places, dryRun),
    undo: () => applyUninstall(places.folder),
  };
}

/**
 * Does something behind an installation; undoes the installation where that fails.
 *
 * @throws {MptcpizeError} what it throws, or the installation does
 */
export async function behindInstall<T>(
  env: Env,
  first: FirstInstall | undefined,
  change: () => Promise<T>,
): Promise<{ readonly installed: InstallPlan | undefined; readonly result: T }> {
  const installed = await first?.make(false);
  try {
    return { installed, result: await change() };
  } catch (error) {
    try {
      await first?.undo();
    } catch (fault) {
      const said = fault instanceof Error ? fault.message : fault;
      env.err(`mptcpize: ${first?.places.folder} stays, where it was installed: ${said}\n`);
    }
    throw error;
  }
}
