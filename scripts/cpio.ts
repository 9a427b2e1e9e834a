/**
 * Archives as the kernel unpacks them at boot.
 *
 * @module
 */

const encoder = new TextEncoder();

/** A file or folder of an archive. */
export interface CpioEntry {
  /** Its path from the root, without a slash before it. */
  readonly name: string;
  /** Type and permissions, as `st_mode`. */
  readonly mode: number;
  /** What a file holds. */
  readonly data?: Uint8Array<ArrayBuffer>;
}

function encodeEntry({ name, mode, data = new Uint8Array() }: CpioEntry): BlobPart[] {
  const numbers = [0, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length + 1, 0];
  const head = "070701" + numbers.map((number) => number.toString(16).padStart(8, "0")).join("") +
    name + "\0";
  return [
    encoder.encode(head.padEnd(Math.ceil(head.length / 4) * 4, "\0")),
    data,
    new Uint8Array(-data.length & 3),
  ];
}

/**
 * A cpio archive in the "newc" format; a folder comes before what it holds.
 *
 * Layout: for each entry "070701" and 13 numbers of 8 hexadecimal digits, the name with its NUL, the
 * data; name and data are padded to 4 bytes.
 *
 * Source: Documentation/driver-api/early-userspace/buffer-format.rst @ v6.12.
 */
export function encodeCpio(entries: readonly CpioEntry[]): Promise<Uint8Array<ArrayBuffer>> {
  return new Blob([...entries, { name: "TRAILER!!!", mode: 0 }].flatMap(encodeEntry)).bytes();
}
