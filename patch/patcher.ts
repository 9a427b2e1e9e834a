/**
 * The native program that starts another one with its code changed: where it is, and its words.
 *
 * @module
 */

import { NotSupportedError } from "../errors.ts";

/**
 * Finds the patcher that came with this code, for this machine.
 *
 * @throws {NotSupportedError} when it is not there
 */
export function findPatcher(): string {
  const url = new URL(`./bin/${Deno.build.arch}/mptcpize-patch`, import.meta.url);
  const path = decodeURIComponent(url.pathname);
  try {
    if (url.protocol === "file:" && Deno.statSync(path).isFile) return Deno.realPathSync(path);
  } catch {
    // Told below.
  }
  throw new NotSupportedError(`Cannot patch a program: ${path} is not there`, {
    hint: "`deno task build` makes it",
  });
}

/** What the patcher is to start. */
export interface PatchStart {
  /** The patcher's own file. */
  readonly patcher: string;
  /** The file whose code is loaded: behind scripts, their interpreter. */
  readonly image: Uint8Array;
  /** The file to execute. */
  readonly path: Uint8Array;
  /** argv, with argv[0]. */
  readonly words: readonly Uint8Array[];
  /** Whether it tells how many places it replaced. */
  readonly debug: boolean;
  /** Whether it fails (125) rather than starts the program unchanged. */
  readonly strict: boolean;
}

/** The words of the patcher, as patch/main.c reads them. */
export function patcherWords(start: PatchStart): Uint8Array[] {
  const encode = (word: string) => new TextEncoder().encode(word);
  return [
    encode("mptcpize-patch"),
    ...(start.debug ? [encode("-d")] : []),
    ...(start.strict ? [encode("-s")] : []),
    start.image,
    start.path,
    ...start.words,
  ];
}
