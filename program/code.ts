/**
 * The code of a program file: what of it is executed and never written.
 *
 * @module
 */

import { parseElf } from "./elf.ts";
import { displayPath, openProgramFile } from "./open.ts";
import { toBytes } from "./path_lookup.ts";

const PF_X = 1;
const PF_W = 2;

/** A stretch of code as it lies in a program. */
export interface CodeSegment {
  /** Where it lies, before the program is moved as a whole. */
  readonly address: number;
  /** What of it the file has. */
  readonly bytes: Uint8Array;
}

/**
 * Reads the code of an ELF program; none of a file that may not be read.
 *
 * @throws {NotFoundError} if it is not there
 * @throws {NotPermittedError} if it is no regular file
 * @throws {FormatError} if it is no ELF file that a kernel executes
 */
export function readCode(path: string | Uint8Array): CodeSegment[] {
  const bytes = toBytes(path);
  using file = openProgramFile(bytes);
  const { source } = file;
  if (source === undefined) return [];
  return parseElf(source, displayPath(bytes)).segments
    .filter(({ flags }) => (flags & (PF_X | PF_W)) === PF_X)
    .map(({ address, offset, fileSize }) => ({ address, bytes: source.read(offset, fileSize) }));
}
