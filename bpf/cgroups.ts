/**
 * Which cgroup a target is: its id and its level, by which the BPF program knows it.
 *
 * @module
 */

import { NotFoundError, NotSupportedError, UsageError } from "../errors.ts";
import { LEVELS, UNKNOWN_LEVEL } from "./layout.ts";
import type { TargetSpec } from "./types.ts";

/** The id of the cgroup above all, on every kernel: the first inode number of its file system. */
export const ROOT_ID = 1n;
/** The first cgroup namespace (PROC_CGROUP_INIT_INO, include/linux/proc_ns.h @ v6.12). */
const INITIAL_NAMESPACE = "cgroup:[4026531835]";

/** A mount of cgroup version 2. */
interface CgroupMount {
  readonly point: string;
  /** The cgroup that is seen at the mount point, from the own namespace's root. */
  readonly root: string;
}

function unescape(text: string): string {
  return text.replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/**
 * The mounts of cgroup version 2 in the text of /proc/PID/mountinfo.
 *
 * Source: proc_pid_mountinfo(5): the fourth field is the root of the mount, the fifth its place.
 */
export function parseMounts(mountinfo: string): CgroupMount[] {
  return mountinfo.split("\n").filter((line) => / - cgroup2 /.test(line)).map((line) => {
    const [, , , root = "", point = ""] = line.split(" ");
    return { point: unescape(point), root: unescape(root) };
  });
}

/** The mounts of cgroup version 2 that this process sees. */
export function listMounts(): CgroupMount[] {
  return parseMounts(Deno.readTextFileSync("/proc/self/mountinfo"));
}

function countNames(path: string): number {
  return path.split("/").filter(Boolean).length;
}

/**
 * How deep a cgroup lies, 0 for the root; {@linkcode UNKNOWN_LEVEL} where only a part of the tree is
 * seen.
 *
 * @param namespace what /proc/self/ns/cgroup leads to
 */
export function levelOf(path: string, mount: CgroupMount, namespace: string): number {
  if (namespace !== INITIAL_NAMESPACE || mount.root.split("/").includes("..")) return UNKNOWN_LEVEL;
  return countNames(mount.root) + countNames(path.slice(mount.point.length));
}

/** The id of the cgroup of a folder; undefined if there is no such folder. */
export function readId(path: string): bigint | undefined {
  try {
    // kernfs gives folders their ids as inode numbers where these have 64 bits (include/linux/kernfs.h).
    const { ino, isDirectory } = Deno.lstatSync(path);
    return isDirectory && ino !== null ? BigInt(ino) : undefined;
  } catch {
    return undefined;
  }
}

/** The folders of all cgroups that this process sees. */
export function* listFolders(
  paths = listMounts().map(({ point }) => point),
): Generator<string> {
  for (const path of paths) {
    yield path;
    let below: string[];
    try {
      below = [...Deno.readDirSync(path)].filter(({ isDirectory }) => isDirectory)
        .map(({ name }) => `${path}/${name}`);
    } catch {
      continue; // Removed meanwhile.
    }
    yield* listFolders(below);
  }
}

/** A target, checked: how it stands in the maps. */
export type Key =
  | { readonly kind: "cgroup"; readonly id: bigint; readonly level: number; readonly path: string }
  | { readonly kind: "name"; readonly name: string };

/**
 * The folder of the cgroup above all that is seen, at which programs reach every process.
 *
 * @throws {NotSupportedError} where no cgroups of version 2 are mounted
 */
export function rootPath(): string {
  const mounts = listMounts();
  const mount = mounts.find(({ root }) => root === "/") ?? mounts[0];
  if (mount === undefined) {
    throw new NotSupportedError("Cannot attach: no cgroups of version 2 are mounted", {
      hint: "`mount -t cgroup2 none /sys/fs/cgroup/unified`",
    });
  }
  return mount.point;
}

/**
 * Finds what a spec names.
 *
 * @throws {UsageError} for a relative path, or a name that no process can have
 * @throws {NotFoundError} when there is no such cgroup of version 2
 * @throws {NotSupportedError} when it lies deeper than the program looks
 */
export function resolveSpec(spec: TargetSpec): Key {
  if (spec.kind === "comm") {
    const { length } = new TextEncoder().encode(spec.name);
    if (length === 0 || length > 15 || spec.name.includes("\0")) {
      throw new UsageError(
        `Cannot attach to processes named \`${spec.name}\`: it has ${length} bytes, 1 to 15 are wanted`,
        {
          hint:
            "`ps -o comm= -p PID` shows the name of a process, which the kernel cuts at 15 bytes",
        },
      );
    }
    return { kind: "name", name: spec.name };
  }
  if (spec.kind === "all") return { kind: "cgroup", id: ROOT_ID, level: 0, path: rootPath() };
  const { path } = spec;
  if (!path.startsWith("/")) {
    throw new UsageError(`Cannot attach to ${path}: it is no absolute path`);
  }
  let real: string;
  try {
    real = Deno.realPathSync(path);
  } catch {
    throw noCgroup(path);
  }
  // The one that is mounted last lies on top.
  const mount = listMounts().findLast(({ point }) =>
    real === point || real.startsWith(point === "/" ? point : `${point}/`)
  );
  const id = readId(real);
  if (mount === undefined || id === undefined) throw noCgroup(path);
  const level = levelOf(real, mount, Deno.readLinkSync("/proc/self/ns/cgroup"));
  if (level >= LEVELS && level !== UNKNOWN_LEVEL) {
    throw new NotSupportedError(
      `Cannot attach to ${path}: it lies ${level} levels deep, the program looks at ${LEVELS - 1}`,
      { hint: "attach to a cgroup above it" },
    );
  }
  if (new TextEncoder().encode(real).length > 1023) {
    throw new NotSupportedError(
      `Cannot attach to ${path}: its path is longer than the 1023 bytes that can be kept`,
      { hint: "attach to a cgroup above it" },
    );
  }
  return { kind: "cgroup", id, level, path: real };
}

function noCgroup(path: string): NotFoundError {
  return new NotFoundError(`Cannot attach to ${path}: there is no such cgroup of version 2`, {
    tried: [path],
    hint: "`cat /proc/PID/cgroup` shows that of a process, behind `0::`",
  });
}
