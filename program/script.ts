/**
 * The `#!` line of a script, as the kernel reads it.
 *
 * @module
 */

import { indexOrEnd } from "./byte_source.ts";

/** How many bytes of a file decide what it is: BINPRM_BUF_SIZE of the kernel (Linux ≥ 5.1). */
export const HEAD_SIZE = 256;

/** What a `#!` line names. */
export interface ScriptLine {
  /** The path of the interpreter; not looked up in PATH, relative to the working directory. */
  readonly interpreter: string;
  /** All the rest of the line as one argument, blanks within it kept. */
  readonly argument?: string | undefined;
  /** The command that env(1) would look up in PATH, when the interpreter is `env` and it is plain. */
  readonly envCommand?: string | undefined;
}

/** A `#!` line with the bytes that the kernel takes as the path, which need not be UTF-8. */
export interface ParsedScriptLine {
  readonly line: ScriptLine;
  readonly interpreter: Uint8Array;
}

const NEWLINE = 0x0a;
const isBlank = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x09;

/** The index of the first byte that is no blank, up to and with `last`; -1 if there is none. */
function nextNonBlank(buffer: Uint8Array, first: number, last: number): number {
  for (let at = first; at <= last; at++) if (!isBlank(buffer[at])) return at;
  return -1;
}

/** The index of the first blank or NUL, up to and with `last`; -1 if there is none. */
function nextTerminator(buffer: Uint8Array, first: number, last: number): number {
  for (let at = first; at <= last; at++) if (isBlank(buffer[at]) || buffer[at] === 0) return at;
  return -1;
}

/**
 * Parses the `#!` line; undefined where the kernel answers ENOEXEC, and execvp(3) takes /bin/sh.
 *
 * The kernel reads 256 bytes with NULs behind a shorter file. A path that may be cut off is refused, a
 * cut argument is not. Without a newline, blanks at the end of the file are not trimmed, which gives an
 * empty argument; and `#!` alone names the empty path, which the kernel takes for the working directory.
 *
 * Source: fs/binfmt_script.c (load_script) @ v6.12.
 */
export function parseScriptLine(head: Uint8Array): ParsedScriptLine | undefined {
  if (head[0] !== 0x23 || head[1] !== 0x21) return undefined;
  const buffer = new Uint8Array(HEAD_SIZE);
  buffer.set(head.subarray(0, HEAD_SIZE));
  const last = HEAD_SIZE - 1;
  const newline = buffer.indexOf(NEWLINE);
  let end = newline;
  // The kernel finds no newline behind a NUL; all below stops at the NUL anyway.
  if (newline === -1) {
    const start = nextNonBlank(buffer, 2, last);
    if (start === -1 || nextTerminator(buffer, start, last) === -1) return undefined;
    end = last;
  }
  while (isBlank(buffer[end - 1])) end--;
  const name = nextNonBlank(buffer, 2, end);
  if (name === -1 || name === end) return undefined;
  const separator = nextTerminator(buffer, name, end);
  const argument = separator !== -1 && buffer[separator] !== 0
    ? nextNonBlank(buffer, separator, end)
    : -1;
  const interpreter = buffer.slice(name, separator === -1 ? end : separator);
  const decoder = new TextDecoder();
  const text = argument === -1
    ? undefined
    : decoder.decode(buffer.subarray(argument, Math.min(end, indexOrEnd(buffer, 0, argument))));
  const path = decoder.decode(interpreter);
  return {
    interpreter,
    line: { interpreter: path, argument: text, envCommand: parseEnvArgument(path, text) },
  };
}

/**
 * What `env NAME` or `env -S "NAME …"` would start, for an explanation.
 *
 * The kernel hands env one argument, so without -S a blank is part of the name. Undefined for what
 * needs more of env(1): other options, quotes and variables in the string.
 */
function parseEnvArgument(interpreter: string, argument: string | undefined): string | undefined {
  if (argument === undefined || !/(^|\/)env$/.test(interpreter)) return undefined;
  const split = /^(?:-S|--split-string=)\s*(.*)$/.exec(argument)?.[1];
  if (split === undefined) return /^-|=/.test(argument) ? undefined : argument;
  const word = split.split(/\s+/).find((word) => !/^[A-Za-z_]\w*=/.test(word));
  return word !== undefined && /^[\w./+][\w./+-]*$/.test(word) ? word : undefined;
}
