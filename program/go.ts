/**
 * What the Go linker writes about a program: its version, its module and its settings.
 *
 * Go programs make their system calls themselves, so no preload library reaches them; from Go 1.21 on
 * the GODEBUG variable does. The record is in every Go program since Go 1.13, stripped or not.
 *
 * @module
 */

import { type ByteSource, viewOf } from "./byte_source.ts";
import { type ElfFile, type Extent, findSection, readAddress } from "./elf.ts";

/** What a Go program says of how it was built. */
export interface GoBuild {
  /** As the toolchain names itself: `go1.23.5`, `go1.21rc2 X:boringcrypto`, `devel go1.24-5b20db0`. */
  readonly version: string;
  /** The release that `version` names or leads to; undefined where it names none. */
  readonly release?: { readonly major: number; readonly minor: number } | undefined;
  /** The package that was built, such as `example.org/cmd/tool`. */
  readonly mainPackage?: string | undefined;
  /** The module that it belongs to. */
  readonly mainModule?: string | undefined;
  /** The GODEBUG that is built in, before what the environment says: `multipathtcp=0,panicnil=1`. */
  readonly defaultGodebug?: string | undefined;
  /** Whether it may call C code; undefined where the record does not say (before Go 1.18). */
  readonly cgoEnabled?: boolean | undefined;
}

const MAGIC = Uint8Array.from("\xff Go buildinf:", (character) => character.charCodeAt(0));
const ALIGNMENT = 16;
const HEADER_SIZE = 32;
const FLAG_BIG_ENDIAN = 1;
const FLAG_INLINE_STRINGS = 2;
/** debug/buildinfo looks this far into the data of a program without section headers. */
const SCAN_SIZE = 1 << 20;
const CHUNK_SIZE = 1 << 16;
const MAX_VERSION_LENGTH = 1024;
const MAX_MODULES_LENGTH = 4 << 20;
const PF_X = 1;
const PF_W = 2;
const MARK_SIZE = 16;
const NEWLINE = 0x0a;
const decoder = new TextDecoder();

/**
 * Parses the record of the Go linker, or what its table of lines tells where that is missing; undefined
 * if there is neither, so the program is not written in Go.
 *
 * A record that cannot be followed still tells that it is Go: its version is then `unknown`, or
 * `before go1.18` with that last release where the form of the record tells so much.
 *
 * Layout: in section `.go.buildinfo`, or without section headers in the first writable segment: magic
 * of 14 bytes at a multiple of 16, [14] pointer size, [15] flags. With flag 2 (Go ≥ 1.18) at 32: two
 * strings, version and modules, each behind its length as uvarint. Else at 16 two pointers to Go
 * strings (pointer, length), in the order of flag 1. The modules stand between two marks of 16 bytes.
 *
 * Source: Go 1.23, src/debug/buildinfo/buildinfo.go.
 */
export function parseGoBuild(file: ElfFile): GoBuild | undefined {
  const section = findSection(file, ".go.buildinfo");
  const where = section ?? (file.sectionTable === undefined ? firstData(file) : undefined);
  const at = where && findMagic(file.source, where);
  if (at === undefined) return parseLineTable(file);
  const header = file.source.read(at, HEADER_SIZE);
  if (header.length < HEADER_SIZE) return undefined;
  if (((header[15] ?? 0) & FLAG_INLINE_STRINGS) !== 0) return parseInline(file.source, at);
  return parsePointers(file, header);
}

/**
 * What the table of functions and lines tells, which the runtime needs itself: esbuild, for one, comes
 * without the linker's record.
 *
 * Layout: section `.gopclntab`, position-independent `.data.rel.ro.gopclntab`: u32 magic.
 *
 * Source: Go 1.26, src/debug/gosym/pclntab.go.
 */
function parseLineTable(file: ElfFile): GoBuild | undefined {
  const table = findSection(file, ".gopclntab") ??
    findSection(file, ".data.rel.ro.gopclntab");
  const bytes = table && file.source.read(table.offset, 4);
  if (bytes?.length !== 4) return undefined;
  switch (viewOf(bytes).getUint32(0, file.elf.endian === "little")) {
    case 0xfffffff1:
      return { version: "go1.20 or newer" };
    case 0xfffffff0: // 1.18
    case 0xfffffffa: // 1.16
    case 0xfffffffb: // 1.2
      return { ...goBuild("before go1.20"), release: { major: 1, minor: 19 } };
    default:
      return undefined;
  }
}

function firstData(file: ElfFile): Extent | undefined {
  const segment = file.segments.find(({ flags }) => (flags & (PF_W | PF_X)) === PF_W);
  return segment && { offset: segment.offset, size: segment.fileSize };
}

/** Where the record begins. Segments and the section lie so that offsets align as addresses do. */
function findMagic(source: ByteSource, where: Extent): number | undefined {
  const end = where.offset + Math.min(where.size, SCAN_SIZE);
  let start = where.offset;
  while (start < end) {
    const chunk = source.read(start, Math.min(CHUNK_SIZE, end - start));
    for (let at = 0; at + HEADER_SIZE <= chunk.length; at += ALIGNMENT) {
      if (MAGIC.every((byte, index) => chunk[at + index] === byte)) return start + at;
    }
    // The next chunk begins with what was too short here for a whole header.
    if (chunk.length < CHUNK_SIZE) return undefined;
    start += CHUNK_SIZE - ALIGNMENT;
  }
  return undefined;
}

function parseInline(source: ByteSource, at: number): GoBuild {
  const version = readInlineString(source, at + HEADER_SIZE, MAX_VERSION_LENGTH);
  if (version === undefined) return goBuild("unknown");
  const modules = readInlineString(source, version.end, MAX_MODULES_LENGTH);
  return goBuild(decoder.decode(version.bytes), modules?.bytes);
}

function readInlineString(
  source: ByteSource,
  at: number,
  limit: number,
): { readonly bytes: Uint8Array; readonly end: number } | undefined {
  const head = source.read(at, 10);
  let length = 0;
  for (let index = 0; index < head.length; index++) {
    const byte = head[index]!;
    length += (byte & 0x7f) * 2 ** (7 * index);
    if (byte >= 0x80) continue;
    if (length > limit) return undefined;
    const start = at + index + 1;
    const bytes = source.read(start, length);
    return bytes.length < length ? undefined : { bytes, end: start + length };
  }
  return undefined;
}

function parsePointers(file: ElfFile, header: Uint8Array): GoBuild {
  const pointerSize = header[14] === 8 ? 8 : 4;
  const little = ((header[15] ?? 0) & FLAG_BIG_ENDIAN) === 0;
  const word = (bytes: Uint8Array, at: number): number =>
    pointerSize === 8
      ? Number(viewOf(bytes).getBigUint64(at, little))
      : viewOf(bytes).getUint32(at, little);
  const readString = (pointerAt: number, limit: number): Uint8Array | undefined => {
    const string = readAddress(file, word(header, pointerAt), 2 * pointerSize);
    if (string === undefined) return undefined;
    const length = word(string, pointerSize);
    return length > limit ? undefined : readAddress(file, word(string, 0), length);
  };
  const version = readString(16, MAX_VERSION_LENGTH);
  // Empty where the loader would fill the pointers in (relocations of position-independent programs).
  if (version === undefined || version.length === 0) {
    return { ...goBuild("before go1.18"), release: { major: 1, minor: 17 } };
  }
  return goBuild(decoder.decode(version), readString(16 + pointerSize, MAX_MODULES_LENGTH));
}

function goBuild(version: string, markedModules?: Uint8Array): GoBuild {
  const facts = parseModules(markedModules ?? new Uint8Array());
  return {
    version,
    release: parseRelease(version),
    mainPackage: facts.get("path"),
    mainModule: facts.get("mod")?.split("\t")[0],
    defaultGodebug: facts.get("DefaultGODEBUG"),
    cgoEnabled: facts.has("CGO_ENABLED") ? facts.get("CGO_ENABLED") === "1" : undefined,
  };
}

/** The lines `path`, `mod` and `build` by their names; the first of each. */
function parseModules(marked: Uint8Array): Map<string, string> {
  const facts = new Map<string, string>();
  // As debug/buildinfo: text ends with a newline before the closing mark, or there is none.
  if (marked.length < 2 * MARK_SIZE + 1 || marked.at(-MARK_SIZE - 1) !== NEWLINE) return facts;
  for (const line of decoder.decode(marked.subarray(MARK_SIZE, -MARK_SIZE)).split("\n")) {
    const tab = line.indexOf("\t");
    const [kind, rest] = [line.slice(0, tab), line.slice(tab + 1)];
    const equals = rest.indexOf("=");
    if (kind === "path" || kind === "mod") addFirst(facts, kind, rest);
    else if (kind === "build") addFirst(facts, rest.slice(0, equals), rest.slice(equals + 1));
  }
  return facts;
}

function addFirst(facts: Map<string, string>, key: string, value: string): void {
  if (!facts.has(key)) facts.set(key, value);
}

/** The release that a version names: `devel go1.24-5b20db0` is on its way to 1.24. */
export function parseRelease(version: string): GoBuild["release"] {
  const match = /\bgo(\d{1,4})(?!\d)(?:\.(\d{1,4})(?!\d))?/.exec(version);
  return match ? { major: Number(match[1]), minor: Number(match[2] ?? 0) } : undefined;
}
