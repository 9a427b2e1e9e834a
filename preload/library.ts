/**
 * Where the preload library lies so that a program, whoever it becomes, can load it, and nobody else
 * can replace it.
 *
 * @module
 */

import { MptcpizeError, NotSupportedError } from "../errors.ts";

/** The machines that the library is built for, as their folder under `lib/` is named. */
export type LibraryMachine = "x86_64" | "aarch64";

/** Whether there is a library for a machine. */
export function isLibraryMachine(machine: string): machine is LibraryMachine {
  return machine === "x86_64" || machine === "aarch64";
}

/** Who will load the library: it decides which folders are safe. */
export interface LibraryUser {
  /** The effective user id of this process. */
  readonly uid: number;
  /** `$XDG_CACHE_HOME`, if it is set. */
  readonly cacheHome?: string | undefined;
  /** `$HOME`, if it is set. */
  readonly home?: string | undefined;
}

/** Where the library is to be loaded from. */
export interface LibraryPlace {
  /** The absolute path for LD_PRELOAD. */
  readonly path: string;
  /** The file to copy to {@linkcode LibraryPlace.path} first; undefined if it is there already. */
  readonly copyFrom?: string | undefined;
}

/** What decides about one component of a path. */
export interface ComponentFacts {
  readonly path: string;
  readonly uid: number;
  /** The permission bits of `st_mode`, with the sticky bit. */
  readonly mode: number;
  readonly isDirectory: boolean;
}

const STICKY = 0o1000;
const GROUP_OR_OTHER_WRITE = 0o022;

/**
 * Why a library at this path must not be used, or undefined if it may.
 *
 * Root's command may become any user, so every user must reach the file; and whoever may change the
 * file or a folder above it could put code into that command, so all must belong to root (or to the
 * user whose command it is), and no other may write there. A sticky folder, such as /tmp, does not let
 * others replace what is not theirs.
 *
 * @param components from `/` down to the file, symbolic links resolved
 */
export function unsafeBecause(
  components: readonly ComponentFacts[],
  uid: number,
): string | undefined {
  const file = components.at(-1);
  if (file === undefined) return "the path is empty";
  // LD_PRELOAD has no escape for its separators, and `$` starts a token (ld.so(8)).
  if (/[\s:$]/.test(file.path)) return `${file.path} has a space, a colon or a $ in its name`;
  for (const component of components) {
    const { path, mode } = component;
    if (component.uid !== 0 && component.uid !== uid) {
      return `${path} belongs to user ${component.uid}`;
    }
    const sticky = component.isDirectory && (mode & STICKY) !== 0;
    if ((mode & GROUP_OR_OTHER_WRITE) !== 0 && !sticky) {
      return `${path} is writable for others (mode ${mode.toString(8)})`;
    }
    const wanted = component.isDirectory ? 0o001 : 0o004;
    if (uid === 0 && (mode & wanted) === 0) {
      return `${path} is closed to other users (mode ${mode.toString(8)})`;
    }
  }
  return undefined;
}

/** The facts of each component of an absolute path without symbolic links. */
function readComponents(path: string): ComponentFacts[] {
  const names = path.split("/").slice(1);
  return ["/", ...names.map((_, index) => `/${names.slice(0, index + 1).join("/")}`)].map(
    (path) => {
      const { uid, mode, isDirectory } = Deno.lstatSync(path);
      return { path, uid: uid ?? -1, mode: (mode ?? 0) & 0o7777, isDirectory };
    },
  );
}

/** Folders for a copy, the best first. */
function cacheFolders(user: LibraryUser): string[] {
  if (user.uid === 0) return ["/var/cache"];
  const folders = [];
  if (user.cacheHome?.startsWith("/")) folders.push(user.cacheHome);
  if (user.home?.startsWith("/")) folders.push(`${user.home}/.cache`);
  return folders;
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}

/** The library, and the same one with a ledger for `run --report`. */
export type LibraryName = "libmptcpize.so" | "libmptcpize-report.so";

/** The library's file as it came with this code. */
function shippedLibrary(
  machine: LibraryMachine,
  name: LibraryName,
): { path: string; bytes: Uint8Array<ArrayBuffer> } {
  const url = new URL(`./lib/${machine}/${name}`, import.meta.url);
  if (url.protocol !== "file:") {
    throw new NotSupportedError(`Cannot load the preload library: ${url} is no file`, {
      hint: "use a checkout or an installed copy of mptcpize",
    });
  }
  const path = decodeURIComponent(url.pathname);
  try {
    return { path: Deno.realPathSync(path), bytes: Deno.readFileSync(path) };
  } catch (cause) {
    throw new NotSupportedError(`Cannot load the preload library: ${path} cannot be read`, {
      cause,
      hint: "`deno task build` makes it",
    });
  }
}

/** Why a copy cannot be used from this folder, or the place of the copy. */
function placeInCache(
  folder: string,
  name: string,
  shipped: { path: string; bytes: Uint8Array },
  user: LibraryUser,
): LibraryPlace | string {
  const path = `${folder}/mptcpize/${name}`;
  try {
    const components = readComponents(Deno.realPathSync(path));
    const unsafe = unsafeBecause(components, user.uid);
    if (unsafe !== undefined) return unsafe;
    // What stands there under the name of these very bytes but is not them was cut short.
    if (sameBytes(Deno.readFileSync(path), shipped.bytes)) return { path };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) return String(error);
  }
  return unsafeToMake(path, user.uid) ?? { path, copyFrom: shipped.path };
}

/**
 * Why a library must not be put at a path, or undefined if it may: judged by what is there of the path,
 * since the rest would be made by us with safe modes.
 *
 * @param path absolute; its folders need not be there
 */
export function unsafeToMake(path: string, uid: number): string | undefined {
  let parent = path.slice(0, path.lastIndexOf("/"));
  for (;;) {
    try {
      const unsafe = unsafeBecause(readComponents(Deno.realPathSync(parent || "/")), uid);
      if (unsafe !== undefined) return unsafe;
      // The name as it will be, for the characters in it.
      return unsafeBecause([{ path, uid, mode: 0o755, isDirectory: false }], uid);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound) || parent === "") return String(error);
      parent = parent.slice(0, parent.lastIndexOf("/"));
    }
  }
}

/**
 * Finds the place from which the preload library can be loaded; changes nothing.
 *
 * The file that came with this code, where it is safe and readable; else a copy in root's or the user's
 * cache folder, under a name made of its content, so that running programs keep what they have.
 *
 * @throws {NotSupportedError} where no place is safe, with each that was tried and why not
 */
export async function findLibrary(
  machine: LibraryMachine,
  user: LibraryUser,
  name: LibraryName = "libmptcpize.so",
): Promise<LibraryPlace> {
  const shipped = shippedLibrary(machine, name);
  const unsafe = unsafeBecause(readComponents(shipped.path), user.uid);
  if (unsafe === undefined) return { path: shipped.path };
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", shipped.bytes));
  const version = digest.subarray(0, 8).toHex();
  const tried = [`${shipped.path}: ${unsafe}`];
  for (const folder of cacheFolders(user)) {
    const place = placeInCache(folder, `${version}/${name}`, shipped, user);
    if (typeof place !== "string") return place;
    tried.push(`${folder}: ${place}`);
  }
  throw new NotSupportedError(`Cannot place the preload library: ${tried.join("; ")}`, {
    hint: "move mptcpize to a folder that only root or you can write, without a space in its path",
  });
}

/** Where an installation has the library for a machine. */
export function libraryIn(folder: string, machine: string): string {
  return `${folder}/lib/${machine}/libmptcpize.so`;
}

/**
 * Finds the library of an installation: what a unit may load from at each start, and after a reboot.
 *
 * A checkout, or a copy in a cache, is none: it may be gone by then, and systemd's programs would run
 * without it.
 *
 * @param folders those of installations, the best first: `PREFIX/lib/mptcpize`
 * @param uid the user whose programs load it
 *
 * @throws {NotSupportedError} where none is installed, with each that was tried and why not
 */
export function findInstalledLibrary(
  machine: LibraryMachine,
  folders: readonly string[],
  uid: number,
): string {
  const tried: string[] = [];
  for (const folder of folders) {
    const path = libraryIn(folder, machine);
    try {
      const unsafe = unsafeBecause(readComponents(Deno.realPathSync(path)), uid);
      if (unsafe === undefined) return path;
      tried.push(`${path}: ${unsafe}`);
    } catch (error) {
      const state = error instanceof Deno.errors.NotFound ? "it is not there" : String(error);
      tried.push(`${path}: ${state}`);
    }
  }
  throw new NotSupportedError(
    `Cannot load the preload library from an installation: ${tried.join("; ")}`,
    { hint: uid === 0 ? "`mptcpize install` as root" : "`mptcpize install --user`" },
  );
}

/**
 * Copies the library to its place: a new file beside it, then renamed, so that nobody sees half of it.
 *
 * @throws {MptcpizeError} when the copy cannot be written; nothing of it is left
 */
export function copyLibrary(place: LibraryPlace): void {
  if (place.copyFrom === undefined) return;
  const folder = place.path.slice(0, place.path.lastIndexOf("/"));
  let temporary: string | undefined;
  try {
    Deno.mkdirSync(folder, { recursive: true });
    // Made by mkdir with the user's umask, which may be too narrow for whom the command becomes.
    for (const made of [folder, folder.slice(0, folder.lastIndexOf("/"))]) {
      Deno.chmodSync(made, 0o755);
    }
    temporary = Deno.makeTempFileSync({ dir: folder, prefix: ".new-" });
    Deno.writeFileSync(temporary, Deno.readFileSync(place.copyFrom));
    Deno.chmodSync(temporary, 0o644);
    Deno.renameSync(temporary, place.path);
  } catch (cause) {
    try {
      if (temporary !== undefined) Deno.removeSync(temporary);
    } catch {
      // Renamed already, or on a file system that went away: nothing of ours is left to remove.
    }
    throw new MptcpizeError(
      `Cannot copy the preload library to ${place.path}: ${
        cause instanceof Error ? cause.message : cause
      }`,
      { cause, hint: `make ${folder} writable, or move mptcpize to a folder that all can read` },
    );
  }
}
