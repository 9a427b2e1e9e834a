/**
 * Control groups (version 2): where they are mounted, which there are below one, and who is in them.
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

/**
 * The mount points of cgroup version 2 in the text of /proc/PID/mountinfo, in its order.
 *
 * Source: proc_pid_mountinfo(5): the fifth field is the mount point, and the type follows a lone `-`.
 */
export function parseCgroupMounts(mountinfo: string): string[] {
  return mountinfo.split("\n").flatMap((line) => {
    if (!/ - cgroup2 /.test(line)) return [];
    const point = line.split(" ")[4] ?? "";
    return [
      point.replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8))),
    ];
  });
}

/** Where cgroups of version 2 are mounted: alone, or beside version 1; empty where they are not. */
export function listCgroupMounts(): string[] {
  try {
    return parseCgroupMounts(Deno.readTextFileSync("/proc/self/mountinfo"));
  } catch {
    return ["/sys/fs/cgroup"]; // /proc is not mounted.
  }
}

/** What a cgroup is called below its mount point, `/` for the uppermost; undefined for other folders. */
export function cgroupName(path: string, mounts = listCgroupMounts()): string | undefined {
  const mount = mounts.find((mount) => path === mount || path.startsWith(`${mount}/`));
  return mount === undefined ? undefined : path.slice(mount.length) || "/";
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/**
 * Finds the folder of a cgroup of version 2.
 *
 * @param name a path such as `/system.slice/nginx.service`, or the folder itself
 * @throws {NotFoundError} when there is no such cgroup
 */
export function findCgroup(name: string): string {
  const mounts = listCgroupMounts();
  const below = mounts.map((mount) => `${mount}/${name}`);
  const tried = (cgroupName(name, mounts) === undefined ? below : [name])
    .map((path) => path.replace(/\/+/g, "/").replace(/(?<=.)\/$/, ""));
  for (const path of tried.filter(isFolder)) {
    const real = Deno.realPathSync(path);
    if (cgroupName(real, mounts) !== undefined) return real;
  }
  throw new NotFoundError(
    mounts.length === 0
      ? `Cannot find cgroup ${name}: no cgroups of version 2 are mounted`
      : `Cannot find cgroup ${name}: there is no such cgroup of version 2`,
    {
      tried,
      hint: mounts.length === 0
        ? "`mount -t cgroup2 none /sys/fs/cgroup/unified`"
        : "`cat /proc/PID/cgroup` shows that of a process, behind `0::`",
    },
  );
}

/**
 * The name of the cgroup of a process, as this process sees it; undefined when the process is gone, or
 * in none of version 2.
 *
 * Source: cgroups(7): `0::NAME`, with ` (deleted)` behind it where the cgroup is gone.
 */
export function readProcessCgroup(pid: number | "self"): string | undefined {
  try {
    const text = Deno.readTextFileSync(`/proc/${pid}/cgroup`);
    return /^0::(\/.*)$/m.exec(text)?.[1]?.replace(/ \(deleted\)$/, "");
  } catch {
    return undefined;
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

/** A cgroup's folder and those of all below it; what is removed meanwhile is left out. */
export function listCgroups(path: string): string[] {
  let names: string[];
  try {
    names = [...Deno.readDirSync(path)].filter(({ isDirectory }) => isDirectory)
      .map(({ name }) => name);
  } catch {
    return [];
  }
  return [path, ...names.flatMap((name) => listCgroups(`${path}/${name}`))];
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
  const path = findCgroup(name);
  const folders = listCgroups(path);
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
