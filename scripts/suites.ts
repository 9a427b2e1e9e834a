/**
 * Runs suites one after the other, and adds up what they say.
 *
 * @module
 */

import { commandExists, isExpected } from "../tests/skip.ts";

/** One command whose result counts: a check, or a run of `deno test`. */
export interface Suite {
  /** What it shows, in a word or two. */
  readonly name: string;
  /** The command; `deno` is this very Deno. */
  readonly command: readonly string[];
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** A command it cannot do without: the feature that {@linkcode Totals} counts as skipped. */
  readonly needs?: string;
  /** Why it cannot run here: a feature that this machine lacks, and what to do about it. */
  readonly lacks?: { readonly feature: string; readonly remedy: string };
  /** Shows the output as it comes, instead of only when the suite fails. */
  readonly stream?: boolean;
  /** After how many minutes it is ended as failed. */
  readonly limitMinutes?: number;
}

/** How many tests ended how; a suite that is not a run of `deno test` counts as one. */
export interface Totals {
  /** Done, and right. */
  readonly passed: number;
  /** Done, and wrong. */
  readonly failed: number;
  /** Left out, because this machine lacks something. */
  readonly skipped: number;
}

// deno-lint-ignore no-control-regex
const COLOR = /\x1b\[[0-9;]*m/g;
/** What the dot reporter prints for a test that passed or was left out, away from a terminal. */
const DOTS = /^[.,]\n/gm;
const SUMMARY =
  /^(?:ok|FAILED) \| (\d+) passed(?: \([^)]*\))? \| (\d+) failed(?: \([^)]*\))?(?: \| (\d+) ignored)?/gm;

/**
 * What the output of a suite and its exit status say together.
 *
 * A command that failed without naming a failed test counts as one failure.
 */
export function readTotals(output: string, success: boolean): Totals {
  const summaries = [...output.replace(COLOR, "").matchAll(SUMMARY)];
  if (summaries.length === 0) return { passed: +success, failed: +!success, skipped: 0 };
  const sum = (group: number) =>
    summaries.reduce((total, summary) => total + Number(summary[group] ?? 0), 0);
  const failed = sum(2);
  return { passed: sum(1), failed: success ? failed : Math.max(failed, 1), skipped: sum(3) };
}

/** The totals of several suites. */
export function addTotals(all: readonly Totals[]): Totals {
  const sum = (key: keyof Totals) => all.reduce((total, totals) => total + totals[key], 0);
  return { passed: sum("passed"), failed: sum("failed"), skipped: sum("skipped") };
}

/** The last line of a run. */
export function renderTotals({ passed, failed, skipped }: Totals): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/** What was left out, each feature once, with what to do about it; from `skipUnless` notes. */
export function renderSkipped(notes: string): string[] {
  const features = new Map<string, Set<string>>();
  for (const line of notes.split("\n").filter(Boolean)) {
    const [feature = "", remedy = ""] = line.split("\t");
    const names = features.get(remedy) ?? new Set();
    features.set(remedy, names.add(feature));
  }
  return [...features].flatMap(([remedy, names]) => [
    `Skipped, since this machine lacks ${[...names].join(", ")}`,
    `  to have it: ${remedy}`,
  ]);
}

/**
 * Runs the suites in order, and prints each one's result and at the end what was skipped.
 *
 * @param keep a file for the notes of `skipUnless`, kept; without it a temporary one
 */
export async function runSuites(suites: readonly Suite[], keep?: string): Promise<Totals> {
  const notes = keep ?? await Deno.makeTempFile({ prefix: "mptcpize-skipped-" });
  try {
    const all: Totals[] = [];
    for (const suite of suites) all.push(await runSuite(suite, notes));
    for (const line of renderSkipped(await Deno.readTextFile(notes))) console.log(line);
    return addTotals(all);
  } finally {
    if (keep === undefined) await Deno.remove(notes);
  }
}

async function runSuite(suite: Suite, notes: string): Promise<Totals> {
  const { needs } = suite;
  const lacks = needs !== undefined && !commandExists(needs)
    ? { feature: needs, remedy: "as root: `deno task setup`" }
    : suite.lacks;
  if (lacks !== undefined) {
    const { feature, remedy } = lacks;
    if (isExpected(feature, Deno.env.get("MPTCPIZE_EXPECT"))) {
      console.log(`FAILED ${suite.name}: ${feature} must be there (${remedy})`);
      return { passed: 0, failed: 1, skipped: 0 };
    }
    await Deno.writeTextFile(notes, `${feature}\t${remedy}\n`, { append: true });
    console.log(`skip   ${suite.name}`);
    return { passed: 0, failed: 0, skipped: 1 };
  }
  if (suite.stream) console.log(`\n── ${suite.name}`);
  const started = performance.now();
  const { success, output } = await runCommand(suite, notes);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const totals = readTotals(output, success);
  if (totals.failed > 0 && !suite.stream) console.log(output.replace(DOTS, "").trimEnd());
  console.log(`${totals.failed === 0 ? "ok    " : "FAILED"} ${suite.name} (${seconds} s)`);
  return totals;
}

async function runCommand(
  { command, env, stream, limitMinutes = 15 }: Suite,
  notes: string,
): Promise<{ success: boolean; output: string }> {
  const [program = "", ...args] = command;
  const child = new Deno.Command(program === "deno" ? Deno.execPath() : program, {
    args,
    env: { MPTCPIZE_SKIPPED: notes, ...env },
    cwd: new URL("../", import.meta.url),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(limitMinutes * 60_000),
  }).spawn();
  let output = "";
  const gather = async (bytes: ReadableStream<Uint8Array<ArrayBuffer>>) => {
    for await (const text of bytes.pipeThrough(new TextDecoderStream())) {
      output += text;
      if (stream) await write(text);
    }
  };
  const [status] = await Promise.all([child.status, gather(child.stdout), gather(child.stderr)]);
  return { success: status.success, output };
}

async function write(text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let done = 0; done < bytes.length;) done += await Deno.stdout.write(bytes.subarray(done));
}
