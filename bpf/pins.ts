/**
 * What keeps the programs in the kernel without a process: pins, in a folder of a bpffs.
 *
 * The folder `current` holds the pins that count. Any other in it is what an interrupted change left, or
 * makes at this moment; who holds the lock may remove it. The lock is on the folder around them, since
 * a bpffs holds no files; it is made with the first pin and removed with the last.
 *
 * @module
 */

import { ConflictError, NotPermittedError } from "../errors.ts";
import { openPin, pinObject, readMapInfo } from "../ffi/bpf.ts";
import { Errno, errnoName } from "../ffi/errno.ts";
import { Fd } from "../ffi/fd.ts";

import { exchangeNames, lockFile, openFolder } from "../ffi/files.ts";
import { NAME_SIZE, SETTINGS_SIZE, TARGET_SIZE } from "./layout.ts";

/** The folder of the pins in a bpffs. */
export function folderOf(bpffs: string): string {
  return `${bpffs}/mptcpize`;
}

const NAMES = ["link", "force", "soften", "targets", "names", "settings"] as const;
/** What is pinned; `link` keeps `force` attached. */
export type PinName = typeof NAMES[number];

/** The pins of one load of the object; closed by `using`, which leaves the pins. */
export class PinnedSet implements Disposable {
  readonly targets: Fd;
  readonly names: Fd;
  readonly settings: Fd;
  /** The setsockopt program; undefined where every target was strict. */
  readonly soften: Fd | undefined;
  readonly force: Fd | undefined;
  readonly #all: readonly Fd[];

  private constructor(pins: Partial<Record<PinName, Fd>>) {
    const { targets, names, settings } = pins;
    this.targets = targets!;
    this.names = names!;
    this.settings = settings!;
    this.soften = pins.soften;
    this.force = pins.force;
    this.#all = Object.values(pins);
  }

  /**
   * Opens the pins of a folder; undefined if there is none, or a part of it is missing.
   *
   * @throws {NotPermittedError} when this user may not
   */
  static open(folder: string): PinnedSet | undefined {
    const pins: Partial<Record<PinName, Fd>> = {};
    let absent = false;
    for (const name of NAMES) {
      const pin = openPin(`${folder}/${name}`);
      if (pin instanceof Fd) {
        pins[name] = pin;
      } else if (pin.errno === Errno.EPERM || pin.errno === Errno.EACCES) {
        for (const fd of Object.values(pins)) fd[Symbol.dispose]();
        throw new NotPermittedError(
          `Cannot look into ${folder}: this user may not (bpf: ${errnoName(pin.errno)})`,
          { capability: "CAP_BPF", hint: "run it as root" },
        );
      } else if (name === "targets" || name === "names" || name === "settings") absent = true;
    }
    const set = new PinnedSet(pins);
    try {
      if (absent) {
        set[Symbol.dispose]();
        return undefined;
      }
      set.#checkSizes(folder);
      return set;
    } catch (error) {
      set[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * The kernel reads and writes as many bytes as a map's values have, whatever room there is: fewer than
   * ours, which an older layout has, are no harm.
   */
  #checkSizes(folder: string): void {
    const ours = [
      [this.targets, 8, TARGET_SIZE],
      [this.names, NAME_SIZE, TARGET_SIZE],
      [this.settings, 4, SETTINGS_SIZE],
    ] as const;
    for (const [map, keyWanted, valueWanted] of ours) {
      const { name, keySize, valueSize } = readMapInfo(map);
      if (keySize === keyWanted && valueSize <= valueWanted) continue;
      throw new ConflictError(
        `Cannot read the maps in ${folder}: they are a newer version's (${name} has keys of ${keySize} ` +
          `and values of ${valueSize} bytes, ${keyWanted} and ${valueWanted} are known)`,
        { hint: "use that version, or detach all targets with it first" },
      );
    }
  }

  /** Closes the descriptors. */
  [Symbol.dispose](): void {
    for (const fd of this.#all) fd[Symbol.dispose]();
  }
}

/** The folders in the locked one. */
const CURRENT = "current";
const NEW = "new";

/** The lock, and what may be done by who holds it. */
export class PinFolder implements Disposable {
  readonly #path: string;
  readonly #fd: Fd;

  private constructor(path: string, fd: Fd) {
    this.#path = path;
    this.#fd = fd;
  }

  /**
   * Locks the folder, after others that hold it.
   *
   * @param make whether to make it where it is not there; else undefined is given
   * @throws {ConflictError} when it belongs to somebody else
   * @throws {NotPermittedError} when this user may not make or open it
   */
  static lock(bpffs: string, make: boolean): PinFolder | undefined {
    const path = folderOf(bpffs);
    const what = `lock ${path}`;
    for (;;) {
      if (make) makeFolder(path);
      if (!checkOwner(path)) {
        if (make) continue;
        return undefined;
      }
      const fd = openFolder(path);
      if (!(fd instanceof Fd)) {
        if (fd.errno !== Errno.ENOENT) throw noRight(what, fd.errno);
        if (make) continue;
        return undefined;
      }
      try {
        lockFile(what, fd);
        if (isSame(path, fd)) return new PinFolder(path, fd);
      } catch (error) {
        fd[Symbol.dispose]();
        throw error;
      }
      // Removed, and perhaps made anew, by whom we waited for.
      fd[Symbol.dispose]();
    }
  }

  /** The folder of the pins that count. */
  get current(): string {
    return `${this.#path}/${CURRENT}`;
  }

  /** The device number of the bpffs that it is in. */
  get device(): bigint {
    return BigInt(Deno.lstatSync(this.#path).dev);
  }

  /** What an interrupted change left: folders whose pins do not count. */
  stale(): string[] {
    return [...Deno.readDirSync(this.#path)]
      .map(({ name }) => name)
      .filter((name) => name !== CURRENT)
      .map((name) => `${this.#path}/${name}`);
  }

  /** Makes the folder in which new pins are made; {@linkcode PinFolder.stale} finds it until {@linkcode PinFolder.commit}. */
  begin(): string {
    const folder = `${this.#path}/${NEW}`;
    Deno.mkdirSync(folder, { mode: 0o700 });
    return folder;
  }

  /** Makes the new pins those that count, in one step; the former ones are then stale. */
  commit(exchange: boolean): void {
    const folder = `${this.#path}/${NEW}`;
    if (exchange) exchangeNames("replace the BPF program", folder, this.current);
    else Deno.renameSync(folder, this.current);
  }

  /** Makes that no pins count, in one step. */
  retire(): void {
    Deno.renameSync(this.current, `${this.#path}/old-${crypto.randomUUID()}`);
  }

  /** Unlocks it, and removes it if nothing is in it. */
  [Symbol.dispose](): void {
    try {
      Deno.removeSync(this.#path);
    } catch {
      // Something is pinned in it.
    }
    this.#fd[Symbol.dispose]();
  }
}

/** Pins all of a load into a folder. */
export function pinAll(folder: string, objects: Partial<Record<PinName, Fd | number>>): void {
  for (const name of NAMES) {
    const object = objects[name];
    if (object !== undefined) pinObject(object, `${folder}/${name}`);
  }
}

/** Removes a folder with its pins, first the link: from then on nothing is forced by it. */
export function removePins(folder: string): void {
  const left = [...Deno.readDirSync(folder)].map(({ name }) => name);
  const ordered = [...left].sort((a, b) => Number(b === "link") - Number(a === "link"));
  for (const name of ordered) Deno.removeSync(`${folder}/${name}`);
  Deno.removeSync(folder);
}

function noRight(what: string, errno: number): NotPermittedError {
  return new NotPermittedError(`Cannot ${what}: this user may not (open: ${errnoName(errno)})`, {
    hint: "run it as root",
  });
}

function makeFolder(path: string): void {
  try {
    Deno.mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return;
    if (
      error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable
    ) {
      throw new NotPermittedError(`Cannot make ${path}: this user may not (mkdir: EACCES)`, {
        cause: error,
        hint: "run it as root; besides the capabilities it takes the right to write there",
      });
    }
    throw error;
  }
}

/** Whether the folder is there; refuses one that another user could change. */
function checkOwner(path: string): boolean {
  let facts: Deno.FileInfo;
  try {
    facts = Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    if (error instanceof Deno.errors.PermissionDenied) {
      throw new NotPermittedError(`Cannot look into ${path}: this user may not (stat: EACCES)`, {
        cause: error,
        hint: "run it as root",
      });
    }
    throw error;
  }
  const safe = facts.isDirectory && ((facts.mode ?? 0) & 0o022) === 0 &&
    (facts.uid === 0 || facts.uid === Deno.uid());
  if (safe) return true;
  throw new ConflictError(
    `Cannot use ${path}: it belongs to user ${facts.uid}, or others may write there ` +
      `(mode ${((facts.mode ?? 0) & 0o7777).toString(8)})`,
    { hint: `remove it, if you know whose it is: \`rm -r ${path}\`` },
  );
}

function isSame(path: string, fd: Fd): boolean {
  try {
    const [named, opened] = [Deno.lstatSync(path), Deno.statSync(`/proc/self/fd/${fd.number}`)];
    return named.dev === opened.dev && named.ino === opened.ino;
  } catch {
    return false;
  }
}
