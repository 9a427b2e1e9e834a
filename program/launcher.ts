/**
 * Our own launcher as a program file: static, and reached all the same, since it forces what it starts.
 *
 * @module
 */

import { type ByteSource, indexOrEnd } from "./byte_source.ts";

/**
 * What a launcher has in its first page, once: the mark before the place for its folder.
 *
 * Layout: 24 bytes with the NUL; struct slot in launcher/launcher.h, launcher/main.c.
 */
export const LAUNCHER_MARK: Uint8Array = new TextEncoder().encode("mptcpize launcher slot\n\0");

const HEAD_SIZE = 4096;

/** Where some bytes stand in others, from an offset on; -1 if they do not. */
export function indexOfBytes(bytes: Uint8Array, wanted: Uint8Array, from = 0): number {
  const next = (start: number) => indexOrEnd(bytes, wanted[0]!, start);
  for (let at = next(from); at < bytes.length; at = next(at + 1)) {
    if (wanted.every((byte, index) => bytes[at + index] === byte)) return at;
  }
  return -1;
}

/** Whether an ELF program is a launcher of ours, of whatever installation. */
export function isLauncher(source: ByteSource): boolean {
  return indexOfBytes(source.read(0, HEAD_SIZE), LAUNCHER_MARK) !== -1;
}
