/**
 * Which processes hold which sockets.
 *
 * @module
 */

/** A process that holds a socket. */
export interface SocketOwner {
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

const SOCKET = "socket:[";

/** A process may end at any moment, and a descriptor be closed: neither is an error. */
function isGone(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || /os error 3\b/.test(String(error));
}

/** The sockets of a process: inode to descriptors; undefined for a process that may not be looked into. */
export function readSocketFds(pid: number): Map<number, number[]> | undefined {
  const inodes = new Map<number, number[]>();
  const folder = `/proc/${pid}/fd/`;
  try {
    for (const { name } of Deno.readDirSync(folder)) {
      let link: string;
      try {
        link = Deno.readLinkSync(folder + name);
      } catch (error) {
        if (isGone(error)) continue;
        throw error;
      }
      if (!link.startsWith(SOCKET)) continue;
      const inode = Number(link.slice(SOCKET.length, -1));
      const fds = inodes.get(inode);
      if (fds === undefined) inodes.set(inode, [Number(name)]);
      else fds.push(Number(name));
    }
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) return undefined;
    if (!isGone(error)) throw error;
  }
  for (const fds of inodes.values()) fds.sort((left, right) => left - right);
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
