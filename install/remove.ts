/**
 * Uninstalling as a plan, and carrying it out.
 *
 * @module
 */

import { NotFoundError } from "../errors.ts";
import {
  fileDigest,
  lockFolder,
  look,
  removeEmptyFolder,
  removeFile,
  translated,
} from "./files.ts";
import { end, isUnsettled, manifestPath, readManifest, settle, type Step } from "./journal.ts";

/** What uninstalling will do, as plain data. */
export interface UninstallPlan {
  /** The folder of the installation. */
  readonly folder: string;
  /** The version that is there. */
  readonly version: string;
  /** Files that are as they were installed. */
  readonly files: readonly string[];
  /** Files that were changed since, and stay. */
  readonly changed: readonly string[];
  /** Folders that go if nothing else lies in them. */
  readonly folders: readonly string[];
  /** Whether an interrupted change is undone first. */
  readonly settles: boolean;
}

/**
 * Plans to remove an installation; reads, and changes nothing. Undefined where only the leftovers of an
 * interrupted one are there.
 *
 * @throws {NotFoundError} when there is none
 * @throws {FormatError} when its manifest cannot be understood
 */
export async function planUninstall(folder: string): Promise<UninstallPlan | undefined> {
  const manifest = readManifest(folder);
  const settles = isUnsettled(folder);
  if (manifest === undefined) {
    if (settles) return undefined;
    throw new NotFoundError(`Cannot uninstall from ${folder}: there is no installation`, {
      tried: [manifestPath(folder)],
      hint: "name its place by `--prefix` or `--user`",
    });
  }
  const there = manifest.files.filter(({ path }) => look(path) !== undefined);
  const found = await Promise.all(
    there.map(async ({ path, sha256 }) => ({ path, same: await fileDigest(path) === sha256 })),
  );
  return {
    folder,
    version: manifest.version,
    files: found.filter(({ same }) => same).map(({ path }) => path),
    changed: found.filter(({ same }) => !same).map(({ path }) => path),
    folders: manifest.folders,
    settles,
  };
}

/**
 * Uninstalls what is there: undoes an interrupted change, then removes what the manifest lists.
 *
 * The manifest goes last: a process that is killed leaves what the next one can finish.
 *
 * @param step for tests: called with a name before each change
 * @returns the plan that was carried out; undefined if there were only leftovers
 * @throws {NotPermittedError} where a folder is not writable
 * @throws {ConflictError} while another process is at it
 * @throws {MptcpizeError} for whatever else fails
 */
export async function applyUninstall(
  folder: string,
  step: Step = () => {},
): Promise<UninstallPlan | undefined> {
  try {
    using _lock = lockFolder(folder);
    const unsettled = isUnsettled(folder);
    await settle(folder, step);
    if (unsettled && readManifest(folder) === undefined) return undefined;
    const plan = (await planUninstall(folder))!;
    for (const path of plan.files.toReversed()) {
      step(`remove ${path}`);
      removeFile(path);
    }
    for (const path of plan.folders.toReversed()) {
      if (path === folder || folder.startsWith(`${path}/`)) continue;
      step(`remove ${path}`);
      removeEmptyFolder(path);
    }
    end(folder, manifestPath(folder), plan.folders, step);
    return plan;
  } catch (error) {
    throw translated(`uninstall from ${folder}`, error, "run it again as who installed it");
  }
}
