/**
 * The TCP and MPTCP sockets of a process.
 *
 * @module
 */

import { NotFoundError, NotPermittedError, NotSupportedError } from "../errors.ts";
import { syscallError } from "../ffi/call.ts";
import { Errno, errnoName } from "../ffi/errno.ts";
import { Fd } from "../ffi/fd.ts";
import { openPidfd, takePidfdFd } from "../ffi/libc.ts";
import { readStreamSocket, type SocketFacts } from "./stream_socket.ts";

/** One TCP or MPTCP socket of a process. */
export interface StreamSocket extends SocketFacts {
  /** The lowest of {@linkcode StreamSocket.fds}. */
  readonly fd: number;
  /** All descriptors of the process that refer to this socket, ascending. */
  readonly fds: readonly number[];
  /** The socket's inode number, as in `socket:[<inode>]`; processes that share it see the same. */
  readonly inode: number;
}

/** The TCP and MPTCP sockets of one process. */
export interface ProcessSockets {
  /** The process that was asked for. */
  readonly pid: number;
  /** The name of the process, as in /proc/PID/comm: at most 15 bytes. */
  readonly command: string;
  /** By descriptor, ascending. */
  readonly sockets: readonly StreamSocket[];
  /** How many descriptors were sockets of any kind and vanished or were refused while looking. */
  readonly unseen: number;
}

function notFound(pid: number, state: string): NotFoundError {
  return new NotFoundError(`Cannot read the sockets of process ${pid}: ${state}`, {
    tried: [`/proc/${pid}`],
  });
}

function notPermitted(pid: number, because: string, cause?: unknown): NotPermittedError {
  return new NotPermittedError(
    `Cannot read the sockets of process ${pid}: this user may not trace it, the right to do so is needed (${because})`,
    {
      capability: "CAP_SYS_PTRACE",
      hint: Deno.uid() === 0
        ? "run it outside of this container or sandbox, which keeps root from tracing"
        : "run it as root, or as the user of that process where kernel.yama.ptrace_scope is 0",
      cause,
    },
  );
}

function notSupported(pid: number, call: string): NotSupportedError {
  return new NotSupportedError(
    `Cannot read the sockets of process ${pid}: the kernel does not know ${call}, Linux 5.6 or later is needed (${call}: ENOSYS)`,
  );
}

function openProcess(pid: number): Fd {
  if (!Number.isSafeInteger(pid) || pid < 1) throw notFound(pid, "not a process id");
  const pidfd = openPidfd(pid);
  if (pidfd instanceof Fd) return pidfd;
  switch (pidfd.errno) {
    case Errno.ESRCH:
      throw notFound(pid, "no such process (pidfd_open: ESRCH)");
    // A thread that is not the first of its process: EINVAL in pidfd_open(2), ENOENT on 6.18.
    case Errno.EINVAL:
    case Errno.ENOENT:
      throw notFound(
        pid,
        `a thread or no id at all, not a process (pidfd_open: ${errnoName(pidfd.errno)})`,
      );
    case Errno.ENOSYS:
      throw notSupported(pid, "pidfd_open");
    case Errno.EPERM:
    case Errno.EACCES:
      throw notPermitted(pid, `pidfd_open: ${errnoName(pidfd.errno)}`);
    default:
      throw syscallError(`read the sockets of process ${pid}`, "pidfd_open", pidfd.errno);
  }
}

/** What /proc tells of a process, as an error of ours: gone, or not to be read. */
function procError(pid: number, error: unknown): unknown {
  if (error instanceof Deno.errors.PermissionDenied) {
    return notPermitted(pid, `/proc/${pid}/fd: EACCES`, error);
  }
  // Between two looks the process may end: a file of it is not found, or a read of it ESRCH.
  const vanished = error instanceof Deno.errors.NotFound || /os error 3\b/.test(String(error));
  return vanished ? notFound(pid, `it ended, or /proc is not mounted (/proc/${pid})`) : error;
}

/**
 * Whether a process has ended or is about to: it has no sockets any more, and only root may still list
 * its descriptors.
 *
 * Layout: `/proc/PID/stat`: behind the last `)`: state, ppid, pgrp, session, tty_nr, tpgid, flags.
 *
 * Source: proc_pid_stat(5); PF_EXITING in include/linux/sched.h @ v6.12.
 */
function isEnding(pid: number): boolean {
  const PF_EXITING = 4;
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return /^[ZXx]$/.test(fields[0] ?? "") || (Number(fields[6]) & PF_EXITING) !== 0;
}

/** The inode of a socket by the link of its descriptor; undefined for what is no socket, or gone. */
function socketInode(link: string): number | undefined {
  try {
    const inode = /^socket:\[(\d+)\]$/.exec(Deno.readLinkSync(link))?.[1];
    return inode === undefined ? undefined : Number(inode);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** The sockets of a process of any kind: inode to descriptors, both ascending by descriptor. */
function listSocketFds(pid: number): Map<number, number[]> {
  const inodes = new Map<number, number[]>();
  let fds: number[];
  try {
    fds = [...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) => Number(name));
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied && isEnding(pid)) return inodes;
    throw error;
  }
  for (const fd of fds.sort((a, b) => a - b)) {
    const inode = socketInode(`/proc/${pid}/fd/${fd}`);
    if (inode === undefined) continue;
    const known = inodes.get(inode);
    if (known) known.push(fd);
    else inodes.set(inode, [fd]);
  }
  return inodes;
}

/**
 * Takes a copy of the first of several descriptors that still is the socket it was; `errno` tells
 * why there is none.
 */
export function takeSocket(
  pidfd: Fd,
  fds: readonly number[],
  inode: number,
): Fd | { readonly errno: number } {
  let errno: number = Errno.EBADF;
  for (const number of fds) {
    const copy = takePidfdFd(pidfd, number);
    if (!(copy instanceof Fd)) {
      errno = copy.errno;
      continue;
    }
    // The number may have been closed and given to another file since it was listed.
    if (socketInode(`/proc/self/fd/${copy.number}`) === inode) return copy;
    copy[Symbol.dispose]();
  }
  return { errno };
}

/** Throws unless a refusal is of the one descriptor: it, or the process, is gone or guarded. */
function checkRefusal(pid: number, errno: number, anyTaken: boolean): void {
  switch (errno) {
    case Errno.EBADF:
    case Errno.ESRCH:
    case Errno.EACCES:
      return;
    case Errno.EPERM:
      // From the first one on, it is the process that may not be traced.
      if (anyTaken) return;
      throw notPermitted(pid, "pidfd_getfd: EPERM");
    case Errno.ENOSYS:
      throw notSupported(pid, "pidfd_getfd");
    default:
      throw syscallError(`read the sockets of process ${pid}`, "pidfd_getfd", errno);
  }
}

/**
 * Reads what the kernel says about the TCP and MPTCP sockets of a process.
 *
 * Each socket is looked at through a copy of its descriptor, which is closed at once: the process does
 * not notice. A process that is a zombie or a kernel thread has none. Sockets that vanish while
 * looking, all of them when the process ends, are counted in {@linkcode ProcessSockets.unseen}.
 *
 * Needs: Linux ≥ 5.6; the right to trace the process: CAP_SYS_PTRACE, or the same user where
 * kernel.yama.ptrace_scope is 0 (above, only for descendants); a readable /proc.
 *
 * Source: pidfd_getfd(2), ptrace(2) "Ptrace access mode checking".
 *
 * @example
 * ```ts
 * import { readProcessSockets } from "./process_sockets.ts";
 * using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * const { sockets } = readProcessSockets(Deno.pid);
 * console.assert(sockets.some(({ local }) => local?.port === listener.addr.port));
 * ```
 *
 * @throws {NotFoundError} when there is no such process
 * @throws {NotPermittedError} when the process may not be traced
 * @throws {NotSupportedError} when the kernel is older than 5.6
 * @throws {SyscallError} when this process is out of descriptors or memory
 */
export function readProcessSockets(pid: number): ProcessSockets {
  using pidfd = openProcess(pid);
  let command: string;
  let inodes: Map<number, number[]>;
  try {
    command = Deno.readTextFileSync(`/proc/${pid}/comm`).replace(/\n$/, "");
    inodes = listSocketFds(pid);
  } catch (error) {
    throw procError(pid, error);
  }
  return { pid, command, ...askSockets(pid, pidfd, inodes) };
}

/** Asks sockets of a process through copies of their descriptors. */
function askSockets(
  pid: number,
  pidfd: Fd,
  inodes: ReadonlyMap<number, readonly number[]>,
): Pick<ProcessSockets, "sockets" | "unseen"> {
  const sockets: StreamSocket[] = [];
  let unseen = 0;
  let taken = false;
  for (const [inode, fds] of inodes) {
    const copy = takeSocket(pidfd, fds, inode);
    if (!(copy instanceof Fd)) {
      checkRefusal(pid, copy.errno, taken);
      unseen += fds.length;
      continue;
    }
    taken = true;
    using socket = copy;
    const facts = readStreamSocket(socket.number);
    const fd = fds[0];
    if (facts && fd !== undefined) sockets.push({ fd, fds, inode, ...facts });
  }
  return { sockets, unseen };
}

/**
 * Reads what the kernel says about some sockets of a process, as {@linkcode readProcessSockets} does about
 * all of them.
 *
 * @param inodes the sockets, with their descriptors, as they were listed
 * @throws {NotFoundError} when there is no such process
 * @throws {NotPermittedError} when the process may not be traced
 * @throws {NotSupportedError} when the kernel is older than 5.6
 * @throws {SyscallError} when this process is out of descriptors or memory
 */
export function readSocketsOf(
  pid: number,
  inodes: ReadonlyMap<number, readonly number[]>,
): Pick<ProcessSockets, "sockets" | "unseen"> {
  using pidfd = openProcess(pid);
  return askSockets(pid, pidfd, inodes);
}
