/**
 * The files of drop-ins: where they lie, and changing them so that each is there whole or not at all.
 *
 * @module
 */

import { NotSupportedError } from "../errors.ts";
import { DROP_IN_NAME, type DropIn, LATE_DROP_IN_NAME, parseDropIn } from "./drop_in.ts";
import type { ManagerScope } from "./manager.ts";

/** The folders that drop-ins of ours lie in, one below for each unit. */
export interface DropInFolders {
  /** For those that stay. */
  readonly persistent: string;
  /** For those that are gone with the next boot. */
  readonly runtime: string;
  /** Folders up to this one, and not it, may be made and unmade for ours. */
  readonly stop: readonly string[];
}

/** A drop-in of ours in its file. */
export interface DropInFile {
  /** Absolute. */
  readonly path: string;
  /** Whether it is gone with the next boot. */
  readonly runtime: boolean;
  /** The unit whose folder it lies in. */
  readonly unit: string;
  /** What is in it; undefined where it is not of ours, though its name is. */
  readonly dropIn: DropIn | undefined;
}

/**
 * The folders of a manager.
 *
 * Source: systemd.unit(5), "Unit File Load Path".
 *
 * @throws {NotSupportedError} when the environment does not tell where those of a user are
 */
export function dropInFolders(scope: ManagerScope): DropInFolders {
  if (scope === "system") {
    const [persistent, runtime] = ["/etc/systemd/system", "/run/systemd/system"];
    return { persistent, runtime, stop: [persistent, runtime] };
  }
  const home = Deno.env.get("HOME");
  const config = Deno.env.get("XDG_CONFIG_HOME") ?? (home === undefined ? "" : `${home}/.config`);
  const runtime = Deno.env.get("XDG_RUNTIME_DIR") ?? "";
  if (!config.startsWith("/") || !runtime.startsWith("/")) {
    throw new NotSupportedError(
      "Cannot find the folders of this user's units: HOME and XDG_RUNTIME_DIR must be set to absolute paths",
      { hint: "log in as that user, by ssh or `machinectl shell USER@`, not by su or sudo" },
    );
  }
  return {
    persistent: `${config}/systemd/user`,
    runtime: `${runtime}/systemd/user`,
    stop: [config, ...(home === undefined ? [] : [home]), runtime, `${runtime}/systemd`],
  };
}

/** The path of a drop-in of ours. */
export function dropInPath(
  folders: DropInFolders,
  unit: string,
  options: { readonly runtime?: boolean; readonly late?: boolean } = {},
): string {
  const folder = options.runtime ? folders.runtime : folders.persistent;
  return `${folder}/${unit}.d/${options.late ? LATE_DROP_IN_NAME : DROP_IN_NAME}`;
}

function readText(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return undefined;
    }
    throw error;
  }
}

/** The files under our names beside a unit, ours or not. */
export function findDropIns(folders: DropInFolders, unit: string): DropInFile[] {
  return [false, true].flatMap((runtime) =>
    [false, true].flatMap((late) => {
      const path = dropInPath(folders, unit, { runtime, late });
      const text = readText(path);
      return text === undefined ? [] : [{ path, runtime, unit, dropIn: parseDropIn(text) }];
    })
  );
}

/** All drop-ins of ours, by unit. */
export function listDropIns(folders: DropInFolders): DropInFile[] {
  const units = new Set<string>();
  for (const folder of [folders.persistent, folders.runtime]) {
    try {
      for (const { name } of Deno.readDirSync(folder)) {
        if (name.endsWith(".d")) units.add(name.slice(0, -".d".length));
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return [...units].sort().flatMap((unit) => findDropIns(folders, unit))
    .filter(({ dropIn }) => dropIn !== undefined);
}

/** Called with a name before each change; a test may stop there. */
export type Step = (name: string) => void;

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

/** The name that a drop-in has before it is complete: systemd reads what ends in `.conf` alone. */
function stagedName(path: string): string {
  return `${path}.mptcpize-new`;
}

function syncFolder(path: string): void {
  using folder = Deno.openSync(path);
  folder.syncSync();
}

function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Writes a drop-in in place of what is there: beside it first, down to the disk, then renamed. */
export function writeDropIn(path: string, text: string, step: Step): void {
  const folder = parentOf(path);
  const missing: string[] = [];
  for (let at = folder; !isThere(at); at = parentOf(at)) missing.unshift(at);
  for (const made of missing) {
    step(`make ${made}`);
    Deno.mkdirSync(made, { mode: 0o755 });
  }
  const staged = stagedName(path);
  // A process that was killed may have left it; the folder is its owner's alone.
  if (isThere(staged)) Deno.removeSync(staged);
  step(`write ${staged}`);
  try {
    using file = Deno.openSync(staged, { createNew: true, write: true, mode: 0o644 });
    const bytes = new TextEncoder().encode(text);
    for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
    // Whatever the umask is: root's systemd would read it all the same, others would wonder.
    Deno.chmodSync(staged, 0o644);
    file.syncSync();
    step(`name ${path}`);
    Deno.renameSync(staged, path);
  } catch (error) {
    if (isThere(staged)) Deno.removeSync(staged);
    throw error;
  }
  syncFolder(folder);
}

/**
 * Removes a drop-in, what a killed process left beside it, and the folders above that are empty then.
 */
export function removeDropIn(path: string, folders: DropInFolders, step: Step): void {
  for (const file of [stagedName(path), path]) {
    if (!isThere(file)) continue;
    step(`remove ${file}`);
    Deno.removeSync(file);
  }
  for (let at = parentOf(path); !folders.stop.includes(at); at = parentOf(at)) {
    try {
      if ([...Deno.readDirSync(at)].length > 0) break;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) continue;
      throw error;
    }
    step(`remove ${at}`);
    Deno.removeSync(at);
  }
}

/** Whether a process that was killed left something beside a drop-in. */
export function hasLeftovers(folders: DropInFolders, unit: string): boolean {
  return [folders.persistent, folders.runtime].some((folder) => {
    const own = `${folder}/${unit}.d`;
    if (!isThere(own)) return false;
    const names = [...Deno.readDirSync(own)].map(({ name }) => name);
    return names.length === 0 || names.some((name) => name.endsWith(".mptcpize-new"));
  });
}

/**
 * Keeps other calls of ours from changing drop-ins until it is disposed of; waits for them.
 */
export async function lockDropIns(folders: DropInFolders): Promise<Disposable> {
  let at = folders.persistent;
  while (!isThere(at)) at = parentOf(at);
  const folder = Deno.openSync(at);
  await folder.lock(true);
  return {
    [Symbol.dispose]: () => {
      // Closing alone would not do while a process that is being started has a copy.
      folder.unlockSync();
      folder.close();
    },
  };
}
