/**
 * The places of a program's code that make sockets, found without running it.
 *
 * @module
 */

import { findArmSites } from "./arm_sites.ts";
import { findX86Sites } from "./x86_sites.ts";

/** One place, in offsets. */
export interface Site {
  /** Where the jump is written. */
  readonly at: number;
  /** The call itself. */
  readonly call: number;
  /** Behind the last instruction that is done elsewhere: where the program goes on. */
  readonly end: number;
  /** Whether the call's number stands in the code, or in a register that is known at run time. */
  readonly kind: "number" | "register";
}

/** A stretch of code as it lies in a program. */
export interface Code {
  /** Where it lies, before the program is moved as a whole. */
  readonly address: number;
  /** What of it the file has. */
  readonly bytes: Uint8Array;
}

/** More are taken as none: no C library and no Go has so many, so it would be something else. */
export const MAX_SITES = 64;

/**
 * The sites of a program, in order of their addresses; all that is unsure is left out.
 *
 * @param machine the name of {@linkcode Deno.build.arch}; another one has no sites
 */
export function findSites(machine: string, codes: readonly Code[]): Site[] {
  const find = machine === "x86_64"
    ? findX86Sites
    : machine === "aarch64"
    ? findArmSites
    : () => [];
  const sites = codes.flatMap(({ address, bytes }) =>
    find(bytes).map((site) => ({
      ...site,
      at: site.at + address,
      call: site.call + address,
      end: site.end + address,
    }))
  );
  return sites.length > MAX_SITES ? [] : sites;
}
