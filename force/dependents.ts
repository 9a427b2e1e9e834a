/**
 * What systemd would miss of an installation: units that are enabled, and targets that it attaches.
 *
 * @module
 */

import { NotSupportedError } from "../errors.ts";
import {
  type DropInFolders,
  dropInFolders,
  listDropIns,
  type ManagerScope,
} from "../systemd/mod.ts";
import { listAttachedBy } from "./persistent_targets.ts";

/** What would not be forced any more at its next start. */
export interface Dependents {
  /** As `status` has them. */
  readonly names: readonly string[];
  /** The commands that end it, without the program's name. */
  readonly undo: readonly string[];
}

/**
 * The enabled units whose drop-in names one of some files.
 *
 * @param paths absolute
 */
export function listUnitsUsing(paths: readonly string[], folders: DropInFolders): string[] {
  return listDropIns(folders).filter(({ path }) => {
    const words = Deno.readTextFileSync(path).split(/[\s":=]+|\+-/);
    return paths.some((wanted) => words.includes(wanted));
  }).map(({ unit }) => unit);
}

function unitsOf(scope: ManagerScope, paths: readonly string[]): string[] {
  try {
    return listUnitsUsing(paths, dropInFolders(scope));
  } catch (error) {
    if (error instanceof NotSupportedError) return []; // No user's session.
    throw error;
  }
}

/**
 * Lists what needs an installation: of this machine, and of the user who calls; other users' units are not
 * seen.
 *
 * @param command its program, as an absolute path
 * @param files all of its files
 */
export function listDependents(command: string, files: readonly string[]): Dependents {
  const needs = [
    ["disable", unitsOf("system", [command, ...files])],
    ["disable --user", unitsOf("user", [command, ...files])],
    ["detach", listAttachedBy(command)],
  ] as const;
  const there = needs.filter(([, names]) => names.length > 0);
  return {
    names: there.flatMap(([, names]) => names),
    undo: there.map(([verb, names]) => `${verb} ${names.join(" ")}`),
  };
}
