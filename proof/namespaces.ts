/**
 * Network namespaces, as the processes in them show them.
 *
 * @module
 */

import { SyscallError } from "../errors.ts";
import { inNetworkNamespace } from "../ffi/netlink.ts";
import { type MptcpCounters, readMptcpCounters, readPassiveOpens } from "../inspect/mod.ts";

/** A network namespace. */
export interface NetworkNamespace {
  /** As `net:[4026531840]`; empty where it cannot be read. */
  readonly id: string;
  /** A process in it; undefined for the own one. */
  readonly pid: number | undefined;
}

/** The identity of the network namespace of a process; empty where it may not be seen, or has gone. */
export function readNamespaceId(pid: number | "thread-self"): string {
  try {
    return Deno.readLinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return "";
  }
}

/** The own network namespace. */
export function ownNamespace(): NetworkNamespace {
  return { id: readNamespaceId("thread-self"), pid: undefined };
}

/** The network namespaces of processes, each once; the own one without a process. */
export function namespacesOf(pids: readonly number[]): NetworkNamespace[] {
  const own = ownNamespace();
  const found = new Map<string, NetworkNamespace>();
  for (const pid of pids) {
    const id = readNamespaceId(pid);
    if (id === "" || found.has(id)) continue;
    found.set(id, id === own.id ? own : { id, pid });
  }
  return [...found.values()];
}

/** Where its file is, for who enters it; undefined for the own one, which need not be entered. */
export function namespacePath({ pid }: NetworkNamespace): string | undefined {
  return pid === undefined ? undefined : `/proc/${pid}/ns/net`;
}

/** The counters of a namespace; none where they cannot be read. */
export function readCounters({ pid }: NetworkNamespace): MptcpCounters {
  try {
    return readMptcpCounters(pid);
  } catch {
    return new Map(); // The process has gone, and its namespace perhaps with it.
  }
}

/** How many connections were accepted in a namespace; 0 where that cannot be read. */
export function countAccepted({ pid }: NetworkNamespace): number {
  try {
    return readPassiveOpens(pid);
  } catch {
    return 0; // As above.
  }
}

/** A file of /proc/sys/net in a namespace, trimmed; undefined where it is not, or not to be read. */
export function readSysctl(namespace: NetworkNamespace, name: string): string | undefined {
  const path = namespacePath(namespace);
  const read = () => Deno.readTextFileSync(`/proc/sys/net/${name}`).trim();
  try {
    return path === undefined ? read() : inNetworkNamespace(path, read);
  } catch (error) {
    if (
      error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied ||
      error instanceof SyscallError
    ) return undefined;
    throw error;
  }
}
