/**
 * Where aarch64 code calls socket(2), or any call whose number is known only at run time.
 *
 * The same search as patch/arm_sites.c, result for result.
 *
 * @module
 */

import type { Site } from "./sites.ts";

const SYS_socket = 198;
/** `svc #0` */
const SVC = 0xd4000001;
/** How many instructions back the number of the call is looked for. */
const REACH = 16;

/** Whether x8 holds a number before a place that is not that of socket(2). */
function isOtherCall(word: (index: number) => number, call: number): boolean {
  for (let index = call - 1; index >= 0 && index >= call - REACH; index--) {
    const instruction = word(index);
    // movz x8 or w8, #number
    if ((instruction & 0x7fe0001f) >>> 0 === 0x52800008) {
      return ((instruction >>> 5) & 0xffff) !== SYS_socket;
    }
    // b, bl; br, blr, ret; svc: what stands before need not lead here.
    if ((instruction & 0x7c000000) >>> 0 === 0x14000000) return false;
    if ((instruction & 0xfe000000) >>> 0 === 0xd6000000) return false;
    if ((instruction & 0xffe0001f) >>> 0 === SVC) return false;
    // Another instruction that writes x8, or may: its lowest bits name the register for most.
    if ((instruction & 0x1f) === 8) return false;
  }
  return false;
}

/** The sites in a stretch of code, in order; offsets from its beginning. */
export function findArmSites(code: Uint8Array): Site[] {
  const view = new DataView(code.buffer, code.byteOffset, code.length);
  const word = (index: number) => view.getUint32(4 * index, true);
  const sites: Site[] = [];
  for (let index = 0; 4 * index + 4 <= code.length; index++) {
    if (word(index) !== SVC || isOtherCall(word, index)) continue;
    const at = 4 * index;
    sites.push({ at, call: at, end: at + 4, kind: "register" });
  }
  return sites;
}
