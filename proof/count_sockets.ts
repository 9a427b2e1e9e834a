/**
 * The sockets of many processes and cgroups at once, counted for each of them by one look at the machine.
 *
 * @module
 */

import type { Attached } from "./attached.ts";
import { type Extent, unite } from "./extent.ts";
import { listSelected } from "./list_sockets.ts";
import { namespacesOf, ownNamespace } from "./namespaces.ts";
import { SocketCounter, type SocketSummary } from "./socket_summary.ts";

/** Counts the sockets of each of several extents, by one look at the machine. */
export function countSockets(
  extents: readonly Extent[],
  notes: Set<string>,
  attached?: Attached,
): { readonly summaries: readonly SocketSummary[]; readonly hidden: number } {
  const counters = extents.map(() => new SocketCounter());
  const whole = unite(extents);
  if (whole.pids.length === 0 && whole.cgroupIds.length === 0) {
    return { summaries: counters.map(({ summary }) => summary), hidden: 0 };
  }
  const byPid = new Map<number, number[]>();
  const byCgroup = new Map<number, number[]>();
  const everything: number[] = [];
  const add = (map: Map<number, number[]>, key: number, index: number) => {
    const known = map.get(key);
    if (known) known.push(index);
    else map.set(key, [index]);
  };
  extents.forEach(({ pids, cgroupIds, all }, index) => {
    if (all) everything.push(index);
    for (const pid of pids) add(byPid, pid, index);
    for (const id of cgroupIds) add(byCgroup, Number(id), index);
  });
  const own = ownNamespace();
  const { list, unreadable, asked } = listSelected({
    namespaces: [own, ...namespacesOf(whole.pids).filter(({ id }) => id !== own.id)],
    pids: whole.pids,
    cgroup: undefined,
    everyListed: true,
    // Process 1 too: it holds what a service manager has passed in.
    candidates: [...new Set([1, ...whole.pids])],
    wants: ({ cgroupId }, owners) =>
      whole.all || owners.some(({ pid }) => byPid.has(pid)) ||
      cgroupId !== undefined && byCgroup.has(cgroupId),
    askAll: false,
    ...attached && { attached },
  });
  for (const note of list.notes) notes.add(note);
  for (const socket of list.sockets) {
    const rows = new Set(everything);
    for (const { pid } of socket.owners) for (const row of byPid.get(pid) ?? []) rows.add(row);
    for (const row of byCgroup.get(socket.cgroupId ?? -1) ?? []) rows.add(row);
    for (const row of rows) counters[row]!.add(socket);
  }
  const hidden = unreadable + asked.refused;
  return { summaries: counters.map(({ summary }) => summary), hidden };
}
