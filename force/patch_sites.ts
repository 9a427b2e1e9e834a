/**
 * The places of a program's code that patching would replace, with their names.
 *
 * @module
 */

import { findSites } from "../patch/mod.ts";
import { nameAddresses, type Program, readCode } from "../program/mod.ts";

/** One call of a program's code that patching would replace. */
export interface PatchSite {
  /** Where the call lies in the file's own addresses, as objdump(1) shows them. */
  readonly address: number;
  /**
   * `socket`: a call of socket(2), whose number stands before it. `any`: one whose number is known only
   * when it is made, as in syscall(3); others than socket(2) pass through.
   */
  readonly calls: "socket" | "any";
  /** The function that it lies in and how far, as `socket+7`; undefined in a stripped file. */
  readonly symbol: string | undefined;
}

/** Finds the places of a program; `image` is what the file at `path` was read as. */
export function readPatchSites(image: Program, path: string | Uint8Array): PatchSite[] {
  const sites = findSites(image.elf?.machine ?? "", readCode(path));
  if (sites.length === 0) return [];
  const symbols = nameAddresses(path, sites.map(({ call }) => call));
  return sites.map(({ call, kind }, index) => ({
    address: call,
    calls: kind === "number" ? "socket" : "any",
    symbol: symbols[index],
  }));
}
