/**
 * The functions of a program file by name, where its symbol table was kept.
 *
 * @module
 */

import { type ByteSource, viewOf } from "./byte_source.ts";
import { type ElfFile, type Extent, findSection, parseElf } from "./elf.ts";
import { displayPath, openProgramFile } from "./open.ts";
import { toBytes } from "./path_lookup.ts";

const STT_FUNC = 2;
const STB_LOCAL = 0;
const SYMBOL_SIZE = 24;
/** At a time; the table of a large program has many megabytes. */
const CHUNK = SYMBOL_SIZE << 15;
/** The longest name that is shown; those of C++ and Rust may be longer than any line. */
const MAX_NAME = 256;

/** A function that contains an address. */
interface Candidate {
  readonly start: number;
  readonly name: string;
  readonly isLocal: boolean;
}

/** Of several names of one function: the one that programs call, `socket` rather than `__socket`. */
function isBetter(left: Candidate, right: Candidate | undefined): boolean {
  if (right === undefined) return true;
  // The innermost.
  if (left.start !== right.start) return left.start > right.start;
  if (left.isLocal !== right.isLocal) return right.isLocal;
  const underscores = (name: string) => name.length - name.replace(/^_+/, "").length;
  return underscores(left.name) < underscores(right.name);
}

function readName(source: ByteSource, names: Extent, at: number): string {
  if (at >= names.size) return "";
  const bytes = source.read(names.offset + at, Math.min(MAX_NAME, names.size - at));
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(bytes.subarray(0, end === -1 ? bytes.length : end));
}

/** A candidate with how far into it an address lies. */
function text(found: Candidate | undefined, address: number): string | undefined {
  if (found === undefined) return undefined;
  const into = address - found.start;
  return into === 0 ? found.name : `${found.name}+${into}`;
}

/**
 * The function that each address lies in, as `socket+7`; undefined where the file does not tell, as
 * a stripped one.
 *
 * Layout: Elf64_Sym of 24 bytes in `.symtab`, names in `.strtab`. Source: elf(5).
 */
export function nameIn(
  file: ElfFile,
  addresses: readonly number[],
): (string | undefined)[] {
  const { elf, source } = file;
  const symbols = findSection(file, ".symtab");
  const names = findSection(file, ".strtab");
  const best = addresses.map((): Candidate | undefined => undefined);
  if (elf.class !== 64 || symbols === undefined || names === undefined) {
    return best.map(() => undefined);
  }
  const little = elf.endian === "little";
  const size = Math.min(symbols.size, source.size - symbols.offset);
  for (let done = 0; done < size; done += CHUNK) {
    const bytes = source.read(symbols.offset + done, Math.min(CHUNK, size - done));
    const view = viewOf(bytes);
    for (let at = 0; at + SYMBOL_SIZE <= bytes.length; at += SYMBOL_SIZE) {
      if ((bytes[at + 4]! & 15) !== STT_FUNC) continue;
      const start = Number(view.getBigUint64(at + 8, little));
      const end = start + Number(view.getBigUint64(at + 16, little));
      addresses.forEach((address, index) => {
        if (address < start || address >= end) return;
        const name = readName(source, names, view.getUint32(at, little));
        const candidate = { start, name, isLocal: bytes[at + 4]! >> 4 === STB_LOCAL };
        if (name !== "" && isBetter(candidate, best[index])) best[index] = candidate;
      });
    }
  }
  return addresses.map((address, index) => text(best[index], address));
}

/**
 * The functions that addresses of a program lie in, as `socket+7`; undefined for those that its file
 * does not name.
 *
 * @throws {NotFoundError} if the file is not there
 * @throws {NotPermittedError} if it is no regular file
 * @throws {FormatError} if it is no ELF file that a kernel executes
 */
export function nameAddresses(
  path: string | Uint8Array,
  addresses: readonly number[],
): (string | undefined)[] {
  const bytes = toBytes(path);
  using file = openProgramFile(bytes);
  if (file.source === undefined) return addresses.map(() => undefined);
  return nameIn(parseElf(file.source, displayPath(bytes)), addresses);
}
