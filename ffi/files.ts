/**
 * Folders that are locked, exchanged and mounted: what the runtime has no call for.
 *
 * @module
 */

import { call, tryCall } from "./call.ts";
import { Errno } from "./errno.ts";
import { Fd } from "./fd.ts";
import { cString } from "./libc.ts";

const IS_ARM = Deno.build.arch === "aarch64";
// Source: include/uapi/asm-generic/fcntl.h and arch/arm64/include/uapi/asm/fcntl.h @ v6.12.
const O_DIRECTORY = IS_ARM ? 0o40000 : 0o200000;
const O_NOFOLLOW = IS_ARM ? 0o100000 : 0o400000;
const O_CLOEXEC = 0o2000000;
const LOCK_EX = 2;
const AT_FDCWD = -100;
const RENAME_EXCHANGE = 2;

/** Opens a folder, and nothing that a symbolic link leads to; `errno` tells why not. */
export function openFolder(path: string): Fd | { readonly errno: number } {
  const { value, errno } = tryCall("open", cString(path), O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  return value === -1 ? { errno } : new Fd(value);
}

/**
 * Waits until nobody else has the file locked, and locks it until the descriptor is closed.
 *
 * This thread does nothing else meanwhile.
 *
 * @throws {SyscallError} with the errno of flock(2)
 */
export function lockFile(what: string, fd: Fd): void {
  for (;;) {
    const { value, errno } = tryCall("flock", fd.number, LOCK_EX);
    if (value === 0) return;
    if (errno !== Errno.EINTR) call(what, "flock", fd.number, LOCK_EX);
  }
}

/**
 * Gives two files or folders each other's names, in one step.
 *
 * @throws {SyscallError} with the errno of renameat2(2)
 */
export function exchangeNames(what: string, one: string, other: string): void {
  call(what, "renameat2", AT_FDCWD, cString(one), AT_FDCWD, cString(other), RENAME_EXCHANGE);
}

/**
 * Mounts a file system that needs no device.
 *
 * @param options as behind `-o` of mount(8)
 * @throws {SyscallError} with the errno of mount(2)
 */
export function mountFileSystem(type: string, target: string, options: string): void {
  const what = `mount a ${type} at ${target}`;
  call(what, "mount", cString(type), cString(target), cString(type), 0n, cString(options));
}

/**
 * Unmounts what is mounted at a folder.
 *
 * @throws {SyscallError} with the errno of umount2(2)
 */
export function unmount(target: string): void {
  call(`unmount ${target}`, "umount2", cString(target), 0);
}
