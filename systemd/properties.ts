/**
 * What `systemctl show` prints, parsed exactly. Pure.
 *
 * Source: src/shared/bus-print-properties.c, src/systemctl/systemctl-show.c,
 * src/basic/escape.c (shell_maybe_quote) @ systemd v257.
 *
 * @module
 */

import { FormatError } from "../errors.ts";

/** One command line of a service, such as one of `ExecStart=`. */
export interface ExecCommand {
  /** The program, with specifiers replaced; a name without a slash is searched for by systemd. */
  readonly path: string;
  /** The arguments from `argv[0]` on, one blank between them: where one has blanks cannot be told. */
  readonly words: string;
  /** Such as `ignore-failure` or `privileged`; empty where the manager does not tell. */
  readonly flags: readonly string[];
}

/** The properties of one unit: those that were asked for, and that its type has. */
export class UnitProperties {
  readonly #lines: ReadonlyMap<string, readonly string[]>;

  /** Takes the lines of each property, as they were printed behind `=`. */
  constructor(lines: ReadonlyMap<string, readonly string[]>) {
    this.#lines = lines;
  }

  /** Whether the unit has such a property: one that is a list of structures is not printed while empty. */
  has(name: string): boolean {
    return this.#lines.has(name);
  }

  /** A property as it was printed; empty where it is empty or absent. */
  text(name: string): string {
    return this.#lines.get(name)?.[0] ?? "";
  }

  /** A property that prints one line for each of its members, such as `EnvironmentFiles`. */
  lines(name: string): readonly string[] {
    return (this.#lines.get(name) ?? []).filter((line) => line !== "");
  }

  /** Whether a property is `yes`. */
  isYes(name: string): boolean {
    return this.text(name) === "yes";
  }

  /**
   * The members of a list of strings, such as `Environment` or `Names`.
   *
   * @throws {FormatError} when its quotes do not make sense
   */
  words(name: string): string[] {
    return parseWords(this.text(name));
  }

  /**
   * The command lines of a property such as `ExecStart`.
   *
   * @throws {FormatError} for what is printed in another way
   */
  commands(name: string): ExecCommand[] {
    return this.lines(name).map(parseCommand);
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

/**
 * Splits a printed list of strings at its blanks; quoted ones are taken out of their quotes.
 *
 * @throws {FormatError} when a quote is open at the end
 */
export function parseWords(text: string): string[] {
  const words: string[] = [];
  let at = 0;
  while (at < text.length) {
    if (text[at] === " ") {
      at++;
      continue;
    }
    if (text[at] !== '"') {
      const end = text.indexOf(" ", at);
      words.push(text.slice(at, end === -1 ? text.length : end));
      at = end === -1 ? text.length : end;
      continue;
    }
    const { word, end } = parseQuoted(text, at + 1);
    words.push(word);
    at = end;
  }
  return words;
}

/** What stands between quotes, from behind the first one. */
function parseQuoted(text: string, start: number): { word: string; end: number } {
  const bytes: number[] = [];
  const encoder = new TextEncoder();
  for (let at = start; at < text.length; at++) {
    if (text[at] === '"') {
      return { word: new TextDecoder().decode(Uint8Array.from(bytes)), end: at + 1 };
    }
    if (text[at] !== "\\") {
      const character = String.fromCodePoint(text.codePointAt(at)!);
      bytes.push(...encoder.encode(character));
      at += character.length - 1;
      continue;
    }
    const octal = /^[0-7]{3}/.exec(text.slice(at + 1, at + 4))?.[0];
    if (octal !== undefined) {
      bytes.push(parseInt(octal, 8) & 0xff);
      at += 3;
      continue;
    }
    const escaped = text[at + 1] ?? "";
    bytes.push(...encoder.encode(ESCAPES[escaped] ?? escaped));
    at++;
  }
  throw new FormatError(`Cannot read what systemctl printed: ${text} has an open quote`);
}

/** Parses `{ path=… ; argv[]=… ; flags=… ; start_time=… }`. */
function parseCommand(line: string): ExecCommand {
  // The arguments may hold anything, even what looks like the fields behind them: those are fixed.
  const match =
    /^\{ path=(.*?) ; argv\[\]=(.*) ; (?:flags|ignore_errors)=([a-z -]*) ; start_time=\[[^\]]*\] ; stop_time=\[[^\]]*\] ; pid=\d+ ; code=[^;]* ; status=[^;]* \}$/s
      .exec(line);
  if (match === null) {
    throw new FormatError(`Cannot read what systemctl printed: ${line} is no command line`);
  }
  const [, path = "", words = "", flags = ""] = match;
  const listed = flags === "yes"
    ? ["ignore-failure"]
    : flags.split(" ").filter((flag) => flag !== "" && flag !== "no");
  return { path, words, flags: listed };
}

/**
 * Parses what `systemctl show -p NAME,… UNIT` prints for one unit.
 *
 * Behind a command line, a line that starts with none of the names belongs to it: arguments may hold line
 * ends, and are printed as they are.
 *
 * @param names the properties that were asked for
 */
export function parseProperties(text: string, names: readonly string[]): UnitProperties {
  const lines = new Map<string, string[]>();
  let last: string[] | undefined;
  for (const line of text.replace(/\n$/, "").split("\n")) {
    const name = names.find((name) => line.startsWith(`${name}=`));
    if (name === undefined) {
      const at = (last?.length ?? 0) - 1;
      if (last?.[at]?.startsWith("{ path=")) last[at] += `\n${line}`;
      continue;
    }
    last = lines.get(name) ?? [];
    last.push(line.slice(name.length + 1));
    lines.set(name, last);
  }
  return new UnitProperties(lines);
}
