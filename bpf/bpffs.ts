/**
 * The file system of the pins: whether it is there, and safe.
 *
 * @module
 */

import { ConflictError, NotPermittedError, NotSupportedError, SyscallError } from "../errors.ts";
import { Errno } from "../ffi/errno.ts";
import { mountFileSystem, unmount } from "../ffi/files.ts";

const MOUNT = "mount -t bpf -o mode=0700 bpf";

/** Where the bpffs is. */
export const BPFFS = "/sys/fs/bpf";

/** The type of the file system whose mount point a folder is; undefined if it is none. */
export function mountedType(mountinfo: string, path: string): string | undefined {
  const line = mountinfo.split("\n").findLast((line) => line.split(" ")[4] === path);
  return line === undefined ? undefined : / - (\S+)/.exec(line)?.[1];
}

/** Whether a bpffs is mounted at a path. */
export function isBpffs(path: string): boolean {
  return mountedType(Deno.readTextFileSync("/proc/self/mountinfo"), path) === "bpf";
}

/**
 * Refuses a place that is no bpffs, or not safe.
 *
 * @param mount whether to mount one where there is none
 * @returns whether one was mounted
 * @throws {NotSupportedError} where there is none
 * @throws {NotPermittedError} when it may not be mounted
 * @throws {ConflictError} where others may replace what is in it
 */
export function prepareBpffs(bpffs: string, mount: boolean): boolean {
  let mounted = false;
  if (!isBpffs(bpffs)) {
    if (!mount) {
      throw new NotSupportedError(`Cannot pin the BPF program: no bpffs is mounted at ${bpffs}`, {
        hint: `\`${MOUNT} ${bpffs}\``,
      });
    }
    try {
      mountFileSystem("bpf", bpffs, "mode=0700");
    } catch (cause) {
      if (!(cause instanceof SyscallError) || cause.errno !== Errno.EPERM) throw cause;
      throw new NotPermittedError(
        `Cannot mount a bpffs at ${bpffs}: it takes CAP_SYS_ADMIN (mount: EPERM)`,
        { cause, capability: "CAP_SYS_ADMIN", hint: `as root \`${MOUNT} ${bpffs}\`` },
      );
    }
    mounted = true;
  }
  const { uid, mode } = Deno.lstatSync(bpffs);
  const bits = (mode ?? 0) & 0o7777;
  // A sticky folder does not let others replace what is not theirs.
  const open = (bits & 0o022) !== 0 && (bits & 0o1000) === 0;
  if (open || (uid !== 0 && uid !== Deno.uid())) {
    throw new ConflictError(
      `Cannot pin the BPF program: ${bpffs} belongs to user ${uid}, mode ${bits.toString(8)}, ` +
        "and others could replace what is in it",
      { hint: `\`chown root ${bpffs}; chmod 700 ${bpffs}\`` },
    );
  }
  return mounted;
}

/** Unmounts what {@linkcode prepareBpffs} mounted, after a failure. */
export function undoBpffs(bpffs: string): void {
  unmount(bpffs);
}
