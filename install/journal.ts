/**
 * What makes an installation whole or nothing: the journal, and undoing by it.
 *
 * The journal is the manifest to be, under another name: it is there before the first file is, and
 * renaming it to the manifest is what makes the installation valid. A process that was killed in
 * between leaves the journal, and the next one undoes by it what it finds.
 *
 * @module
 */

import {
  backupName,
  fileDigest,
  lockFolder,
  look,
  parentOf,
  removeEmptyFolder,
  removeFile,
  stagedName,
} from "./files.ts";
import { encodeManifest, type Manifest, parseManifest } from "./manifest.ts";

/** Called with a name before each change; a test may stop there. */
export type Step = (name: string) => void;

/** The name of a manifest in its folder. */
export function manifestPath(folder: string): string {
  return `${folder}/manifest.json`;
}

function journalPath(folder: string): string {
  return `${folder}/journal.json`;
}

function newJournalPath(folder: string): string {
  return `${folder}/.journal.json.mptcpize-new`;
}

/** The name under which a folder is made or unmade, so that it is never there by half. */
function shadowOf(topmost: string): string {
  return `${parentOf(topmost) === "/" ? "" : parentOf(topmost)}/.mptcpize.new`;
}

/** The manifest of an installation; undefined where there is none. */
export function readManifest(folder: string): Manifest | undefined {
  return readList(manifestPath(folder));
}

function readList(path: string): Manifest | undefined {
  return look(path) === undefined ? undefined : parseManifest(Deno.readTextFileSync(path), path);
}

/** The paths that may have had another file before. */
function backedUp(manifest: Manifest): string[] {
  return [...manifest.files.map(({ path }) => path), ...manifest.obsolete];
}

/** Whether something was interrupted here, or left to be tidied up. */
export function isUnsettled(folder: string): boolean {
  const manifest = readManifest(folder);
  const leftover = manifest !== undefined &&
    backedUp(manifest).some((path) => look(backupName(path)) !== undefined);
  return leftover || look(journalPath(folder)) !== undefined ||
    look(newJournalPath(folder)) !== undefined ||
    look(shadowOf(topmostMissing(folder) ?? folder)) !== undefined;
}

/** The uppermost folder of a path that is not there; undefined if all are. */
export function topmostMissing(folder: string): string | undefined {
  let missing: string | undefined;
  for (let at = folder; at !== "/" && look(at) === undefined; at = parentOf(at)) missing = at;
  return missing;
}

/** Removes a folder that was made or unmade under its shadow name, if it is this user's. */
function removeShadow(folder: string): void {
  for (let at = folder; at !== "/"; at = parentOf(at)) {
    const shadow = shadowOf(at);
    const info = look(shadow);
    if (info?.isDirectory && info.uid === Deno.uid()) Deno.removeSync(shadow, { recursive: true });
  }
}

/**
 * Puts an interrupted change back, or tidies up behind a complete one.
 *
 * @throws {MptcpizeError} whatever keeps it from that
 */
export async function settle(folder: string, step: Step): Promise<void> {
  removeShadow(folder);
  removeFile(newJournalPath(folder));
  const journal = readList(journalPath(folder));
  if (journal !== undefined) {
    await rollBack(folder, journal, step);
    return;
  }
  const manifest = readManifest(folder);
  if (manifest !== undefined) tidyUp(manifest, step);
}

/**
 * Writes the journal, together with the folder for it where that is missing.
 *
 * @returns a lock of a folder that was made; one that was there is the caller's to lock
 */
export function begin(folder: string, journal: Manifest, step: Step): Disposable | undefined {
  const text = encodeManifest(journal);
  const top = topmostMissing(folder);
  if (top === undefined) {
    step("write the journal");
    writeText(newJournalPath(folder), text);
    step("name the journal");
    Deno.renameSync(newJournalPath(folder), journalPath(folder));
    return undefined;
  }
  const shadow = shadowOf(top);
  const inside = shadow + folder.slice(top.length);
  const names = inside.slice(shadow.length).split("/").slice(1);
  let made = shadow;
  step(`make ${shadow}`);
  makeFolder(made);
  for (const name of names) {
    made += `/${name}`;
    step(`make ${made}`);
    makeFolder(made);
  }
  step("write the journal");
  writeText(journalPath(inside), text);
  step(`name ${top}`);
  // Before it can be seen: another process would take the journal for one of the dead.
  const lock = lockFolder(inside);
  Deno.renameSync(shadow, top);
  return lock;
}

/** Makes a folder that everybody can read, whatever the umask is. */
export function makeFolder(path: string): void {
  Deno.mkdirSync(path);
  Deno.chmodSync(path, 0o755);
}

function writeText(path: string, text: string): void {
  using file = Deno.openSync(path, { create: true, truncate: true, write: true });
  const bytes = new TextEncoder().encode(text);
  for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
  Deno.chmodSync(path, 0o644);
  file.syncSync();
}

/** Makes the installation valid, and tidies up behind it. */
export function commit(folder: string, journal: Manifest, step: Step): void {
  step("name the manifest");
  Deno.renameSync(journalPath(folder), manifestPath(folder));
  tidyUp(journal, step);
}

/** Removes what was kept aside for going back. */
function tidyUp(manifest: Manifest, step: Step): void {
  for (const path of backedUp(manifest)) {
    if (look(backupName(path)) === undefined) continue;
    step(`remove ${backupName(path)}`);
    removeFile(backupName(path));
  }
  for (const parent of manifest.obsolete.map(parentOf)) {
    if (manifest.folders.includes(parent)) removeEmptyFolder(parent);
  }
}

/** Puts back what was there before the journal, in reverse. */
export async function rollBack(folder: string, journal: Manifest, step: Step): Promise<void> {
  const before = readManifest(folder);
  for (const path of journal.obsolete.toReversed()) restore(path, step);
  for (const { path, sha256 } of journal.files.toReversed()) {
    const staged = look(stagedName(path)) !== undefined;
    if (look(backupName(path)) !== undefined) restore(path, step);
    else if (!staged || await fileDigest(stagedName(path)) === sha256) {
      // A file of the version before was replaced only where a backup tells so.
      const old = before?.files.find((file) => file.path === path)?.sha256;
      if (old !== sha256 && await fileDigest(path) === sha256) {
        step(`remove ${path}`);
        removeFile(path);
      }
    }
    if (staged) {
      step(`remove ${stagedName(path)}`);
      removeFile(stagedName(path));
    }
  }
  const old = new Set(before?.folders);
  const home = journal.folders.filter((path) => !old.has(path));
  // Those that the journal itself lies in are the last, and vanish together with it.
  for (const path of home.toReversed()) {
    if (path === folder || folder.startsWith(`${path}/`)) continue;
    step(`remove ${path}`);
    removeEmptyFolder(path);
  }
  end(folder, journalPath(folder), home, step);
}

/** Puts a file back that was kept aside. */
function restore(path: string, step: Step): void {
  const backup = backupName(path);
  if (look(backup) === undefined) return;
  step(`restore ${path}`);
  Deno.renameSync(backup, path);
  // rename(2) leaves both names where they are the same file already.
  removeFile(backup);
}

/**
 * Removes the last list of a folder, and the folder with those above it that were made for it and hold
 * nothing else: at once, so that nothing empty is left by a process that is killed.
 */
export function end(folder: string, list: string, made: readonly string[], step: Step): void {
  const only = (path: string) => [...Deno.readDirSync(path)].length === 1;
  let top: string | undefined;
  for (let at = folder; made.includes(at) && only(at); at = parentOf(at)) top = at;
  step(`remove ${list}`);
  if (top === undefined) {
    removeFile(list);
    return;
  }
  const shadow = shadowOf(top);
  Deno.renameSync(top, shadow);
  step(`remove ${shadow}`);
  Deno.removeSync(shadow, { recursive: true });
}
