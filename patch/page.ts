/**
 * The page that the patcher leaves in a program, as it looks in the memory of a process. Pure.
 *
 * Layout: the farewell of patch/stub.c: u64 entry, u32 pid, u32 flag, then what is the same in every
 * program: u64 set, two u64 of time, and its code.
 *
 * @module
 */

/** How many bytes are mapped for it: STUB_ROOM in patch/patch.h. */
export const PATCH_PAGE_SIZE = 1 << 14;

/** How many bytes {@linkcode isPatchPage} needs. */
export const PATCH_PAGE_HEAD = 64;

const VARIES = 16;
const SET_AND_TIMEOUT = "00000100000000000000000000000000" + "0000000000000000";
/** The beginning of the code, for x86-64 and for aarch64. */
const CODES = [
  "8b3ddaffffff31f6ba000000404531d2b83d000000",
  "c9feff10200940b9010080d20200a8d2030080d2882080d2",
];

/** What a page begins with from its 17th byte on, for each machine. */
export const PATCH_PAGE_MARKS: readonly Uint8Array[] = CODES.map((code) =>
  Uint8Array.from(
    (SET_AND_TIMEOUT + code).match(/../g)!,
    (byte) => Number.parseInt(byte, 16),
  )
);

/** Whether memory begins as a page of the patcher's does. */
export function isPatchPage(bytes: Uint8Array): boolean {
  return PATCH_PAGE_MARKS.some((mark) =>
    mark.every((byte, index) => bytes[VARIES + index] === byte)
  );
}
