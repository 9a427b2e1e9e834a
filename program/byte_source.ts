/**
 * A file that is read in pieces: what the parsers of this folder take.
 *
 * @module
 */

/** Bytes that can be read from any offset; a file, or an array that stands for one. */
export interface ByteSource {
  /** How many bytes there are. */
  readonly size: number;
  /** The bytes at an offset: fewer than asked at the end, none behind it. */
  read(offset: number, length: number): Uint8Array;
}

/** A source over bytes in memory. */
export function bytesSource(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.length,
    read: (offset, length) => bytes.subarray(offset, offset + length),
  };
}

/** A view of the same bytes, for numbers. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Where a byte occurs first, from an offset on, or the length if it does not. */
export function indexOrEnd(bytes: Uint8Array, byte: number, from = 0): number {
  const index = bytes.indexOf(byte, from);
  return index === -1 ? bytes.length : index;
}
