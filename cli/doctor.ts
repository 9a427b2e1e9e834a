/**
 * `mptcpize doctor`: what this machine can do, what is wrong, and what mends it.
 *
 * @module
 */

import { type Check, diagnose, fixCommands } from "../mod.ts";
import type { Env } from "./env.ts";
import type { ParsedFlags } from "./flags.ts";
import { painter, paragraphWidth, wrap } from "./render.ts";

const STYLE = { ok: "green", warning: "yellow", broken: "red" } as const;
const STATUS_WIDTH = 9;
const SUBJECT_WIDTH = 13;

function checkText(env: Env, { status, subject, words, mend }: Check): string {
  const indent = STATUS_WIDTH + SUBJECT_WIDTH;
  const width = paragraphWidth(env);
  const label = painter(env.color)(STYLE[status], status) +
    " ".repeat(STATUS_WIDTH - status.length);
  const lines = [
    label + subject.padEnd(SUBJECT_WIDTH) + wrap(words, indent, width).trimStart(),
    ...(mend === undefined ? [] : [wrap(`mend: ${mend}`, indent, width)]),
  ];
  return lines.join("\n");
}

/**
 * Prints the diagnosis.
 *
 * @returns whether MPTCP can be used here
 * @throws {MptcpizeError} when the kernel refuses what it gives to everybody
 */
export async function doctor(env: Env, flags: ParsedFlags): Promise<boolean> {
  const diagnosis = await diagnose(env.environment);
  const { usable, checks, machine } = diagnosis;
  if (flags.has("json")) {
    const counters = Object.fromEntries(machine.counters);
    const plain = { ...diagnosis, machine: { ...machine, counters } };
    env.out(JSON.stringify(plain, null, 2) + "\n");
    return usable;
  }
  if (flags.has("fix-hints")) {
    env.out(fixCommands(checks).map((command) => `${command}\n`).join(""));
    return usable;
  }
  const conclusion = !usable
    ? "MPTCP cannot be used here"
    : checks.every(({ status }) => status === "ok")
    ? "MPTCP can be used here, and nothing is wrong"
    : "MPTCP can be used here; what is marked is worth a look";
  const paint = painter(env.color)(usable ? "green" : "red", conclusion);
  env.out(`${checks.map((check) => checkText(env, check)).join("\n")}\n\n${paint}\n`);
  return usable;
}
