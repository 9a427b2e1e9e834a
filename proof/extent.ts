/**
 * Which processes and cgroups a row of an answer stands for.
 *
 * @module
 */

import type { Target } from "../bpf/mod.ts";
import { NotFoundError } from "../errors.ts";
import { listProcesses, readCgroup, readCommand } from "../inspect/mod.ts";

/** Which processes and cgroups a row of the answer stands for. */
export interface Extent {
  readonly pids: readonly number[];
  readonly cgroupIds: readonly bigint[];
  /** Whether it stands for all there is. */
  readonly all: boolean;
}

/** What a target of the BPF program stands for; nothing where its cgroup is gone. */
export function targetExtent({ kind, path, name, gone }: Target): Extent {
  switch (kind) {
    case "all":
      return { pids: listProcesses(), cgroupIds: [], all: true };
    case "comm":
      return { ...NOTHING, pids: listProcesses().filter((pid) => readCommand(pid) === name) };
    case "cgroup":
      return path === undefined || gone ? NOTHING : cgroupExtent(path);
  }
}

/** No process, and no cgroup. */
export const NOTHING: Extent = { pids: [], cgroupIds: [], all: false };

/** What of a cgroup there is; nothing where it is gone. */
export function cgroupExtent(path: string): Extent {
  try {
    const { pids, ids } = readCgroup(path);
    return { pids, cgroupIds: ids, all: false };
  } catch (error) {
    if (error instanceof NotFoundError) return NOTHING;
    throw error;
  }
}

/** Several of them as one. */
export function unite(extents: readonly Extent[]): Extent {
  return {
    pids: [...new Set(extents.flatMap(({ pids }) => pids))],
    cgroupIds: extents.flatMap(({ cgroupIds }) => cgroupIds),
    all: extents.some(({ all }) => all),
  };
}
