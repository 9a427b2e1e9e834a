/**
 * Words to flags and operands, by the table of commands; no effects.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { UsageError } from "../errors.ts";
import type { CommandSpec, FlagSpec } from "./commands.ts";

/** What the words of a command say. */
export interface ParsedFlags {
  /** Whether a switch is set. */
  readonly has: (name: string) => boolean;
  /** The value of a flag that takes one; the last counts. */
  readonly value: (name: string) => string | undefined;
  /** All values of a flag that may be given more than once, in their order. */
  readonly values: (name: string) => readonly string[];
  /** What is no flag: before and behind flags, or all from the first one on of a command's words. */
  readonly operands: readonly string[];
  /** The index of the first of a command's words; the number of all words if there is none. */
  readonly operandsAt: number;
}

/** How far two words are apart: insertions, deletions, changes and swaps of neighbours. */
function distance(left: string, right: string): number {
  const rows: number[][] = [Array.from({ length: right.length + 1 }, (_, index) => index)];
  for (let i = 1; i <= left.length; i++) {
    const row = [i];
    for (let j = 1; j <= right.length; j++) {
      const same = left[i - 1] === right[j - 1];
      let least = Math.min(
        rows[i - 1]![j]! + 1,
        row[j - 1]! + 1,
        rows[i - 1]![j - 1]! + (same ? 0 : 1),
      );
      if (i > 1 && j > 1 && left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1]) {
        least = Math.min(least, rows[i - 2]![j - 2]! + 1);
      }
      row.push(least);
    }
    rows.push(row);
  }
  return rows.at(-1)!.at(-1)!;
}

/** The name that was probably meant, if one is near enough. */
export function nearest(word: string, names: readonly string[]): string | undefined {
  const [best] = names
    .map((name) => ({ name, distance: distance(word, name) }))
    .sort((left, right) => left.distance - right.distance);
  return best !== undefined && best.distance <= Math.ceil(word.length / 3) ? best.name : undefined;
}

function unknownFlag(command: CommandSpec, raw: string, name: string): UsageError {
  const meant = nearest(name, command.flags.map((flag) => flag.name));
  return new UsageError(`Cannot parse ${raw}: \`mptcpize ${command.name}\` has no such flag`, {
    hint: meant === undefined
      ? `\`mptcpize ${command.name} --help\` lists the flags`
      : `did you mean \`--${meant}\`?`,
  });
}

function checkValue(flag: FlagSpec, raw: string, value: string | undefined): string | true {
  if (flag.optional && value === undefined) return true;
  if (flag.value === undefined) {
    if (value === undefined) return true;
    throw new UsageError(`Cannot parse ${raw}=${value}: ${raw} takes no value`);
  }
  if (value === undefined || value === "") {
    throw new UsageError(`Cannot parse ${raw}: its value is missing`, {
      hint: `\`${raw}${flag.optional ? "=" : " "}${flag.choices?.join("|") ?? flag.value}\``,
    });
  }
  if (flag.choices && !flag.choices.includes(value)) {
    const meant = nearest(value, flag.choices);
    throw new UsageError(`Cannot parse ${raw} ${value}: it takes ${flag.choices.join(", ")}`, {
      ...(meant === undefined ? {} : { hint: `did you mean \`${raw} ${meant}\`?` }),
    });
  }
  return value;
}

/**
 * Parses the words behind a command's name. Flags end at `--`; before a command of the system, at its name.
 *
 * @throws {UsageError} for a flag that the command does not have, or a value that it does not take
 */
export function parseFlags(command: CommandSpec, words: readonly string[]): ParsedFlags {
  const { tokens } = parseArgs({
    args: [...words],
    options: Object.fromEntries(command.flags.map((flag) => [flag.name, {
      type: flag.value === undefined || flag.optional ? "boolean" as const : "string" as const,
      ...(flag.short === undefined ? {} : { short: flag.short }),
    }])),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const given = new Map<string, (string | true)[]>();
  let operandsAt = words.length;
  const operands: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional" && !command.takesCommand) {
      operands.push(token.value);
    } else if (token.kind === "option") {
      const flag = command.flags.find((flag) => flag.name === token.name);
      if (flag === undefined) throw unknownFlag(command, token.rawName, token.name);
      const value = checkValue(flag, token.rawName, token.value);
      given.set(flag.name, [...given.get(flag.name) ?? [], value]);
    } else if (command.takesCommand) {
      operandsAt = token.kind === "positional" ? token.index : token.index + 1;
      operands.push(...words.slice(operandsAt));
      break;
    }
  }
  const values = (name: string) =>
    (given.get(name) ?? []).filter((value) => typeof value === "string");
  return {
    has: (name) => given.has(name),
    value: (name) => values(name).at(-1),
    values,
    operands,
    operandsAt,
  };
}
