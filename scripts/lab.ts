/**
 * The kernel lab: runs the suites on other kernels, with a real systemd, in emulated machines.
 *
 * `deno task lab [--kernel NAME]… [FILTER]` runs them; FILTER is part of the path of a file of tests,
 * or else of the names of tests. `deno task lab --shell [--kernel NAME]` gives a shell in it, `--kernels` prints
 * where the kernels lie, and `--keep` writes what the kernels answered to tests/lab/results/.
 *
 * Needs: root, and the commands that {@linkcode findMissing} looks for.
 *
 * @module
 */

import { commandExists, isRoot } from "../tests/skip.ts";
import { ROOT } from "./files.ts";
import { type Job, jobsOf, type Result } from "./lab/guest.ts";
import { type BootFiles, bootFiles, rootDisk } from "./lab/images.ts";
import { openShell, runJob } from "./lab/machine.ts";
import { readKeptAnswers, renderOptionsByKernel } from "./lab/options_table.ts";
import { labFolder, RECIPE } from "./lab/recipe.ts";
import { addTotals, renderTotals, type Totals } from "./suites.ts";

/** Where each command comes from on Debian. */
const COMMANDS: Readonly<Record<string, string>> = {
  "qemu-system-x86_64": "qemu-system-x86",
  "mmdebstrap": "mmdebstrap",
  "mke2fs": "e2fsprogs",
  "depmod": "kmod",
  "busybox": "busybox-static",
  "xz": "xz-utils",
  "git": "git",
};

/** What this machine cannot run the lab without, and what to do about it; empty when it can. */
export function findMissing(): string[] {
  const packages = Object.entries(COMMANDS)
    .filter(([command]) => !commandExists(command))
    .map(([, name]) => name);
  return [
    ...Deno.build.arch === "x86_64" ? [] : ["its kernels are those of x86-64: run it there"],
    ...commandExists("apt-get") ? [] : ["it is made of Debian's packages: run it on Debian"],
    ...isRoot() ? [] : ["a system is unpacked with the owners of its files: run it as root"],
    ...packages.length === 0 ? [] : [`not installed: apt-get install ${packages.join(" ")}`],
  ];
}

interface Options {
  readonly kernels: readonly string[];
  readonly filter?: string;
  readonly task: "run" | "shell" | "kernels";
  /** Whether the answers of the kernels are written into the checkout. */
  readonly keep: boolean;
}

/** The words of the command line. */
export function parseArguments(words: readonly string[]): Options {
  const known = Object.keys(RECIPE.kernels);
  const kernels: string[] = [];
  let task: Options["task"] = "run";
  let filter: string | undefined;
  let keep = false;
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    if (word === "--kernel") {
      const kernel = words[++at] ?? "";
      if (!known.includes(kernel)) throw new Error(`--kernel takes one of ${known.join(", ")}`);
      kernels.push(kernel);
    } else if (word === "--shell" || word === "--kernels") {
      task = word === "--shell" ? "shell" : "kernels";
    } else if (word === "--keep") {
      keep = true;
    } else if (word.startsWith("-") || filter !== undefined) {
      throw new Error(`Cannot understand ${word}; usage: deno task lab [--kernel NAME]… [FILTER]`);
    } else filter = word;
  }
  return {
    kernels: kernels.length === 0 ? known : kernels,
    task,
    keep,
    ...filter === undefined ? {} : { filter },
  };
}

/** What was skipped though nothing says that the kernel lacks it. */
export function findUnexplained(kernel: string, skipped: readonly string[]): string[] {
  const lacks = RECIPE.kernels[kernel]?.lacks ?? {};
  return skipped.filter((feature) => lacks[feature] === undefined);
}

function judge({ kernel, machine }: Job, result: Result | undefined, results: string): Totals {
  const name = `Linux ${kernel}, ${machine.name}`;
  if (result === undefined) {
    console.log(`FAILED ${name}: the guest ended without a result; see ${results}`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
  const unexplained = findUnexplained(kernel, result.skipped);
  for (const feature of unexplained) {
    console.log(`FAILED ${name}: skipped for ${feature}, which the kernel does not say it lacks`);
  }
  const { passed, failed, skipped } = result.totals;
  const totals = { passed, failed: failed + unexplained.length, skipped };
  console.log(`Linux ${result.release}, ${machine.name}: ${renderTotals(totals)}`);
  return totals;
}

/** Gives what is aborted by a signal that ends this process: no machine outlives it, and no folder. */
async function untilSignal<T>(use: (stop: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const abort = () => controller.abort();
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) Deno.addSignalListener(signal, abort);
  try {
    const result = await use(controller.signal);
    if (controller.signal.aborted) Deno.exit(1);
    return result;
  } finally {
    for (const signal of signals) Deno.removeSignalListener(signal, abort);
  }
}

/** Does the jobs for a kernel, as many at a time as there are processors. */
async function runJobs(
  files: BootFiles,
  root: string,
  jobs: readonly Job[],
  folder: string,
  stop: AbortSignal,
): Promise<Totals> {
  const queue = [...jobs];
  const all: Totals[] = [];
  const write = (text: string) => {
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
  };
  const work = async () => {
    for (let job = queue.shift(); job && !stop.aborted; job = queue.shift()) {
      const results = `${folder}/${job.machine.name}`;
      // What several print at once nobody can read.
      let held = "";
      const tell = jobs.length === 1 ? write : (text: string) => void (held += text);
      const result = await runJob(files, root, job, results, tell, stop);
      write(held);
      all.push(judge(job, result, results));
    }
  };
  await Promise.all(Array.from({ length: navigator.hardwareConcurrency }, work));
  const totals = addTotals(all);
  if (totals.passed + totals.failed > 0) return totals;
  // A filter that matches nothing must not look like a success.
  console.log("FAILED: no test ran");
  return { ...totals, failed: 1 };
}

async function keepAnswers(kernel: string, results: string): Promise<void> {
  const name = `options_${kernel}.json`;
  const kept = new URL("tests/lab/results/", ROOT);
  Deno.mkdirSync(kept, { recursive: true });
  await Deno.copyFile(`${results}/side_by_side/${name}`, new URL(name, kept));
  const table = new URL("docs/options-by-kernel.md", ROOT);
  Deno.writeTextFileSync(table, renderOptionsByKernel(readKeptAnswers()));
}

if (import.meta.main) {
  const { kernels, filter, task, keep } = parseArguments(Deno.args);
  const missing = findMissing();
  if (missing.length > 0) {
    console.error("Cannot run the kernel lab:");
    for (const line of missing) console.error(`- ${line}`);
    Deno.exit(1);
  }
  const root = task === "kernels" ? "" : await rootDisk();
  for (const name of task === "shell" ? kernels.slice(-1) : kernels) {
    const files = await bootFiles(name, RECIPE.kernels[name]!);
    if (task === "kernels") console.log(files.vmlinuz);
    else if (task === "shell") {
      const machine = { name: "shell", paths: [] };
      const job = { kernel: name, machine };
      Deno.exitCode = await untilSignal((stop) => openShell(files, root, job, stop));
    } else {
      const jobs = jobsOf(name, filter);
      console.log(`\n══ Linux ${name}: ${jobs.map(({ machine }) => machine.name).join(", ")}`);
      const started = performance.now();
      const results = `${labFolder()}/results/${name}`;
      await Deno.remove(results, { recursive: true }).catch(() => {});
      const totals = await untilSignal((stop) => runJobs(files, root, jobs, results, stop));
      if (keep) await keepAnswers(name, results);
      const seconds = ((performance.now() - started) / 1000).toFixed(0);
      console.log(`Linux ${name}: ${renderTotals(totals)} (${seconds} s); ${results}`);
      if (totals.failed > 0) Deno.exitCode = 1;
    }
  }
}
