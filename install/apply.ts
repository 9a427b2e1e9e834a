/**
 * Installing as a plan, and carrying it out: whole or not at all.
 *
 * @module
 */

import { ConflictError } from "../errors.ts";
import {
  backupName,
  type Content,
  contentDigest,
  fileDigest,
  lockFolder,
  look,
  parentOf,
  placeNew,
  placeOver,
  stagedName,
  translated,
  writeNew,
} from "./files.ts";
import {
  begin,
  commit,
  isUnsettled,
  makeFolder,
  manifestPath,
  readManifest,
  rollBack,
  settle,
  type Step,
} from "./journal.ts";
import type { Manifest, ManifestFile } from "./manifest.ts";
import type { InstallPlaces } from "./places.ts";

/** A file that is to be installed. */
export interface InstallFile {
  /** Where it is put: absolute. */
  readonly path: string;
  /** Its permission bits. */
  readonly mode: number;
  /** What it consists of. */
  readonly content: Content;
}

/** A file that is to be written. */
export interface PlannedFile extends InstallFile {
  /** Whether it replaces one of the version before; else nothing may stand there. */
  readonly replaces: boolean;
}

/** What installing will do, as plain data. */
export interface InstallPlan {
  /** Where it is installed. */
  readonly places: InstallPlaces;
  /** The version that is there, if one is. */
  readonly before: string | undefined;
  /** Whether {@linkcode settleInstall} has to undo an interrupted change first. */
  readonly settles: boolean;
  /** The files that are written: those that are not there already as they are to be. */
  readonly files: readonly PlannedFile[];
  /** What will be there then. */
  readonly manifest: Manifest;
}

const DPKG_LISTS = "/var/lib/dpkg/info";

/** The Debian package that a file belongs to, if one says so. */
function packageOf(path: string): string | undefined {
  try {
    for (const { name } of Deno.readDirSync(DPKG_LISTS)) {
      if (!name.endsWith(".list")) continue;
      const list = Deno.readTextFileSync(`${DPKG_LISTS}/${name}`);
      if (list.split("\n").includes(path)) return name.slice(0, -".list".length);
    }
  } catch {
    // No Debian, or not for us to read: no name for the message then.
  }
  return undefined;
}

/** Refuses to replace what is not as this installation left it; gives the digest of what is there. */
async function checkTarget(
  path: string,
  before: Manifest | undefined,
): Promise<string | undefined> {
  const info = look(path);
  if (info === undefined) return undefined;
  const known = before?.files.find((file) => file.path === path);
  if (known === undefined) {
    const owner = packageOf(path);
    const whose = owner === undefined ? "it is not ours" : `it belongs to the package ${owner}`;
    throw new ConflictError(`Cannot install ${path}: it is there already, and ${whose}`, {
      hint: "install elsewhere by `--prefix`, or remove it first",
    });
  }
  const found = await fileDigest(path);
  if (found !== known.sha256) {
    throw new ConflictError(`Cannot replace ${path}: it was changed since it was installed`, {
      hint: "remove it, or put it elsewhere, and install again",
    });
  }
  return found;
}

/** The folders that are missing for some paths, each behind the one that it lies in. */
function missingFolders(paths: readonly string[]): string[] {
  const missing = new Set<string>();
  for (const path of paths) {
    for (let at = parentOf(path); at !== "/" && look(at) === undefined; at = parentOf(at)) {
      missing.add(at);
    }
  }
  return [...missing].sort();
}

/**
 * Undoes a change of an installation that was interrupted, or tidies up behind a complete one.
 *
 * @param step for tests: called with a name before each change
 * @throws {NotPermittedError} where a folder is not writable
 * @throws {ConflictError} while another process is at it
 * @throws {MptcpizeError} for whatever else keeps it from that
 */
export async function settleInstall(folder: string, step: Step = () => {}): Promise<void> {
  try {
    using _lock = lockFolder(folder);
    await settle(folder, step);
  } catch (error) {
    throw translated(`undo what was interrupted in ${folder}`, error, "run it again as its owner");
  }
}

/**
 * Plans an installation; reads, and changes nothing. Where it says `settles`, plan it again behind
 * {@linkcode settleInstall}.
 *
 * @throws {ConflictError} where something stands that is not as an installation of ours left it
 * @throws {FormatError} when the manifest that is there cannot be understood
 */
export async function planInstall(
  places: InstallPlaces,
  version: string,
  files: readonly InstallFile[],
): Promise<InstallPlan> {
  const before = readManifest(places.folder);
  const settles = isUnsettled(places.folder);
  const paths = new Set(files.map(({ path }) => path));
  const listed: ManifestFile[] = [];
  const written: PlannedFile[] = [];
  for (const file of files) {
    const { path, mode, content } = file;
    const sha256 = await contentDigest(content);
    listed.push({ path, sha256 });
    // Half-done work of ours may stand there; it goes first, and then this is planned again.
    const found = settles ? undefined : await checkTarget(path, before);
    if (found === sha256 && ((look(path)?.mode ?? 0) & 0o7777) === mode) continue;
    written.push({ ...file, replaces: found !== undefined });
  }
  const obsolete = (before?.files ?? []).map(({ path }) => path)
    .filter((path) => !paths.has(path) && look(path) !== undefined);
  if (!settles) { for (const path of obsolete) await checkTarget(path, before); }
  const made = missingFolders([manifestPath(places.folder), ...paths]);
  const kept = (before?.folders ?? []).filter((path) => look(path) !== undefined);
  const folders = [...kept, ...made];
  const manifest = { version, files: listed, folders, obsolete };
  return { places, before: before?.version, settles, files: written, manifest };
}

/**
 * Installs: all files are written beside their places first, and get their names when all are complete.
 * Programs that run keep the files they have. Fails without a trace, but for a process that is killed:
 * then the next one undoes it.
 *
 * @param step for tests: called with a name before each change
 * @throws {NotPermittedError} where a folder is not writable
 * @throws {ConflictError} when something has come into the way since it was planned, or another process is
 * at it
 * @throws {MptcpizeError} for whatever else fails, such as a full disk
 */
export async function applyInstall(
  { places, manifest, files }: InstallPlan,
  step: Step = () => {},
): Promise<void> {
  const { folder } = places;
  const hint = Deno.uid() === 0
    ? "nothing was changed"
    : "nothing was changed; `mptcpize install --user` needs no root";
  try {
    using _lock = lockFolder(folder);
    using _made = begin(folder, manifest, step);
    try {
      change(files, manifest, step);
    } catch (error) {
      await rollBack(folder, manifest, () => {});
      throw error;
    }
    commit(folder, manifest, step);
  } catch (error) {
    throw translated(`install to ${folder}`, error, hint);
  }
}

function change(files: readonly PlannedFile[], manifest: Manifest, step: Step): void {
  for (const path of manifest.folders) {
    if (look(path) !== undefined) continue;
    step(`make ${path}`);
    makeFolder(path);
  }
  for (const { path, content, mode } of files) {
    step(`write ${stagedName(path)}`);
    writeNew(stagedName(path), content, mode);
  }
  for (const { path, replaces } of files) {
    step(`name ${path}`);
    if (replaces) placeOver(stagedName(path), path);
    else placeNew(stagedName(path), path);
  }
  for (const path of manifest.obsolete) {
    step(`take away ${path}`);
    Deno.renameSync(path, backupName(path));
  }
}
