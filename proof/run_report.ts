/**
 * Running a command and telling afterwards what became of its sockets.
 *
 * Its sources (docs/adr/0016-run-report.md): the reporting library in the programs of the run, which writes a
 * socket down when it is closed; looks at the descriptors of all processes of the run, now and then, for those
 * that end without closing, and for programs that load no library; and what the BPF program counted, where it
 * forced them.
 *
 * @module
 */

import { readBpfState, type Target } from "../bpf/mod.ts";
import { MptcpizeError } from "../errors.ts";
import { type ChildEnd, endBySignal } from "../ffi/child.ts";
import { errnoName } from "../ffi/errno.ts";
import { type CommandPlan, spawnCommand } from "../force/mod.ts";
import {
  factsOfAnswers,
  findCgroup,
  readMptcpCounters,
  readProcessCgroup,
  readProcessSockets,
} from "../inspect/mod.ts";
import { Ledger, type LedgerCounts } from "../preload/mod.ts";
import { countedByKernel, type MadeSockets, RunSockets, type RunSummary } from "./run_summary.ts";

/** A command that ran, and what became of its sockets. */
export interface RunReport extends RunSummary {
  /** The command's first word. */
  readonly command: string;
  /** How long it ran. */
  readonly seconds: number;
  /** How it ended. */
  readonly end: ChildEnd;
}

/** How often the ledger is read: it holds 1024 sockets. */
const TAKE_MS = 50;
/** The first look at the descriptors; later ones come more and more seldom. */
const FIRST_LOOK_MS = 50;
const LAST_LOOK_MS = 1000;
/** Looking may take this part of the time. */
const LOOK_SHARE = 20;

/** A process and all that it started, as far as they have not left it. */
function processTree(pid: number): number[] {
  const found = [pid];
  for (const parent of found) {
    try {
      for (const { name } of Deno.readDirSync(`/proc/${parent}/task`)) {
        const text = Deno.readTextFileSync(`/proc/${parent}/task/${name}/children`);
        found.push(...text.split(" ").filter(Boolean).map(Number));
      }
    } catch {
      // It ended meanwhile.
    }
  }
  return found;
}

function isAlive(pid: number): boolean {
  try {
    return Deno.statSync(`/proc/${pid}`).isDirectory;
  } catch {
    return false;
  }
}

/** What is seen of a run while it goes on. */
class Watch {
  readonly sockets = new RunSockets();
  readonly #ledger: Ledger;
  readonly #pid: number;
  #known: readonly number[];
  #refused = false;

  constructor(ledger: Ledger, pid: number) {
    this.#ledger = ledger;
    this.#pid = pid;
    this.#known = [pid];
  }

  /** Whether a process of the run could not be looked into. */
  get refused(): boolean {
    return this.#refused;
  }

  /** The processes that are left of it. */
  get left(): readonly number[] {
    return this.#known.filter((pid) => pid !== this.#pid && isAlive(pid));
  }

  take(): void {
    for (const { inode, ...answers } of this.#ledger.take()) {
      this.sockets.see(inode, factsOfAnswers(answers));
    }
  }

  /** Looks at the descriptors of all its processes. */
  look(): void {
    // What was written down before this look is older than it.
    this.take();
    const tree = processTree(this.#pid);
    this.#known = [...new Set([...tree, ...this.#known.filter(isAlive)])];
    for (const pid of this.#known) {
      try {
        for (const { inode, fd: _fd, fds: _fds, ...facts } of readProcessSockets(pid).sockets) {
          this.sockets.see(inode, facts);
        }
      } catch (error) {
        if (!(error instanceof MptcpizeError)) throw error;
        this.#refused ||= isAlive(pid) && error.name === "NotPermittedError";
      }
    }
  }
}

/** Watches until the command has ended. */
async function watchUntil(end: Promise<unknown>, watch: Watch): Promise<void> {
  let ended = false;
  let wake = () => {};
  const over = end.finally(() => {
    ended = true;
    wake();
  });
  let nextLook = performance.now() + FIRST_LOOK_MS;
  let pause = FIRST_LOOK_MS;
  while (!ended) {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, TAKE_MS);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    watch.take();
    if (ended || performance.now() < nextLook) continue;
    const began = performance.now();
    watch.look();
    pause = Math.min(2 * pause, LAST_LOOK_MS);
    nextLook = performance.now() + Math.max(pause, LOOK_SHARE * (performance.now() - began));
  }
  await over;
}

/**
 * The target that the command was started in: this process is in its cgroup too. Undefined where it is not there
 * any more.
 */
function readOwnTarget(): Target | undefined {
  try {
    const own = findCgroup(readProcessCgroup("self") ?? "/");
    return readBpfState()?.targets.find(({ kind, path }) => kind === "cgroup" && path === own);
  } catch (error) {
    if (!(error instanceof MptcpizeError)) throw error;
    return undefined; // Another version has taken the maps over: the command's end counts all the same.
  }
}

/** How many sockets were made, by whoever counted; undefined for nobody. */
function countMade(
  { cgroup }: CommandPlan,
  { processes, made, forced, returned, refusal }: LedgerCounts,
): MadeSockets | undefined {
  if (cgroup !== undefined) {
    const target = readOwnTarget();
    return target && countedByKernel(target);
  }
  if (processes === 0) return undefined;
  const name = refusal === 0 ? undefined : errnoName(refusal);
  return { countedBy: "library", made, forced, returned, refusal: name, softened: undefined };
}

const ONLY_A_MOMENT = "only what lived for a moment could be seen, and the counters of the " +
  "network namespace, in which others count too";

function notesOf(plan: CommandPlan, watch: Watch, made: MadeSockets | undefined): string[] {
  const notes = [];
  if (plan.cgroup !== undefined && made === undefined) {
    notes.push("Somebody has detached it meanwhile, and what the kernel had counted is gone");
  }
  if (plan.mptcp.state !== "no") {
    if (plan.cgroup !== undefined) {
      notes.push(`No library reports where the kernel forces: of connections ${ONLY_A_MOMENT}`);
    } else if (made === undefined) {
      notes.push(`No program of it loaded the library that reports: ${ONLY_A_MOMENT}`);
    } else if (made.made === 0 && watch.sockets.any) {
      notes.push(
        "What made its sockets did not load the library that reports: they are not counted",
      );
    }
  }
  if (watch.refused) {
    notes.push("Some of its processes may not be looked into: what they left open is missing");
  }
  const { length } = watch.left;
  if (length > 0) {
    const still = length === 1
      ? "1 process of it still runs"
      : `${length} processes of it still run`;
    notes.push(`${still}: what becomes of their sockets is not told`);
  }
  return notes;
}

/**
 * Runs a planned command as a child to its end, and tells what became of its sockets.
 *
 * Signals that are sent to this process go to the command, and it stops and continues with it. Call it once
 * in a process, and end with {@linkcode endLike}.
 *
 * Needs: nothing; what its programs leave open is seen only in those that may be traced.
 *
 * @param plan one that was made with `report`
 * @throws {SyscallError} when the kernel refuses to execute it
 * @throws {MptcpizeError} when a library cannot be copied to its place
 */
export async function runReported(plan: CommandPlan): Promise<RunReport> {
  using ledger = Ledger.open();
  const before = readMptcpCounters();
  const began = performance.now();
  const child = await spawnCommand(plan, ["MPTCPIZE_REPORT", ledger.place]);
  const watch = new Watch(ledger, child.pid);
  const ending = child.end();
  await watchUntil(ending, watch);
  const end = await ending;
  const seconds = (performance.now() - began) / 1000;
  watch.take();
  const counts = ledger.counts();
  const sockets = countMade(plan, counts);
  const summary = watch.sockets.summarize(
    { sockets, lost: counts.lost },
    before,
    readMptcpCounters(),
    notesOf(plan, watch, sockets),
  );
  const command = new TextDecoder().decode(plan.words[0]);
  return { command, seconds, end, ...summary };
}

/**
 * Ends as a command ended: by the same signal.
 *
 * @returns the exit status to end with, where it was not a signal
 */
export function endLike(end: ChildEnd): number {
  if (end.kind === "exited") return end.status;
  endBySignal(end.signal);
  // What a shell says of such an end.
  return 128 + end.signal;
}
