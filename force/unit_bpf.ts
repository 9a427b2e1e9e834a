/**
 * What the kernel keeps of units that were forced by BPF and have been restarted since.
 *
 * @module
 */

import { detachTargets, readBpfState } from "../bpf/mod.ts";
import { MptcpizeError } from "../errors.ts";
import { parseUnitName, templateOf } from "../systemd/mod.ts";

/** Whether a cgroup's folder is that of a unit, or of an instance of a template. */
export function isCgroupOf(path: string, unit: string): boolean {
  const name = path.slice(path.lastIndexOf("/") + 1);
  if (name === unit) return true;
  try {
    return templateOf(parseUnitName(name)) === unit;
  } catch {
    return false; // No unit's.
  }
}

/**
 * Lets the targets of units go whose cgroups are gone: each start of a service makes another one. With the
 * last target all of ours leaves the kernel.
 *
 * What cannot be let go forces nobody, and goes with the next change of targets.
 */
export function detachGone(units: readonly string[]): void {
  try {
    const gone = (readBpfState()?.targets ?? []).filter((target) => target.gone);
    const paths = gone.flatMap(({ path }) => path === undefined ? [] : [path])
      .filter((path) => units.some((unit) => isCgroupOf(path, unit)));
    if (paths.length === 0) return;
    detachTargets(paths.map((path) => ({ kind: "cgroup", path, strict: false })));
  } catch (error) {
    if (!(error instanceof MptcpizeError)) throw error;
  }
}
