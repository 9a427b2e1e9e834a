/**
 * `mptcpize status`: what is forced here, by which method, since when, and what its sockets are.
 *
 * @module
 */

import { readStatus, readStatusOf } from "../mod.ts";
import type { Env } from "./env.ts";
import type { ParsedFlags } from "./flags.ts";
import { statusText } from "./status_text.ts";
import { subjectText } from "./subject_text.ts";

/** JSON has no numbers of 64 bits; those of the kernel fit into what it has. */
function toJson(value: unknown): string {
  const plain = (_: string, member: unknown) =>
    typeof member === "bigint" ? Number(member) : member;
  return JSON.stringify(value, plain, 2) + "\n";
}

/**
 * Prints what is forced, or what forces the operands.
 *
 * @returns whether anything is forced; of operands, whether all of them are
 * @throws {MptcpizeError} when an operand is not there, or names nothing
 */
export async function status(
  env: Env,
  flags: ParsedFlags,
  words: readonly string[],
): Promise<boolean> {
  if (words.length === 0) {
    const all = await readStatus();
    env.out(flags.has("json") ? toJson(all) : statusText(env, all));
    return all.forced === true;
  }
  const subjects = [];
  for (const word of words) subjects.push(await readStatusOf(word, { user: flags.has("user") }));
  env.out(
    flags.has("json")
      ? toJson({ subjects })
      : subjects.map((subject) => subjectText(env, subject)).join("\n"),
  );
  return subjects.every(({ forced }) => forced === true);
}
