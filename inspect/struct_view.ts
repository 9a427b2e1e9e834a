/**
 * Fields of a C structure in bytes that the kernel wrote, of which there may be fewer or more.
 *
 * The byte order is that of the machines this code runs on, x86_64 and aarch64: little-endian.
 *
 * @module
 */

/** Reads fields by offset; a field that is not wholly there is undefined. */
export class StructView {
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** How many bytes there are. */
  get length(): number {
    return this.#view.byteLength;
  }

  /** An unsigned 8-bit field. */
  u8(offset: number): number | undefined {
    return this.#has(offset, 1) ? this.#view.getUint8(offset) : undefined;
  }

  /** An unsigned 16-bit field. */
  u16(offset: number): number | undefined {
    return this.#has(offset, 2) ? this.#view.getUint16(offset, true) : undefined;
  }

  /** An unsigned 32-bit field. */
  u32(offset: number): number | undefined {
    return this.#has(offset, 4) ? this.#view.getUint32(offset, true) : undefined;
  }

  /** An unsigned 64-bit counter, as a number: exact up to 2^53, which is 9 petabytes. */
  counter64(offset: number): number | undefined {
    return this.#has(offset, 8) ? Number(this.#view.getBigUint64(offset, true)) : undefined;
  }

  /** An unsigned 64-bit number, exact. */
  u64(offset: number): bigint | undefined {
    return this.#has(offset, 8) ? this.#view.getBigUint64(offset, true) : undefined;
  }

  #has(offset: number, size: number): boolean {
    return offset + size <= this.#view.byteLength;
  }
}
