/**
 * The units that are enabled by drop-ins of ours, and whether those that run have it already.
 *
 * @module
 */

import { NotSupportedError } from "../errors.ts";
import {
  assignmentsOf,
  type DropIn,
  dropInFolders,
  isTemplate,
  lastValue,
  listDropIns,
  type ManagerScope,
  openManager,
  parseUnitName,
  type UnitManager,
} from "../systemd/mod.ts";
import { isRunning, runningInstances, tcpListeners } from "./unit_read.ts";
import { readGroupSockets, readListeners } from "./unit_sockets.ts";

/** A unit that runs, of those that are enabled. */
export interface EnabledInstance {
  /** The unit, or an instance of the template. */
  readonly unit: string;
  /** Its main process; 0 where it has none. */
  readonly mainPid: number;
  /** The path of its cgroup; undefined where it has none, as a socket unit. */
  readonly cgroup: string | undefined;
  /**
   * Whether it was started without the drop-in, so that a restart is pending: by its main process, or for
   * `bpf` and `socket` by its listeners; undefined where it has none, or may not be looked at.
   */
  readonly pending: boolean | undefined;
}

/** A unit that is enabled. */
export interface EnabledUnit {
  /** Such as `nginx.service`; may be a template. */
  readonly unit: string;
  /** `preload`, `godebug`, `bpf` or `socket`. */
  readonly method: string;
  /** The drop-in. */
  readonly file: string;
  /** The version of mptcpize that wrote it. */
  readonly version: string;
  /** Whether it is a unit of the user who calls. */
  readonly user: boolean;
  /** Whether it is gone with the next boot. */
  readonly runtime: boolean;
  /** Whether systemd has read the drop-in; undefined where systemd does not answer. */
  readonly loaded: boolean | undefined;
  /** Those of it that run. */
  readonly running: readonly EnabledInstance[];
}

/** Whether a process has what a drop-in sets; undefined when it may not be looked at. */
function hasVariables(pid: number, dropIn: DropIn): boolean | undefined {
  const assignments = assignmentsOf(dropIn);
  const library = lastValue(assignments, "LD_PRELOAD")?.split(/[ :]/)
    .find((path) => path.endsWith("/libmptcpize.so"));
  try {
    // Servers write their title over their environment, but not over their memory map.
    if (library !== undefined && dropIn.method === "preload") {
      return Deno.readTextFileSync(`/proc/${pid}/maps`).includes(library);
    }
    const environment = Deno.readTextFileSync(`/proc/${pid}/environ`).split("\0");
    return assignments.every((assignment) => environment.includes(assignment));
  } catch {
    return undefined; // Gone, or not for us to see.
  }
}

/** Reads whether a unit that runs has what its drop-in sets. */
export async function readInstance(
  manager: UnitManager,
  unit: string,
  dropIn: DropIn,
): Promise<EnabledInstance> {
  const properties = await manager.show(unit, ["MainPID", "Listen", "ControlGroup"]);
  const mainPid = Number(properties.text("MainPID")) || 0;
  const cgroup = properties.text("ControlGroup") || undefined;
  if (dropIn.method === "preload" || dropIn.method === "godebug") {
    const has = mainPid === 0 ? undefined : hasVariables(mainPid, dropIn);
    return { unit, mainPid, cgroup, pending: has === undefined ? undefined : !has };
  }
  const sockets = dropIn.method === "socket"
    ? readListeners(tcpListeners(properties))
    : cgroup === undefined
    ? []
    : readGroupSockets(cgroup);
  const listeners = sockets.filter(({ state }) => state === "LISTEN");
  const pending = listeners.length === 0
    ? undefined
    : listeners.some(({ verdict }) => verdict === "tcp");
  return { unit, mainPid, cgroup, pending };
}

function openOrNot(scope: ManagerScope): UnitManager | undefined {
  try {
    return openManager(scope);
  } catch (error) {
    if (error instanceof NotSupportedError) return undefined;
    throw error;
  }
}

/**
 * Lists the units that are enabled by drop-ins of ours; changes nothing.
 *
 * Works without systemd too: then only the files are told.
 *
 * @throws {NotSupportedError} when the folders of the user cannot be told
 * @throws {MptcpizeError} when systemd does not answer
 */
export async function listEnabledUnits(
  options: { readonly user?: boolean } = {},
): Promise<EnabledUnit[]> {
  const scope = options.user ? "user" : "system";
  const files = listDropIns(dropInFolders(scope));
  const manager = files.length === 0 ? undefined : openOrNot(scope);
  const units: EnabledUnit[] = [];
  for (const { path, unit, runtime, dropIn } of files) {
    if (dropIn === undefined) continue;
    const { method, version } = dropIn;
    const known = { unit, method, file: path, version, user: scope === "user", runtime };
    if (manager === undefined) {
      units.push({ ...known, loaded: undefined, running: [] });
      continue;
    }
    const name = parseUnitName(unit);
    const properties = isTemplate(name)
      ? undefined
      : await manager.show(unit, ["ActiveState", "DropInPaths"]);
    const names = properties === undefined
      ? await runningInstances(manager, name)
      : isRunning(properties)
      ? [unit]
      : [];
    const running: EnabledInstance[] = [];
    for (const instance of names) running.push(await readInstance(manager, instance, dropIn));
    const loaded = properties?.words("DropInPaths").includes(path);
    units.push({ ...known, loaded, running });
  }
  return units;
}
