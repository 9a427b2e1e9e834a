/**
 * What an app of these tests is.
 *
 * @module
 */

import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import type { Scene, Sides } from "./scene.ts";

/** A program that exists, and how it is made to talk to itself or to another. */
export interface App {
  readonly name: string;
  /** What must be installed, each a command or, with a slash, a file. */
  readonly needs: readonly string[];
  /** What the machine must do besides. */
  readonly feature?: {
    readonly name: string;
    readonly present: () => boolean;
    readonly hint: string;
  };
  /** Starts the programs, moves data, and insists that it arrives. */
  readonly play: (scene: Scene) => Promise<void>;
  /** What its connections are once forced; MPTCP on both sides if absent. */
  readonly sides?: Sides;
}

/** Debian's own, since the first in PATH may be another. */
export const PYTHON = "/usr/bin/python3";

/** The path of one of the programs that these tests bring along. */
export function program(name: string): string {
  return new URL(`programs/${name}`, import.meta.url).pathname;
}

/** Insists that the same bytes arrived, without printing megabytes if they did not. */
export function assertSameBytes(actual: Uint8Array, expected: Uint8Array): void {
  assert.equal(actual.length, expected.length, "length of what arrived");
  const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
  assert.equal(digest(actual), digest(expected), "SHA-256 of what arrived");
}
