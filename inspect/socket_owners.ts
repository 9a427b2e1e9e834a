/**
 * Which processes hold which sockets.
 *
 * @module
 */

import { Errno } from "../ffi/errno.ts";
import { readLink } from "../ffi/libc.ts";

/** A process that holds a socket. */
export interface SocketOwner {
  /** Its number in this PID namespace. */
  readonly pid: number;
  /** The name of the process, as in /proc/PID/comm: at most 15 bytes. */
  readonly command: string;
  /** Its descriptors of the socket, ascending. */
  readonly fds: readonly number[];
}

/** Who holds what. */
export interface SocketOwners {
  /** By the inode number of the socket. */
  readonly byInode: ReadonlyMap<number, readonly SocketOwner[]>;
  /** How many processes did not let us look. */
  readonly unreadable: number;
}

const encoder = new TextEncoder();
/** What the link of a socket's descriptor begins with; its inode follows, and `]`. */
const SOCKET = encoder.encode("socket:[");
const ZERO = 0x30;

/** A process may end at any moment, and a descriptor be closed: neither is an error. */
function isGone(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || /os error 3\b/.test(String(error));
}

/** The inode in the link of a descriptor; undefined for what is no socket. */
function parseSocketLink(target: Uint8Array): number | undefined {
  for (let at = 0; at < SOCKET.length; at++) if (target[at] !== SOCKET[at]) return undefined;
  let inode = 0;
  for (let at = SOCKET.length; at < target.length - 1; at++) {
    inode = 10 * inode + target[at]! - ZERO;
  }
  return inode;
}

/** The sockets of a process: inode to descriptors; undefined for a process that may not be looked into. */
export function readSocketFds(pid: number): Map<number, number[]> | undefined {
  const inodes = new Map<number, number[]>();
  const folder = `/proc/${pid}/fd/`;
  // Room for the longest number and the NUL. The C library is asked straight, since a process may have
  // tens of thousands of descriptors, and the runtime takes several times as long for each.
  const path = new Uint8Array(folder.length + 12);
  encoder.encodeInto(folder, path);
  try {
    for (const { name } of Deno.readDirSync(folder)) {
      const { written } = encoder.encodeInto(name, path.subarray(folder.length));
      path[folder.length + written] = 0;
      const { target, errno } = readLink(path);
      if (errno === Errno.EACCES) return undefined;
      const inode = parseSocketLink(target);
      if (inode === undefined) continue;
      const fds = inodes.get(inode);
      if (fds === undefined) inodes.set(inode, [Number(name)]);
      else fds.push(Number(name));
    }
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) return undefined;
    if (!isGone(error)) throw error;
  }
  for (const fds of inodes.values()) if (fds.length > 1) fds.sort((left, right) => left - right);
  return inodes;
}

/** The name of a process; empty for one that has gone. */
export function readCommand(pid: number): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/comm`).replace(/\n$/, "");
  } catch {
    return "";
  }
}

/** All processes that /proc shows, ascending. */
export function listProcesses(): number[] {
  return [...Deno.readDirSync("/proc")]
    .map(({ name }) => Number(name))
    .filter((pid) => pid > 0)
    .sort((left, right) => left - right);
}

/**
 * Finds the owners of sockets, in one walk through /proc.
 *
 * Needs: for processes of other users CAP_SYS_PTRACE; they are counted as unreadable without it.
 *
 * @param pids the processes to look into; else all
 */
export function readSocketOwners(pids: readonly number[] = listProcesses()): SocketOwners {
  const byInode = new Map<number, SocketOwner[]>();
  let unreadable = 0;
  for (const pid of pids) {
    const inodes = readSocketFds(pid);
    if (inodes === undefined) unreadable++;
    if (inodes === undefined || inodes.size === 0) continue;
    const command = readCommand(pid);
    for (const [inode, fds] of inodes) {
      const owner = { pid, command, fds };
      const owners = byInode.get(inode);
      if (owners === undefined) byInode.set(inode, [owner]);
      else owners.push(owner);
    }
  }
  return { byInode, unreadable };
}
