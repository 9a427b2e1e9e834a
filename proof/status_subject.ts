/**
 * One process, unit or cgroup in detail: what forces it, since when, and what its sockets are.
 *
 * @module
 */

import type { Target } from "../bpf/mod.ts";
import { NotFoundError, NotPermittedError, UsageError } from "../errors.ts";
import { type PersistentTarget, readUnitSockets } from "../force/mod.ts";
import { findCgroup, readCgroup, readCommand, readProcessCgroup } from "../inspect/mod.ts";
import {
  controlGroupOf,
  isTemplate,
  openManager,
  parseUnitName,
  templateOf,
} from "../systemd/mod.ts";
import { groupProcesses, readBootTime, readForcedProcesses, readStart } from "./forced_process.ts";
import { listSockets, type SocketScope } from "./list_sockets.ts";
import { SocketCounter, type SocketSummary, summarizeSockets } from "./socket_summary.ts";
import {
  type Asked,
  type AskedTarget,
  type AskedUnit,
  type BpfStatus,
  isInForce,
  readAsked,
} from "./asked.ts";
import type { ProcessStatus } from "./status.ts";

/** What a word of the user's means. */
export interface Subject {
  /** What it is. */
  readonly kind: "process" | "unit" | "cgroup";
  /** The number of the process, the whole name of the unit, or the folder of the cgroup. */
  readonly name: string;
}

/** One process, unit or cgroup. */
export interface SubjectStatus extends Subject {
  /** The name of the process, as in /proc/PID/comm. */
  readonly command: string | undefined;
  /** When the process was started; undefined for what is no process. */
  readonly since: Date | undefined;
  /** Its cgroup; undefined where it has none, as a unit that does not run. */
  readonly cgroup: string | undefined;
  /**
   * Whether anything forces it, or some of it, or will as soon as it starts; undefined where that could not
   * be seen.
   */
  readonly forced: boolean | undefined;
  /** The enabled units that it is, that it belongs to, or that it contains. */
  readonly units: readonly AskedUnit[];
  /** The targets of the BPF program that it belongs to, or that it contains. */
  readonly targets: readonly AskedTarget[];
  /** What systemd attaches at its next start. */
  readonly waiting: readonly PersistentTarget[];
  /** Its processes that were started to be forced. */
  readonly processes: readonly Omit<ProcessStatus, "sockets">[];
  /** Its sockets. */
  readonly sockets: SocketSummary;
  /** The BPF program, where it has one of its targets. */
  readonly bpf: BpfStatus | undefined;
  /** What could not be seen, and what it would take; sentences without a final period. */
  readonly notes: readonly string[];
}

function isRunningSystemd(): boolean {
  try {
    return Deno.statSync("/run/systemd/system").isDirectory;
  } catch {
    return false;
  }
}

/**
 * What a word means: digits a process, what has a slash a cgroup, all else a unit; without systemd, a
 * cgroup too.
 *
 * @throws {UsageError} for what can be none of them
 */
export function parseSubject(word: string, systemd = isRunningSystemd()): Subject {
  if (/^\d+$/.test(word)) {
    const pid = Number(word);
    if (pid >= 1 && pid <= 0x7fffffff) return { kind: "process", name: String(pid) };
    throw new UsageError(`Cannot tell the status of ${word}: it is no process id`, {
      hint: "a process id is a whole number from 1, such as `pgrep -n nginx` prints",
    });
  }
  if (word === "") throw new UsageError("Cannot tell the status of '': it is empty");
  if (word.includes("/") || !systemd) return { kind: "cgroup", name: word };
  return { kind: "unit", name: parseUnitName(word).name };
}

/** Whether a cgroup is another one or lies below it; both as folders. */
function isWithin(cgroup: string, other: string): boolean {
  return cgroup === other || cgroup.startsWith(other.endsWith("/") ? other : `${other}/`);
}

/** The folder of a cgroup by its name; undefined for none. */
function folderOf(cgroup: string | undefined): string | undefined {
  if (cgroup === undefined) return undefined;
  try {
    return findCgroup(cgroup);
  } catch (error) {
    if (error instanceof NotFoundError) return undefined;
    throw error;
  }
}

/** A subject that was found. */
interface Found {
  readonly subject: Subject;
  /** Whether it is a unit of this user's manager. */
  readonly user: boolean;
  /** Its folder. */
  readonly cgroup: string | undefined;
  readonly pids: readonly number[];
  /** Its sockets: none of what does not run, several of a template. */
  readonly scopes: readonly SocketScope[];
}

/** The folder of the cgroup that a word means. */
function findNamed(name: string): string {
  try {
    return findCgroup(name);
  } catch (error) {
    if (!(error instanceof NotFoundError) || name.includes("/")) throw error;
    throw new NotFoundError(
      `Cannot find ${name}: systemd does not run here, so it is no unit, and there is no such cgroup`,
      { tried: error.tried, hint: "`mptcpize status` shows all that is forced here" },
    );
  }
}

async function find(subject: Subject, user: boolean, { units }: Asked): Promise<Found> {
  const { kind, name } = subject;
  if (kind === "process") {
    const pid = Number(name);
    const cgroup = folderOf(readProcessCgroup(pid));
    return { subject, user, cgroup, pids: [pid], scopes: [{ pid }] };
  }
  const template = units.find((unit) => unit.unit === name && unit.user === user);
  if (kind === "unit" && template !== undefined && isTemplate(parseUnitName(name))) {
    const groups = template.running.map(({ unit }) => controlGroupOf(unit, { user }));
    const cgroups = (await Promise.all(groups)).filter((group) => group !== undefined)
      .map((group) => readCgroup(group));
    return {
      subject,
      user,
      cgroup: undefined,
      pids: cgroups.flatMap(({ pids }) => pids),
      scopes: cgroups.map(({ path }) => ({ cgroup: path })),
    };
  }
  const group = kind === "unit" ? await controlGroupOf(name, { user }) : findNamed(name);
  if (group === undefined) return { subject, user, cgroup: undefined, pids: [], scopes: [] };
  const { path, pids } = readCgroup(group);
  return {
    subject: kind === "unit" ? subject : { kind, name: path },
    user,
    cgroup: path,
    pids,
    scopes: [{ cgroup: path }],
  };
}

/** Whether an enabled unit is the subject, has it, or is part of it. */
function concernsUnit({ subject, user, cgroup, pids }: Found, unit: AskedUnit): boolean {
  if (subject.kind === "unit" && unit.user === user) {
    const template = templateOf(parseUnitName(subject.name));
    if (unit.unit === subject.name || unit.unit === template) return true;
  }
  return unit.running.some((instance) =>
    cgroup?.split("/").includes(instance.unit) || pids.includes(instance.mainPid)
  );
}

/** Whether a target has the subject, or is part of it. */
function concernsTarget({ cgroup, pids }: Found, { kind, path, name }: Target): boolean {
  switch (kind) {
    case "all":
      return true;
    case "comm":
      return pids.some((pid) => readCommand(pid) === name);
    case "cgroup":
      return path !== undefined && cgroup !== undefined &&
        (isWithin(cgroup, path) || isWithin(path, cgroup));
  }
}

/** The sockets of a subject: of a `.socket` unit, the listeners that systemd holds for it. */
async function readSummary(
  { subject, user, scopes }: Found,
  notes: Set<string>,
): Promise<SocketSummary> {
  if (subject.kind === "unit" && subject.name.endsWith(".socket")) {
    const held = await readUnitSockets(openManager(user ? "user" : "system"), subject.name);
    return summarizeSockets(held.map(({ verdict }) => ({ verdict, reasons: [] })));
  }
  const counter = new SocketCounter();
  for (const scope of scopes) {
    try {
      const { sockets, notes: more } = listSockets(scope);
      for (const socket of sockets) counter.add(socket);
      for (const note of more) notes.add(note);
    } catch (error) {
      // What was asked for it is told all the same.
      if (!(error instanceof NotPermittedError)) throw error;
      notes.add(`${error.message}: ${error.hint}`);
    }
  }
  return counter.summary;
}

/**
 * Reads what forces one process, unit or cgroup, since when, and what its sockets are.
 *
 * Needs: as `readStatus`, and systemd for a unit.
 *
 * @param word a process id; a cgroup (v2) with a slash in it, such as `/system.slice`; else a unit
 * @param options `user`: whether a unit is one of this user's own manager
 * @throws {UsageError} when the word can be none of them
 * @throws {NotFoundError} when there is no such process, unit or cgroup
 * @throws {NotSupportedError} when the unit is a template
 */
export async function readStatusOf(
  word: string,
  options: { readonly user?: boolean } = {},
): Promise<SubjectStatus> {
  const user = options.user ?? false;
  const notes = new Set<string>();
  const asked = await readAsked(notes);
  const { units, bpf } = asked;
  const found = await find(parseSubject(word), user, asked);
  const { subject, cgroup, pids } = found;
  const concerned = units.filter((unit) => concernsUnit(found, unit));
  const targets = asked.targets.filter((target) => concernsTarget(found, target));
  // It tells whether there is such a process at all.
  const sockets = await readSummary(found, notes);
  const started = readForcedProcesses(pids);
  const processes = groupProcesses(started.processes)
    .map(({ first: { parent: _, ...first }, pids }) => ({ ...first, pids }));
  const waiting = asked.waiting.filter((target) =>
    subject.kind === "unit" && (target.kind === "service" || target.kind === "slice") &&
    target.name === subject.name
  );
  const forced = isInForce({ units: concerned, targets, waiting }, processes);
  const own = subject.kind === "process"
    ? readStart(Number(subject.name), readBootTime())
    : undefined;
  return {
    ...subject,
    command: own?.command,
    since: own?.since,
    cgroup,
    forced: forced || (started.unseen > 0 ? undefined : false),
    units: concerned,
    targets,
    waiting,
    processes,
    sockets,
    bpf: targets.length > 0 ? bpf : undefined,
    notes: [...notes],
  };
}
