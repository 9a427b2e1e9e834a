/**
 * What the patcher leaves in a program, as it looks in the memory of a process: behind the program's
 * own code in its last page, or in a page of its own. Pure.
 *
 * Layout: the farewell of patch/stub.c: u64 entry, u32 pid, u32 flag, then what is the same in every
 * program: u64 set, two u64 of time, and its code.
 *
 * @module
 */

/** How many bytes are mapped where it has pages of its own: STUB_ROOM in patch/patch.h. */
export const PATCH_PAGE_SIZE = 1 << 14;

/** How many bytes {@linkcode holdsPatch} is to be given: the page that it begins in. */
export const PATCH_PAGE_HEAD = 4096;

/** Where it may begin: STUB_ALIGN in patch/patch.h. */
const ALIGN = 16;
const VARIES = 16;
const SET_AND_TIMEOUT = "00000100000000000000000000000000" + "0000000000000000";
/** The beginning of the code, for x86-64 and for aarch64. */
const CODES = [
  "8b3ddaffffff31f6ba000000404531d2b83d000000",
  "c9feff10200940b9010080d20200a8d2030080d2882080d2",
];

/** What it begins with from its 17th byte on, for each machine. */
export const PATCH_PAGE_MARKS: readonly Uint8Array[] = CODES.map((code) =>
  Uint8Array.from(
    (SET_AND_TIMEOUT + code).match(/../g)!,
    (byte) => Number.parseInt(byte, 16),
  )
);

/** Whether a page of memory holds what the patcher leaves. */
export function holdsPatch(page: Uint8Array): boolean {
  for (let at = 0; at < page.length; at += ALIGN) {
    const begins = (mark: Uint8Array) =>
      mark.every((byte, index) => page[at + VARIES + index] === byte);
    if (PATCH_PAGE_MARKS.some(begins)) return true;
  }
  return false;
}
