/**
 * Writes docs/options-by-kernel.md from what the kernels of the lab answered.
 *
 * @module
 */

import type { OptionAnswer } from "../../tests/lab/option_answers.ts";
import { socketOptions } from "../../preload/options.ts";
import { ROOT } from "../files.ts";
import { RECIPE } from "./recipe.ts";

/** The answers of kernels by kernel and option. */
export type AnswersByKernel = Readonly<Record<string, Readonly<Record<string, OptionAnswer>>>>;

/** The answers that are kept in tests/lab/results/, the oldest kernel first. */
export function readKeptAnswers(): AnswersByKernel {
  const answers: Record<string, Record<string, OptionAnswer>> = {};
  for (const kernel of Object.keys(RECIPE.kernels)) {
    const file = new URL(`tests/lab/results/options_${kernel}.json`, ROOT);
    try {
      answers[kernel] = JSON.parse(Deno.readTextFileSync(file));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return answers;
}

function renderAnswer(answer: OptionAnswer | undefined): string {
  if (answer === undefined) return "?";
  const { mptcp, tcp } = answer;
  const plain = mptcp === "taken" ? mptcp : `\`${mptcp}\``;
  if (tcp === "taken" || tcp === mptcp) return tcp === mptcp && tcp !== "taken" ? "unknown" : plain;
  return `${plain} (TCP: \`${tcp}\`)`;
}

function renderTable(kinds: readonly string[], answers: AnswersByKernel): string[] {
  const kernels = Object.keys(answers);
  const rows = socketOptions
    .filter(({ kind }) => kinds.includes(kind))
    .map(({ name }) => [
      `\`${name}\``,
      ...kernels.map((kernel) => renderAnswer(answers[kernel]?.[name])),
    ]);
  const table = [["option", ...kernels], ...rows];
  const widths = table[0]!.map((_, column) =>
    Math.max(...table.map((row) => row[column]?.length ?? 0))
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  const [head = [], ...body] = table;
  const rule = line(widths.map((width) => "-".repeat(width)));
  return [line(head), rule, ...body.map(line)];
}

/** The whole document. */
export function renderOptionsByKernel(answers: AnswersByKernel): string {
  return [
    "# Socket options by kernel",
    "",
    "What `setsockopt()` answers on a fresh MPTCP socket, for each option of the table that",
    "[options.md](options.md) explains, with a value that TCP takes where there is one. Written by",
    "`deno task lab --keep` from what Debian's kernels answered; the lab compares it at every run.",
    "",
    '"taken" is success: the kernel\'s own, so the preload library has nothing to do there. Where TCP',
    'says no as well, its answer stands beside; "unknown" is what MPTCP and TCP refuse alike.',
    "",
    "## Advisory",
    "",
    ...renderTable(["advisory"], answers),
    "",
    "## Essential",
    "",
    ...renderTable(["essential"], answers),
    "",
    "## Buffers, and what is carried over",
    "",
    ...renderTable(["buffer", "replay"], answers),
    "",
  ].join("\n");
}
