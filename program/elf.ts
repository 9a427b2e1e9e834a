/**
 * What an ELF header and its program headers say, checked as far as the kernel checks them.
 *
 * Section headers are no part of what the kernel reads, and programs run with any nonsense in them:
 * nothing here fails because of them.
 *
 * @module
 */

import { FormatError } from "../errors.ts";
import { type ByteSource, indexOrEnd, viewOf } from "./byte_source.ts";

/** The machines whose names are known here; another one is named by its number. */
const MACHINES: Readonly<Record<number, string>> = {
  2: "sparc",
  3: "i386",
  4: "m68k",
  8: "mips",
  15: "parisc",
  20: "powerpc",
  21: "powerpc64",
  22: "s390x",
  40: "arm",
  42: "sh",
  43: "sparc64",
  50: "ia64",
  62: "x86_64",
  183: "aarch64",
  243: "riscv",
  258: "loongarch",
};

const TYPES: Readonly<Record<number, "executable" | "shared">> = { 2: "executable", 3: "shared" };

const PT_LOAD = 1;
const PT_INTERP = 3;
const SHT_NOBITS = 8;
/** The most that the kernel reads as program headers: load_elf_phdrs, fs/binfmt_elf.c @ v6.12. */
const MAX_PROGRAM_HEADERS_SIZE = 65536;
const PATH_MAX = 4096;
/** Far above what linkers write for a program; a larger table is taken as none. */
const MAX_SECTIONS = 8192;
const MAX_SECTION_NAMES_SIZE = 1 << 20;
const HEAD_SIZE = 4096;

/** What an ELF program is, as far as it decides how to reach it. */
export interface Elf {
  /** The size of its pointers in bits. An x86_64 program of class 32 is an x32 one. */
  readonly class: 32 | 64;
  /** The order of its bytes. */
  readonly endian: "little" | "big";
  /** The machine by the name that uname(1) gives it, or `machine <number>`. */
  readonly machine: string;
  /** `shared` for position-independent programs too, as the file says. */
  readonly type: "executable" | "shared";
  /** The dynamic loader that the kernel starts for it (PT_INTERP); none in a static program. */
  readonly interpreter?: string | undefined;
  /** The C library that the loader belongs to, by its name; `none` without a loader. */
  readonly libc: "glibc" | "musl" | "none" | "unknown";
}

/** A program header, as far as it is needed. */
export interface Segment {
  readonly type: number;
  /** PF_X 1, PF_W 2, PF_R 4. */
  readonly flags: number;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
}

/** A stretch of a file. */
export interface Extent {
  readonly offset: number;
  readonly size: number;
}

/** An ELF file with what the parsers behind this one need. */
export interface ElfFile {
  readonly elf: Elf;
  readonly source: ByteSource;
  /** The PT_LOAD segments, in order. */
  readonly segments: readonly Segment[];
  /** The section header table; undefined if there is none that makes sense. */
  readonly sectionTable: (Extent & { readonly namesIndex: number }) | undefined;
}

/** The numbers of one file, in its own order and word size. Offsets beyond 2^53 stay beyond it. */
class Fields {
  readonly #view: DataView;
  readonly #little: boolean;
  readonly #wide: boolean;

  constructor(bytes: Uint8Array, elf: Pick<Elf, "class" | "endian">) {
    this.#view = viewOf(bytes);
    this.#little = elf.endian === "little";
    this.#wide = elf.class === 64;
  }

  half(offset: number): number {
    return this.#view.getUint16(offset, this.#little);
  }

  int(offset: number): number {
    return this.#view.getUint32(offset, this.#little);
  }

  word(offset: number): number {
    return this.#wide ? Number(this.#view.getBigUint64(offset, this.#little)) : this.int(offset);
  }
}

/** Whether bytes begin as an ELF file does. */
export function isElf(head: Uint8Array): boolean {
  return head[0] === 0x7f && head[1] === 0x45 && head[2] === 0x4c && head[3] === 0x46;
}

/** The C library that a loader belongs to, by the file name that each project gives its own. */
function libcOf(interpreter: string | undefined): Elf["libc"] {
  if (interpreter === undefined) return "none";
  const name = interpreter.slice(interpreter.lastIndexOf("/") + 1);
  if (name.startsWith("ld-musl-")) return "musl";
  // ld-linux*.so.N on most machines; ld64.so.N on s390x, powerpc64; ld.so.1 on s390, mips, powerpc.
  return /^(ld-linux.*|ld64|ld)\.so\.\d+$/.test(name) ? "glibc" : "unknown";
}

/**
 * Parses the ELF header, the program headers and the name of the loader.
 *
 * Layout: Elf32_Ehdr of 52 or Elf64_Ehdr of 64 bytes, then program headers of 32 or 56 bytes at
 * e_phoff; whatever lies behind is left alone.
 *
 * Source: elf(5); fs/binfmt_elf.c (load_elf_binary, load_elf_phdrs) @ v6.12.
 *
 * @throws {FormatError} where the kernel would not execute it on any machine (ENOEXEC)
 */
export function parseElf(source: ByteSource, path = "an ELF program"): ElfFile {
  const head = source.read(0, HEAD_SIZE);
  const fail = (what: string): never => {
    throw new FormatError(`Cannot read ${path}: ${what}`);
  };
  if (!isElf(head)) fail("it does not begin with \\x7fELF");
  if (head.length < (head[4] === 2 ? 64 : 52)) fail(`its header ends after ${head.length} bytes`);
  const elfClass = head[4] === 1 ? 32 : head[4] === 2 ? 64 : fail(`its class is ${head[4]}`);
  const endian = head[5] === 1 ? "little" : head[5] === 2 ? "big" : fail(`its data is ${head[5]}`);
  const wide = elfClass === 64;

  const fields = new Fields(head, { class: elfClass, endian });
  const type = TYPES[fields.half(16)] ?? fail(`its type ${fields.half(16)} is no program`);
  const machine = MACHINES[fields.half(18)] ?? `machine ${fields.half(18)}`;
  const headersAt = fields.word(wide ? 32 : 28);
  const entrySize = fields.half(wide ? 54 : 42);
  const count = fields.half(wide ? 56 : 44);
  const expectedSize = wide ? 56 : 32;
  if (entrySize !== expectedSize) {
    fail(`its program headers have ${entrySize} bytes, not ${expectedSize}`);
  }
  const size = count * entrySize;
  if (size === 0 || size > MAX_PROGRAM_HEADERS_SIZE) fail(`it has ${count} program headers`);
  const inHead = headersAt + size <= head.length;
  const table = inHead ? head.subarray(headersAt, headersAt + size) : source.read(headersAt, size);
  if (table.length < size) fail(`its program headers at ${headersAt} lie behind its end`);

  const rows = new Fields(table, { class: elfClass, endian });
  const segments: Segment[] = [];
  let interpreter: string | undefined;
  for (let at = 0; at < size; at += entrySize) {
    const segment: Segment = {
      type: rows.int(at),
      flags: rows.int(at + (wide ? 4 : 24)),
      offset: rows.word(at + (wide ? 8 : 4)),
      address: rows.word(at + (wide ? 16 : 8)),
      fileSize: rows.word(at + (wide ? 32 : 16)),
    };
    if (segment.type === PT_LOAD) segments.push(segment);
    // The kernel takes the first one.
    if (segment.type === PT_INTERP) interpreter ??= readInterpreter(source, segment, fail);
  }

  const elf: Elf = {
    class: elfClass,
    endian,
    machine,
    type,
    interpreter,
    libc: libcOf(interpreter),
  };
  const sectionSize = wide ? 64 : 40;
  const sectionCount = fields.half(wide ? 60 : 48);
  const sectionsAt = fields.word(wide ? 40 : 32);
  const isTable = fields.half(wide ? 58 : 46) === sectionSize && sectionCount > 0 &&
    sectionCount <= MAX_SECTIONS && sectionsAt > 0 &&
    sectionsAt + sectionCount * sectionSize <= source.size;
  return {
    elf,
    source,
    segments,
    sectionTable: isTable
      ? {
        offset: sectionsAt,
        size: sectionCount * sectionSize,
        namesIndex: fields.half(wide ? 62 : 50),
      }
      : undefined,
  };
}

function readInterpreter(
  source: ByteSource,
  segment: Segment,
  fail: (what: string) => never,
): string {
  const { offset, fileSize } = segment;
  if (fileSize < 2 || fileSize > PATH_MAX) fail(`the name of its loader has ${fileSize} bytes`);
  const name = source.read(offset, fileSize);
  if (name.length < fileSize) fail(`the name of its loader at ${offset} lies behind its end`);
  if (name[fileSize - 1] !== 0) fail("the name of its loader does not end with NUL");
  return new TextDecoder().decode(name.subarray(0, indexOrEnd(name, 0)));
}

/**
 * Finds a section by its name; undefined if it is not there or the section headers make no sense.
 *
 * Layout: Elf32_Shdr of 40 or Elf64_Shdr of 64 bytes each; names end with NUL.
 */
export function findSection(file: ElfFile, name: string): Extent | undefined {
  const { elf, source, sectionTable } = file;
  if (sectionTable === undefined) return undefined;
  const wide = elf.class === 64;
  const entrySize = wide ? 64 : 40;
  const table = source.read(sectionTable.offset, sectionTable.size);
  if (table.length < sectionTable.size) return undefined;
  const rows = new Fields(table, elf);
  const extent = (at: number): Extent => ({
    offset: rows.word(at + (wide ? 24 : 16)),
    size: rows.word(at + (wide ? 32 : 20)),
  });
  const namesAt = sectionTable.namesIndex * entrySize;
  if (namesAt + entrySize > table.length) return undefined;
  const { offset, size } = extent(namesAt);
  const names = source.read(offset, Math.min(size, MAX_SECTION_NAMES_SIZE));
  const wanted = new TextEncoder().encode(`${name}\0`);
  for (let at = 0; at < table.length; at += entrySize) {
    const nameAt = rows.int(at);
    if (rows.int(at + 4) === SHT_NOBITS) continue;
    if (wanted.every((byte, index) => names[nameAt + index] === byte)) return extent(at);
  }
  return undefined;
}

/** The bytes that a program sees at an address, as far as they come from its file. */
export function readAddress(
  file: ElfFile,
  address: number,
  length: number,
): Uint8Array | undefined {
  for (const segment of file.segments) {
    const into = address - segment.address;
    if (into < 0 || into >= segment.fileSize || length > segment.fileSize - into) continue;
    const bytes = file.source.read(segment.offset + into, length);
    return bytes.length === length ? bytes : undefined;
  }
  return undefined;
}
