/**
 * Setsockopt programs of ours whose pins somebody has removed by hand: the program that forces is gone
 * with its link, but these stay attached to their cgroups.
 *
 * They are known by their name, and by the bpffs that they were pinned in: those of a container with a
 * bpffs of its own are left alone.
 *
 * @module
 */

import { openMapsOf, openProgramsNamed, readMapInfo } from "../ffi/bpf.ts";
import type { Fd } from "../ffi/fd.ts";
import { isBpffs } from "./bpffs.ts";
import { listFolders } from "./cgroups.ts";
import { SETTINGS_SIZE } from "./layout.ts";
import { PROGRAMS } from "./object.ts";
import { readSettings } from "./records.ts";
import { applySoftening } from "./softening.ts";

function closeAll(opened: readonly Fd[]): void {
  for (const fd of opened) fd[Symbol.dispose]();
}

/** Whether a program was pinned in a bpffs. */
function belongsTo(device: bigint, program: Fd): boolean {
  const maps = openMapsOf(program);
  try {
    return maps.some((settings) =>
      readMapInfo(settings).valueSize === SETTINGS_SIZE &&
      readSettings({ settings }).device === device
    );
  } finally {
    closeAll(maps);
  }
}

/** The setsockopt programs that are pinned in a bpffs, or were. */
function openOf(device: bigint): Fd[] {
  return openProgramsNamed(PROGRAMS.soften).filter((program) => {
    if (belongsTo(device, program)) return true;
    program[Symbol.dispose]();
    return false;
  });
}

/** Whether setsockopt programs are in the kernel that are pinned in the bpffs at a path, or were. */
export function mayHaveOrphans(bpffs: string): boolean {
  if (!isBpffs(bpffs)) return false;
  const programs = openOf(BigInt(Deno.lstatSync(bpffs).dev));
  closeAll(programs);
  return programs.length > 0;
}

/** Detaches all setsockopt programs that were pinned in a bpffs; by who holds the lock, and has found no pins there. */
export function detachOrphans(device: bigint): void {
  const former = openOf(device);
  try {
    const unwanted = former.length === 0 ? [] : listFolders();
    applySoftening({ program: undefined, former, wanted: new Set(), unwanted });
  } finally {
    closeAll(former);
  }
}
