/**
 * `mptcpize explain`: what a command or a unit is, which methods reach it, and what would be set.
 *
 * @module
 */

import {
  type CommandFacts,
  type CommandPlan,
  type CommandRequest,
  explainCommand,
  NotFoundError,
  NotSupportedError,
  type PatchSite,
  planCommand,
  type Program,
} from "../mod.ts";
import type { Env } from "./env.ts";
import { askedUnit, explainOneUnit, unitHint } from "./explain_unit.ts";
import type { ParsedFlags } from "./flags.ts";
import { describeProgram } from "./program_text.ts";
import { painter, paragraphWidth, table, wrap } from "./render.ts";
import { cgroupText, changeRows, commandRequest, planJson } from "./run.ts";

/** The chain from what was found to what the kernel loads. */
function chain(program: Program): Program[] {
  const programs = [program];
  for (let next = program.interpreterProgram; next !== undefined; next = next.interpreterProgram) {
    programs.push(next);
  }
  return programs;
}

/** How many places are shown. */
const SHOWN_SITES = 10;
/** How much of a function's name: some of Rust and C++ fill a page. */
const SHOWN_NAME = 48;

function shorten(name: string): string {
  return name.length <= SHOWN_NAME ? name : `${name.slice(0, SHOWN_NAME - 1)}…`;
}

/** The places that patching would replace, those sure to be socket(2) first; none where there is none. */
function sitesText(sites: readonly PatchSite[]): string[] {
  if (sites.length === 0) return [];
  const sorted = ["socket", "any"].flatMap((calls) => sites.filter((site) => site.calls === calls));
  const rows = sorted.slice(0, SHOWN_SITES).map(({ address, symbol, calls }) => [
    `0x${address.toString(16)}`,
    calls === "socket" ? "socket(2)" : "any number",
    shorten(symbol ?? ""),
  ]);
  const more = sites.length - SHOWN_SITES;
  const rest = more > 0 ? `\n  and ${more} more, which --json lists` : "";
  const shown = table([["PLACE", "CALL", "FUNCTION"], ...rows], 2);
  return [`\`--method patch\` would replace\n${shown}${rest}`];
}

function factsText(env: Env, facts: CommandFacts, plan: CommandPlan | undefined): string {
  const paint = painter(env.color);
  const width = paragraphWidth(env);
  const blocks = [
    chain(facts.program).map((program) =>
      `${paint("bold", program.path)}\n${wrap(describeProgram(program), 2, width)}`
    ).join("\n"),
    table(
      [
        ["METHOD", "REACHES IT", "WHY"],
        ...facts.choice.reaches.map((reach) => [
          reach.method,
          reach.reaches ? "yes" : "no",
          reach.reason,
        ]),
      ],
      0,
      width,
    ),
  ];
  blocks.push(...sitesText(facts.sites ?? []));
  if (plan === undefined) {
    blocks.push("`mptcpize run` refuses it");
  } else {
    const rows = changeRows(plan);
    if (plan.patch !== undefined) blocks.push("`mptcpize run` patches it in memory");
    if (plan.cgroup !== undefined) {
      blocks.push(`\`mptcpize run\` has the kernel do it in ${cgroupText(plan.cgroup)}`);
    } else if (plan.patch === undefined || rows.length > 0) {
      const sets = rows.length === 0 ? "  nothing: all is set already" : table(rows, 2);
      blocks.push(`\`mptcpize run\` sets\n${sets}`);
    }
  }
  for (const warning of plan?.warnings ?? []) blocks.push(wrap(`warning: ${warning}`, 0, width));
  for (const note of facts.notes) blocks.push(wrap(`hint: ${note}`, 0, width));
  return blocks.join("\n\n") + "\n";
}

/** Reads a command; where there is none of that name but a unit, the error says so. */
async function readFacts(request: CommandRequest, word: string | undefined): Promise<CommandFacts> {
  try {
    return explainCommand(request);
  } catch (error) {
    if (!(error instanceof NotFoundError) || word === undefined) throw error;
    const hint = error.hint ?? await unitHint(word);
    throw new NotFoundError(error.message, {
      tried: error.tried,
      cause: error,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}

/**
 * Explains a command or a unit.
 *
 * @returns whether a method reaches it
 * @throws {MptcpizeError} when there is no such command or unit, or it cannot be read
 */
export async function explain(
  env: Env,
  flags: ParsedFlags,
  words: readonly Uint8Array[],
): Promise<boolean> {
  const asked = askedUnit(env, flags);
  if (asked !== undefined) return await explainOneUnit(env, asked.unit, asked.flags);
  const request = commandRequest(env, flags, words);
  const facts = await readFacts(request, flags.operands[0]);
  let plan: CommandPlan | undefined;
  let refusal: NotSupportedError | undefined;
  try {
    plan = await planCommand(request);
  } catch (error) {
    if (!(error instanceof NotSupportedError)) throw error;
    refusal = error;
  }
  if (flags.has("json")) {
    const { program, image, choice, sites, mptcp, notes } = facts;
    const json = plan === undefined
      ? { program, image, reaches: choice.reaches, sites, mptcp, notes, refused: refusal }
      : { ...planJson(plan), program, image, sites };
    env.out(JSON.stringify(json, null, 2) + "\n");
  } else {
    env.out(factsText(env, facts, plan));
    if (refusal?.hint !== undefined) env.out(`\nhint: ${wrap(refusal.hint, 6).trimStart()}\n`);
  }
  return facts.choice.method !== undefined;
}
