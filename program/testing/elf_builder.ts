/**
 * Small ELF files for tests: real layout, no code.
 *
 * @module
 */

/** What the built file has. */
export interface ElfPlan {
  readonly class: 32 | 64;
  readonly endian: "little" | "big";
  /** EM_*; 62 is x86_64. */
  readonly machine?: number;
  /** ET_*; 2 executable, 3 shared. */
  readonly type?: number;
  readonly interpreter?: string;
  /** The bytes of a writable PT_LOAD segment at {@linkcode DATA_ADDRESS}. */
  readonly data?: Uint8Array;
  /** The name of a section over `data`; without it there are no section headers. */
  readonly section?: string;
}

/** Where the data segment lies in memory. */
export const DATA_ADDRESS = 0x10000;
/** Where the data segment lies in the file. */
export const DATA_OFFSET = 0x400;
const INTERPRETER_OFFSET = 0x200;
const PT_LOAD = 1;
const PT_INTERP = 3;

/** Writes numbers in the order and word size of a file. */
export class Writer {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  readonly #little: boolean;
  readonly #wide: boolean;

  constructor(size: number, plan: Pick<ElfPlan, "class" | "endian">) {
    this.bytes = new Uint8Array(size);
    this.#view = new DataView(this.bytes.buffer);
    this.#little = plan.endian === "little";
    this.#wide = plan.class === 64;
  }

  half(offset: number, value: number): void {
    this.#view.setUint16(offset, value, this.#little);
  }

  int(offset: number, value: number): void {
    this.#view.setUint32(offset, value, this.#little);
  }

  word(offset: number, value: number | bigint): void {
    if (this.#wide) this.#view.setBigUint64(offset, BigInt(value), this.#little);
    else this.int(offset, Number(value));
  }
}

/** Builds the bytes of an ELF file. */
export function buildElf(plan: ElfPlan): Uint8Array<ArrayBuffer> {
  const wide = plan.class === 64;
  const [headerSize, segmentSize, sectionSize] = wide ? [64, 56, 64] : [52, 32, 40];
  const data = plan.data ?? new Uint8Array();
  const sectionNames = new TextEncoder().encode(`\0.shstrtab\0${plan.section ?? ""}\0`);
  const namesAt = DATA_OFFSET + data.length;
  const sectionsAt = (namesAt + sectionNames.length + 15) & ~15;
  const end = plan.section === undefined ? namesAt : sectionsAt + 3 * sectionSize;
  const writer = new Writer(end, plan);
  const { bytes } = writer;

  bytes.set([0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, plan.endian === "little" ? 1 : 2, 1]);
  writer.half(16, plan.type ?? 3);
  writer.half(18, plan.machine ?? 62);
  writer.int(20, 1);
  const segments: [type: number, flags: number, offset: number, address: number, size: number][] = [
    [PT_LOAD, 5, 0, 0, DATA_OFFSET],
    [PT_LOAD, 6, DATA_OFFSET, DATA_ADDRESS, data.length],
  ];
  if (plan.interpreter !== undefined) {
    const name = new TextEncoder().encode(`${plan.interpreter}\0`);
    bytes.set(name, INTERPRETER_OFFSET);
    segments.unshift([PT_INTERP, 4, INTERPRETER_OFFSET, INTERPRETER_OFFSET, name.length]);
  }
  writer.word(wide ? 32 : 28, headerSize);
  writer.half(wide ? 52 : 40, headerSize);
  writer.half(wide ? 54 : 42, segmentSize);
  writer.half(wide ? 56 : 44, segments.length);
  segments.forEach(([type, flags, offset, address, size], index) => {
    const at = headerSize + index * segmentSize;
    writer.int(at, type);
    writer.int(at + (wide ? 4 : 24), flags);
    writer.word(at + (wide ? 8 : 4), offset);
    writer.word(at + (wide ? 16 : 8), address);
    writer.word(at + (wide ? 32 : 16), size);
    writer.word(at + (wide ? 40 : 20), size);
  });
  bytes.set(data, DATA_OFFSET);
  if (plan.section === undefined) return bytes;

  bytes.set(sectionNames, namesAt);
  writer.word(wide ? 40 : 32, sectionsAt);
  writer.half(wide ? 58 : 46, sectionSize);
  writer.half(wide ? 60 : 48, 3);
  writer.half(wide ? 62 : 50, 1);
  const sections: [name: number, type: number, offset: number, size: number][] = [
    [0, 0, 0, 0],
    [1, 3, namesAt, sectionNames.length],
    [11, 1, DATA_OFFSET, data.length],
  ];
  sections.forEach(([name, type, offset, size], index) => {
    const at = sectionsAt + index * sectionSize;
    writer.int(at, name);
    writer.int(at + 4, type);
    writer.word(at + (wide ? 24 : 16), offset);
    writer.word(at + (wide ? 32 : 20), size);
  });
  return bytes;
}

const encoder = new TextEncoder();

function concat(...parts: (Uint8Array | readonly number[])[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function uvarint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...uvarint(value >>> 7)];
}

const MAGIC = Uint8Array.from("\xff Go buildinf:", (character) => character.charCodeAt(0));
const MARK = new Uint8Array(16).fill(0xaa);

/** Modules between their marks, as the linker writes them. */
export function markModules(text: string): Uint8Array<ArrayBuffer> {
  return concat(MARK, encoder.encode(text), MARK);
}

/** The record of Go 1.18 and later. */
export function inlineGoRecord(version: string, modules: string): Uint8Array<ArrayBuffer> {
  const versionBytes = encoder.encode(version);
  const moduleBytes = modules === "" ? new Uint8Array() : markModules(modules);
  return concat(
    concat(MAGIC, [8, 2], new Uint8Array(16)),
    concat(uvarint(versionBytes.length), versionBytes),
    concat(uvarint(moduleBytes.length), moduleBytes),
  );
}

/** The record of Go before 1.18, at {@linkcode DATA_ADDRESS}: pointers to pointers. */
export function pointerGoRecord(
  plan: Pick<ElfPlan, "class" | "endian">,
  version: string,
  modules: string,
): Uint8Array<ArrayBuffer> {
  const pointerSize = plan.class / 8;
  const [versionBytes, moduleBytes] = [encoder.encode(version), markModules(modules)];
  const headersAt = 32;
  const textAt = headersAt + 4 * pointerSize;
  const writer = new Writer(textAt + versionBytes.length + moduleBytes.length, plan);
  writer.bytes.set(MAGIC);
  writer.bytes[14] = pointerSize;
  writer.bytes[15] = plan.endian === "big" ? 1 : 0;
  writer.word(16, DATA_ADDRESS + headersAt);
  writer.word(16 + pointerSize, DATA_ADDRESS + headersAt + 2 * pointerSize);
  writer.word(headersAt, DATA_ADDRESS + textAt);
  writer.word(headersAt + pointerSize, versionBytes.length);
  writer.word(headersAt + 2 * pointerSize, DATA_ADDRESS + textAt + versionBytes.length);
  writer.word(headersAt + 3 * pointerSize, moduleBytes.length);
  writer.bytes.set(versionBytes, textAt);
  writer.bytes.set(moduleBytes, textAt + versionBytes.length);
  return writer.bytes;
}
