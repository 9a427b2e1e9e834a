/**
 * The TCP and MPTCP sockets of a process, a cgroup or a network namespace, with their owners, and why
 * those are TCP that are.
 *
 * Two sources: sock_diag lists what is connected or listening, whoever holds it and without any right; a
 * copy of a descriptor (pidfd_getfd) tells of all sockets of a process that may be traced.
 *
 * @module
 */

import { NotFoundError, NotPermittedError, SyscallError } from "../errors.ts";
import {
  type Cgroup,
  type DiagSockets,
  listProcesses,
  readCgroup,
  readDiagSockets,
  readProcessSockets,
  readSocketOwners,
  readSocketsOf,
  type SocketFacts,
  type SocketOwner,
  type SocketOwners,
} from "../inspect/mod.ts";
import { Attached } from "./attached.ts";
import {
  namespacePath,
  namespacesOf,
  type NetworkNamespace,
  ownNamespace,
  readNamespaceId,
} from "./namespaces.ts";
import { type ProcessFacts, readProcessFacts } from "./process_facts.ts";
import { joinSockets, type SeenSocket } from "./seen_socket.ts";
import { reasonsOf, Surroundings } from "./surroundings.ts";

/** Which sockets to list. */
export type SocketScope =
  /** Those that a process holds. */
  | { readonly pid: number }
  /** Those made in a cgroup or below it, and those that its processes hold. */
  | { readonly cgroup: string }
  /** Those of this network namespace. */
  | { readonly all: true };

/** The sockets in scope. */
export interface SocketList {
  /** In no order that means something. */
  readonly sockets: readonly SeenSocket[];
  /** What could not be seen, and what it would take; sentences without a final period. */
  readonly notes: readonly string[];
  /** How many descriptors were sockets of any kind and vanished or were refused while looking. */
  readonly unseen: number;
}

/** The processes of a namespace, and those of which it cannot be seen. */
function processesIn({ id }: NetworkNamespace): number[] {
  return listProcesses().filter((pid) => ["", id].includes(readNamespaceId(pid)));
}

/** What is in scope, before anything is asked. */
export interface Selection {
  readonly namespaces: readonly NetworkNamespace[];
  /** The processes whose descriptors are asked. */
  readonly pids: readonly number[];
  /** Those whose sockets alone the kernel is to list. */
  readonly cgroup: Cgroup | undefined;
  /** Whether all that sock_diag lists is in scope, or only what the processes hold. */
  readonly everyListed: boolean;
  /** The processes among which owners are sought, where it is not as {@linkcode Selection.everyListed} has it. */
  readonly candidates?: readonly number[];
  /** Which of those in scope are wanted; all by default. */
  readonly wants?: (
    socket: { readonly cgroupId?: number },
    owners: readonly SocketOwner[],
  ) => boolean;
  /** Whether descriptors are asked that sock_diag tells of, too. */
  readonly askAll: boolean;
  /** What BPF forces; by default what it does now. */
  readonly attached?: Attached;
}

function select(scope: SocketScope): Selection {
  if ("pid" in scope) {
    const namespaces = namespacesOf([scope.pid]);
    return { namespaces, pids: [scope.pid], cgroup: undefined, everyListed: false, askAll: true };
  }
  if ("cgroup" in scope) {
    const cgroup = readCgroup(scope.cgroup);
    const own = ownNamespace();
    const others = namespacesOf(cgroup.pids).filter(({ id }) => id !== own.id);
    const namespaces = [own, ...others];
    return { namespaces, pids: cgroup.pids, cgroup, everyListed: true, askAll: false };
  }
  return {
    namespaces: [ownNamespace()],
    pids: processesIn(ownNamespace()),
    cgroup: undefined,
    everyListed: true,
    askAll: false,
  };
}

/** Interrupted lists are asked for anew, so often. */
const ATTEMPTS = 3;

function readDiag(
  namespace: NetworkNamespace,
  cgroup: Cgroup | undefined,
  notes: Set<string>,
): DiagSockets | undefined {
  try {
    let diag: DiagSockets | undefined;
    for (let attempt = 0; attempt < ATTEMPTS && (diag?.interrupted ?? true); attempt++) {
      diag = readDiagSockets({ namespace: namespacePath(namespace), cgroupIds: cgroup?.ids });
    }
    if (diag?.interrupted) {
      notes.add("Sockets came and went while the kernel listed them: some may be missing");
    }
    if (diag?.mptcp === undefined) {
      notes.add(
        "This kernel does not list MPTCP sockets (CONFIG_INET_MPTCP_DIAG): only their owners were asked",
      );
    }
    return diag;
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    notes.add(
      `${error.message}: only descriptors were asked. Run it as root to have the kernel's list too`,
    );
    return undefined;
  }
}

/** What descriptors of processes say about sockets, by inode. */
interface Asked {
  readonly facts: Map<number, SocketFacts>;
  readonly refused: number;
  readonly unseen: number;
}

/** Asks each wanted socket through the first of its owners that is in scope. */
function askDescriptors(
  byInode: SocketOwners["byInode"],
  pids: ReadonlySet<number>,
  wanted: (inode: number) => boolean,
): Asked {
  const byPid = new Map<number, Map<number, readonly number[]>>();
  for (const [inode, owners] of byInode) {
    const owner = owners.find(({ pid }) => pids.has(pid));
    if (owner === undefined || !wanted(inode)) continue;
    let inodes = byPid.get(owner.pid);
    if (inodes === undefined) byPid.set(owner.pid, inodes = new Map());
    inodes.set(inode, owner.fds);
  }
  const facts = new Map<number, SocketFacts>();
  let refused = 0;
  let unseen = 0;
  for (const [pid, inodes] of byPid) {
    try {
      const seen = readSocketsOf(pid, inodes);
      for (const { fd: _fd, fds: _fds, inode, ...told } of seen.sockets) facts.set(inode, told);
      unseen += seen.unseen;
    } catch (error) {
      if (error instanceof NotFoundError) continue;
      if (!(error instanceof NotPermittedError)) throw error;
      refused++;
    }
  }
  return { facts, refused, unseen };
}

function processNote(unreadable: number): string {
  const [processes, hold] = unreadable === 1
    ? ["1 process", "it holds"]
    : [`${unreadable} processes`, "they hold"];
  const remedy = Deno.uid() === 0
    ? "Root of this container or sandbox may not see all"
    : "Run it as root to see all";
  return `${processes} could not be looked into: which sockets ${hold}, and what is not connected, ` +
    `is not shown. ${remedy}`;
}

/**
 * Lists TCP and MPTCP sockets with their owners, and why those are TCP that are.
 *
 * Sockets and processes that vanish while looking are not an error. A socket of another network namespace
 * is listed where its process is asked for; with `all`, only those of this namespace.
 *
 * Needs: nothing; owners, reasons and unconnected sockets of other users' processes with CAP_SYS_PTRACE;
 * other network namespaces with CAP_SYS_ADMIN; up to Linux 6.12, why a connection fell back with
 * CAP_NET_ADMIN. What was missing is told in {@linkcode SocketList.notes}.
 *
 * @example
 * ```ts
 * import { listSockets } from "./list_sockets.ts";
 * using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * const { sockets } = listSockets({ pid: Deno.pid });
 * const own = sockets.find(({ local }) => local?.port === listener.addr.port);
 * console.assert(own?.verdict === "tcp" && own.reasons[0]?.code === "not-forced");
 * ```
 *
 * @throws {NotFoundError} when there is no such process or cgroup
 * @throws {NotPermittedError} when neither source may tell of the process
 * @throws {SyscallError} when the kernel refuses for another reason
 */
export function listSockets(scope: SocketScope): SocketList {
  const selection = select(scope);
  const { list, unreadable, asked, unowned } = listSelected(selection);
  if ("pid" in scope) checkProcess(scope.pid, asked, unreadable);
  const hidden = unreadable + asked.refused;
  // Root is told only where something is amiss for it.
  const told = hidden > 0 && (Deno.uid() !== 0 || selection.everyListed && unowned);
  return told ? { ...list, notes: [...list.notes, processNote(hidden)] } : list;
}

/** The sockets of a selection. */
interface Selected {
  readonly list: SocketList;
  /** How many processes did not let us list their descriptors. */
  readonly unreadable: number;
  readonly asked: Asked;
  /** Whether the owner of a socket is not known that must have one. */
  readonly unowned: boolean;
}

/**
 * Lists the sockets of a selection, in one pass.
 *
 * @throws {SyscallError} as {@linkcode listSockets}
 */
export function listSelected(selection: Selection): Selected {
  const { namespaces, pids, cgroup, everyListed, askAll, candidates, wants } = selection;
  const { attached = new Attached() } = selection;
  const notes = new Set<string>();
  const diags = namespaces.map((namespace) => readDiag(namespace, cgroup, notes));
  const owners = readSocketOwners(candidates ?? (everyListed ? undefined : pids));
  const listed = new Map(
    diags.flatMap((diag) =>
      [...diag?.tcp ?? [], ...diag?.mptcp ?? []].map((socket) => [socket.inode, socket] as const)
    ),
  );
  const asked = askDescriptors(owners.byInode, new Set(pids), (inode) => {
    const known = listed.get(inode);
    // Where the kernel hides what sits upon TCP, only the socket itself knows.
    return askAll || known === undefined || known.protocol === "TCP" && !known.privileged &&
        known.ulp === undefined && known.state !== "LISTEN";
  });
  const unowned = [...listed.keys()].some((inode) => inode !== 0 && !owners.byInode.has(inode));
  const facts = new Map<number, ProcessFacts>();
  const processOf = (pid: number) => {
    const known = facts.get(pid);
    if (known) return known;
    const read = readProcessFacts(pid);
    facts.set(pid, read);
    return read;
  };
  const namespaceOf = (inode: number) => {
    const pid = owners.byInode.get(inode)?.[0]?.pid;
    return pid === undefined ? "" : readNamespaceId(pid);
  };
  const sockets = namespaces.flatMap((namespace, index) => {
    const diag = diags[index] ?? { tcp: [], mptcp: [] };
    const here = new Set([...diag.tcp, ...diag.mptcp ?? []].map(({ inode }) => inode));
    // A descriptor does not say in which namespace its socket is: that of its process is taken.
    const told = [...asked.facts].filter(([inode]) =>
      here.has(inode) ||
      !listed.has(inode) && (namespaces.length === 1 || namespaceOf(inode) === namespace.id)
    );
    const joined = joinSockets(diag, new Map(told));
    const surroundings = new Surroundings(namespace, joined);
    return joined
      .filter(({ socket }) => {
        const held = owners.byInode.get(socket.inode);
        return (everyListed || held !== undefined) && (wants?.(socket, held ?? []) ?? true);
      })
      .map((found) => {
        const held = owners.byInode.get(found.socket.inode) ?? [];
        const reasons = reasonsOf(found, held, surroundings, processOf);
        const socket = { ...found.socket, reasons, owners: held };
        return { ...socket, reasons: attached.reasonsOf(socket, surroundings.enabled) };
      });
  });
  const list = { sockets, notes: [...notes], unseen: asked.unseen };
  return { list, unreadable: owners.unreadable, asked, unowned };
}

/** A process of which nothing could be seen is an error of the caller's, not an empty list. */
function checkProcess(pid: number, asked: Asked, unreadable: number): void {
  // Throws when there is no such process, the number is that of a thread, or it may not be looked into.
  if (unreadable > 0) readProcessSockets(pid);
  else if (asked.facts.size === 0) readSocketsOf(pid, new Map());
}
