/**
 * Processes that run forced, by what /proc shows of them: our library, GODEBUG, the page of `patch`.
 *
 * @module
 */

import { listProcesses } from "../inspect/mod.ts";
import { holdsPatch, PATCH_PAGE_HEAD, PATCH_PAGE_SIZE } from "../patch/mod.ts";
import { asksGo, LIBRARY_NAME, type ProcessFacts, readProcessFacts } from "./process_facts.ts";
import type { Reason } from "./reason.ts";
import { explainProgram } from "./tcp_reasons.ts";

/** How a process is forced by what it was started with. */
export type ProcessMethod = "preload" | "godebug" | "patch";

/** A process that was started to be forced. */
export interface ForcedProcess {
  /** Its number in this PID namespace. */
  readonly pid: number;
  /** The process that started it, or took it over. */
  readonly parent: number;
  /** As in /proc/PID/comm: at most 15 bytes. */
  readonly command: string;
  /** How it was to be forced. */
  readonly method: ProcessMethod;
  /** When it was started; what it executed since does not change that. */
  readonly since: Date;
  /** Why the method does not reach it, where it does not. */
  readonly obstacle?: Reason;
}

/** What a walk over processes found. */
export interface ForcedProcesses {
  /** By their numbers, ascending. */
  readonly processes: readonly ForcedProcess[];
  /** How many processes could not be looked into. */
  readonly unseen: number;
}

/** By which method a process is forced; undefined for one that nobody forces. */
export function judgeProcess(
  facts: ProcessFacts,
  patched: boolean,
): Pick<ForcedProcess, "method" | "obstacle"> | undefined {
  const { program, godebug, libraryLoaded, libraryNamed } = facts;
  const go = program?.go;
  if (go !== undefined && godebug) {
    const old = go.release !== undefined && go.release.major === 1 && go.release.minor < 21;
    if (!old) return { method: "godebug" };
    if (!patched) return { method: "godebug", obstacle: explainProgram(facts) };
  }
  if (patched) return { method: "patch" };
  if (libraryLoaded) return { method: "preload" };
  // GODEBUG in the environment of another program means nothing.
  return libraryNamed ? { method: "preload", obstacle: explainProgram(facts) } : undefined;
}

/** The parent of a process and when it began, in ticks since the boot. Source: proc_pid_stat(5). */
export function parseStat(stat: string): { command: string; parent: number; start: number } {
  const end = stat.lastIndexOf(")");
  const fields = stat.slice(end + 2).split(" ");
  return {
    command: stat.slice(stat.indexOf("(") + 1, end),
    parent: Number(fields[1]),
    start: Number(fields[19]),
  };
}

/** USER_HZ, the same on all machines that we know (include/asm-generic/param.h @ v6.12). */
const TICKS_PER_SECOND = 100;

/** When the machine was booted, in seconds since 1970. */
export function readBootTime(): number {
  const found = /^btime (\d+)$/m.exec(Deno.readTextFileSync("/proc/stat"));
  return found === null ? 0 : Number(found[1]);
}

/** What a process is and when it began; undefined for one that has gone. */
export function readStart(
  pid: number,
  bootTime: number,
): Pick<ForcedProcess, "command" | "parent" | "since"> | undefined {
  try {
    const { command, parent, start } = parseStat(Deno.readTextFileSync(`/proc/${pid}/stat`));
    const since = new Date((bootTime + start / TICKS_PER_SECOND) * 1000);
    return { command, parent, since };
  } catch {
    return undefined;
  }
}

/**
 * The pages of a memory map, proc_pid_maps(5), in which what the patcher leaves may begin: of
 * anonymous code of its size, and the last one of the program's own code.
 */
export function findPatchPages(maps: string, program: string): bigint[] {
  const code = /^([0-9a-f]+)-([0-9a-f]+) r-xp [0-9a-f]+ [0-9a-f:]+ (\d+) *(.*)$/gm;
  return [...maps.matchAll(code)].flatMap(([, from, to, inode, path]) => {
    const [begin, end] = [BigInt(`0x${from}`), BigInt(`0x${to}`)];
    if (inode !== "0") return path === program ? [end - BigInt(PATCH_PAGE_HEAD)] : [];
    return path === "" && end - begin === BigInt(PATCH_PAGE_SIZE) ? [begin] : [];
  });
}

/** Whether one of some pages of a process holds a patch; false too where its memory may not be read. */
function hasPatch(pid: number, pages: readonly bigint[]): boolean {
  if (pages.length === 0) return false;
  try {
    using memory = Deno.openSync(`/proc/${pid}/mem`);
    const bytes = new Uint8Array(PATCH_PAGE_HEAD);
    return pages.some((page) => {
      memory.seekSync(page, Deno.SeekMode.Start);
      return memory.readSync(bytes) === bytes.length && holdsPatch(bytes);
    });
  } catch {
    return false;
  }
}

const LIBRARY_IN_MAPS = `/${LIBRARY_NAME}`;

function isRefused(error: unknown): boolean {
  return error instanceof Deno.errors.PermissionDenied;
}

/** What of a process hints at a method; undefined where nothing does. */
function readHints(pid: number): { readonly patched: boolean } | undefined {
  const maps = Deno.readTextFileSync(`/proc/${pid}/maps`);
  if (maps === "") return undefined; // A kernel thread, or one that has ended.
  if (maps.includes(LIBRARY_IN_MAPS)) return { patched: false };
  const patched = hasPatch(pid, findPatchPages(maps, Deno.readLinkSync(`/proc/${pid}/exe`)));
  if (patched) return { patched };
  // One character for a byte: all that is sought is ASCII.
  const environment = new TextDecoder("latin1").decode(Deno.readFileSync(`/proc/${pid}/environ`));
  const godebug = /(?:^|\0)GODEBUG=([^\0]*)/.exec(environment)?.[1];
  const named = environment.includes(LIBRARY_NAME);
  return named || godebug !== undefined && asksGo(godebug) ? { patched } : undefined;
}

/**
 * Finds the processes that were started to be forced, in one walk through /proc, without this one.
 *
 * Needs: the right to trace a process (PTRACE_MODE_READ) to see its environment and memory map; to know
 * `patch`, that to read its memory (PTRACE_MODE_ATTACH), proc(5).
 *
 * @param pids the processes to look at; else all
 */
export function readForcedProcesses(pids: readonly number[] = listProcesses()): ForcedProcesses {
  const bootTime = readBootTime();
  const processes: ForcedProcess[] = [];
  let unseen = 0;
  for (const pid of pids) {
    if (pid === Deno.pid) continue;
    try {
      const hints = readHints(pid);
      if (hints === undefined) continue;
      const judged = judgeProcess(readProcessFacts(pid), hints.patched);
      const start = judged && readStart(pid, bootTime);
      if (judged && start) processes.push({ pid, ...start, ...judged });
    } catch (error) {
      // All else means that it has gone: a file of it is not found, or a read of it ESRCH.
      if (isRefused(error)) unseen++;
    }
  }
  return { processes, unseen };
}

/** Forced processes by their first ancestor of the same name and method. */
export function groupProcesses(
  processes: readonly ForcedProcess[],
): { readonly first: ForcedProcess; readonly pids: readonly number[] }[] {
  const byPid = new Map(processes.map((process) => [process.pid, process]));
  const firstOf = (process: ForcedProcess): ForcedProcess => {
    const seen = new Set<number>();
    for (let first = process;;) {
      seen.add(first.pid);
      const parent = byPid.get(first.parent);
      const same = parent !== undefined && parent.command === process.command &&
        parent.method === process.method && !parent.obstacle === !process.obstacle;
      // What /proc shows changes while it is read: a number may come back in another place.
      if (!same || seen.has(parent.pid)) return first;
      first = parent;
    }
  };
  const groups = new Map<ForcedProcess, number[]>();
  for (const process of processes) {
    const first = firstOf(process);
    groups.set(first, [...groups.get(first) ?? [], process.pid]);
  }
  return [...groups].map(([first, pids]) => ({ first, pids: pids.sort((a, b) => a - b) }));
}
