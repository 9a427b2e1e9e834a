/**
 * `mptcpize run`: become a command, forced.
 *
 * @module
 */

import {
  type CommandPlan,
  type CommandRequest,
  displayByteString,
  endLike,
  type Method,
  planCommand,
  runReported,
  startCommand,
} from "../mod.ts";
import { ClosedPipe, type Env } from "./env.ts";
import type { ParsedFlags } from "./flags.ts";
import { shellWord, table } from "./render.ts";
import { openReport, type ReportTarget } from "./report.ts";

const decoder = new TextDecoder();

/** The request that the flags and operands of `run` and `explain` make. */
export function commandRequest(
  env: Env,
  flags: ParsedFlags,
  words: readonly Uint8Array[],
): CommandRequest {
  return {
    words,
    environment: env.environment,
    // Checked against the choices of the flag's table.
    method: (flags.value("method") ?? "auto") as Method | "auto",
    allowPatch: flags.has("allow-patch"),
    debug: flags.has("debug"),
    strict: flags.has("strict"),
    report: flags.has("report"),
    openFilesLimit: env.openFilesLimit,
    ignoreSigpipe: env.ignoreSigpipe,
    ignoredSignals: env.ignoredSignals,
  };
}

/** A plan as JSON; a byte string that is not UTF-8 shows the replacement character. */
export function planJson(plan: CommandPlan): Record<string, unknown> {
  return {
    command: plan.words.map((word) => decoder.decode(word)),
    program: plan.program.path,
    image: plan.image.path,
    method: plan.method,
    reaches: plan.choice.reaches,
    mptcp: plan.mptcp,
    library: plan.library,
    reportLibrary: plan.reportLibrary,
    patcher: plan.patch?.patcher,
    cgroup: plan.cgroup?.kind,
    environment: Object.fromEntries(
      plan.changes.map((change) => [change.name, displayByteString(change.after)]),
    ),
    warnings: plan.warnings,
    notes: plan.notes,
  };
}

/** The variables that a plan sets, as rows for a table. */
export function changeRows(plan: CommandPlan): string[][] {
  return plan.changes.map(({ name, before, after }) => [
    `${name}=${shellWord(displayByteString(after))}`,
    before === undefined ? "" : `(was ${shellWord(displayByteString(before))})`,
  ]);
}

/** The cgroup that a command gets. */
export function cgroupText(cgroup: NonNullable<CommandPlan["cgroup"]>): string {
  return cgroup.kind === "scope"
    ? "a scope of its own"
    : `a cgroup of its own, in ${cgroup.parent}`;
}

function planText(plan: CommandPlan): string {
  const reach = plan.choice.reaches.find((reach) => reach.method === plan.method);
  const rows = [
    ["program", plan.program.path],
    ...(plan.image === plan.program ? [] : [["loaded by", plan.image.path]]),
    ["method", `${plan.method}${reach === undefined ? "" : `: ${reach.reason}`}`],
    ...[plan.library, plan.reportLibrary].flatMap((place) =>
      place?.copyFrom === undefined ? [] : [["copy", `${place.copyFrom} to ${place.path}`]]
    ),
    ...(plan.patch === undefined ? [] : [["patch", `by ${plan.patch.patcher}`]]),
    ...(plan.cgroup === undefined ? [] : [["attach", cgroupText(plan.cgroup)]]),
    ...changeRows(plan).map((row) => ["set", row.join(" ").trimEnd()]),
    ["exec", plan.words.map((word) => shellWord(decoder.decode(word))).join(" ")],
  ];
  return table(rows) + "\n";
}

/** Runs a command as a child, reports, and gives its exit status; ends by its signal. */
async function runAndReport(plan: CommandPlan, target: ReportTarget): Promise<number> {
  const report = await runReported(plan);
  try {
    target.write(report);
  } catch (error) {
    // The command's end counts, whether or not anybody reads of it.
    if (!(error instanceof ClosedPipe)) throw error;
  }
  return endLike(report.end);
}

/**
 * Runs a command, or prints what would be done. Returns only after `--dry-run` or `--report`.
 *
 * @returns the exit status
 * @throws {MptcpizeError} whatever keeps the command from being started
 */
export async function run(
  env: Env,
  flags: ParsedFlags,
  words: readonly Uint8Array[],
): Promise<number> {
  const plan = await planCommand(commandRequest(env, flags, words));
  for (const warning of plan.warnings) env.err(`mptcpize: ${warning}\n`);
  if (flags.has("dry-run")) {
    env.out(flags.has("json") ? JSON.stringify(planJson(plan), null, 2) + "\n" : planText(plan));
    return 0;
  }
  if (!flags.has("report")) await startCommand(plan);
  return await runAndReport(plan, openReport(env, flags.value("report"), flags.has("json")));
}
