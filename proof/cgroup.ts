/**
 * Control groups (version 2): which there are below a path, and who is in them.
 *
 * @module
 */

import { NotFoundError } from "../errors.ts";

/** A cgroup with all below it. */
export interface Cgroup {
  /** The folder that was found. */
  readonly path: string;
  /** The ids of it and of all below, as sockets carry them. */
  readonly ids: readonly bigint[];
  /** The processes in it and below. */
  readonly pids: readonly number[];
}

/** Where version 2 is mounted: alone, or beside version 1. */
const MOUNTS = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/** Folders that a name may stand for: a path as it is, or one below where cgroups are mounted. */
function candidates(name: string): string[] {
  const below = MOUNTS.map((mount) => `${mount}/${name.replace(/^\/+/, "")}`);
  return (name.startsWith("/sys/") ? [name] : below).map((path) => path.replace(/\/+$/, ""));
}

/** Only version 2 has this file, but for the root, which has no other that tells. */
function isCgroup2(path: string): boolean {
  try {
    return Deno.statSync(`${path}/cgroup.controllers`).isFile;
  } catch {
    return false;
  }
}

function readPids(path: string): number[] {
  try {
    const text = Deno.readTextFileSync(`${path}/cgroup.procs`);
    // 0 is a process that this pid namespace does not see.
    return text.split("\n").map(Number).filter((pid) => pid > 0);
  } catch {
    return []; // Removed meanwhile, or threaded (EOPNOTSUPP): its processes are in the one above.
  }
}

function walk(path: string): string[] {
  let names: string[];
  try {
    names = [...Deno.readDirSync(path)].filter(({ isDirectory }) => isDirectory)
      .map(({ name }) => name);
  } catch {
    return []; // Removed meanwhile.
  }
  return [path, ...names.flatMap((name) => walk(`${path}/${name}`))];
}

/**
 * Reads a cgroup and all below it.
 *
 * Source: a cgroup's id is the inode number of its folder (kernfs, include/linux/kernfs.h @ v6.12), which
 * is what INET_DIAG_CGROUP_ID carries.
 *
 * @param name a path such as `/system.slice/nginx.service`, or the folder itself
 * @throws {NotFoundError} when there is no such cgroup of version 2
 */
export function readCgroup(name: string): Cgroup {
  const tried = candidates(name);
  const path = tried.find(isCgroup2);
  if (path === undefined) {
    throw new NotFoundError(
      `Cannot list the sockets of cgroup ${name}: there is no such cgroup of version 2`,
      { tried, hint: "`cat /proc/PID/cgroup` shows that of a process, behind `0::`" },
    );
  }
  const folders = walk(path);
  const ids = folders.flatMap((folder) => {
    try {
      const { ino } = Deno.statSync(folder);
      return ino === null ? [] : [BigInt(ino)];
    } catch {
      return []; // Removed meanwhile.
    }
  });
  return { path, ids, pids: [...new Set(folders.flatMap(readPids))] };
}
