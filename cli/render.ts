/**
 * Text for people: tables, colour, paragraphs.
 *
 * @module
 */

import type { Env } from "./env.ts";

/** The terminal, as far as text depends on it. */
export type Screen = Pick<Env, "color" | "columns">;

/** How wide it is where it is no terminal. */
export const WIDTH = 80;
/** Paragraphs are not read any better in longer lines. */
const PARAGRAPH_WIDTH = 100;

/** How wide paragraphs are. */
export function paragraphWidth({ columns }: Pick<Screen, "columns">): number {
  return Math.min(columns ?? WIDTH, PARAGRAPH_WIDTH);
}

/** Wraps words into lines of at most `width` columns; a word that is longer stands alone. */
export function wrap(text: string, indent = 0, width: number = WIDTH): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && indent + line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line].map((line) => " ".repeat(indent) + line).join("\n");
}

/**
 * Rows of cells as columns, two blanks apart; the last column is not padded.
 *
 * @param width where the last column is wrapped; not at all by default
 */
export function table(
  rows: readonly (readonly string[])[],
  indent = 0,
  width: number = Infinity,
): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => widths[column] = Math.max(widths[column] ?? 0, cell.length));
  }
  return rows.map((row) => {
    const cells = row.slice(0, -1).map((cell, column) => cell.padEnd(widths[column]!) + "  ");
    const start = " ".repeat(indent) + cells.join("");
    const last = wrap(row.at(-1) ?? "", start.length, width).trimStart();
    return (start + last).trimEnd();
  }).join("\n");
}

/** A name that others chose, without what would move or recolour a terminal. */
export function printable(name: string): string {
  return name.replace(/\p{Cc}/gu, "?");
}

/** A number of bytes with a unit: `24.0 MB`. */
export function bytesText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** `1 socket`, `2 sockets`. */
export function count(number: number, noun: string, plural = `${noun}s`): string {
  return `${number} ${number === 1 ? noun : plural}`;
}

const CODES = { bold: 1, red: 31, green: 32, yellow: 33 } as const;

/** A painter of text: as it is where there is no colour. */
export function painter(color: boolean): (style: keyof typeof CODES, text: string) => string {
  return (style, text) => color ? `\x1b[${CODES[style]}m${text}\x1b[0m` : text;
}

/** A word as a shell takes it: quoted only where it must be. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
