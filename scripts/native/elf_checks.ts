/**
 * What must hold of the native files, read from the files themselves.
 *
 * @module
 */

const PT_INTERP = 3;
const PT_LOAD = 1;
const PT_GNU_STACK = 0x6474e551;
const PT_GNU_RELRO = 0x6474e552;
const SHT_DYNAMIC = 6;
const SHT_DYNSYM = 11;
const DT_NEEDED = 1n;
const STB_WEAK = 2;

/** What a library of ours exports. */
const EXPORTED = ["getsockopt", "setsockopt", "socket"];
const EXPORTED_TO_REPORT = [
  "_Exit",
  "_exit",
  "close",
  "close_range",
  "prctl",
  "shutdown",
  ...EXPORTED,
];
const EXPORTED_TO_DENO = ["child_is", "end_as", "pass_signals", "wait_for_child"];
/** What the C library of the program may offer; the library lives without. */
const WANTED = ["__environ", "__errno_location"];

interface Section {
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
}

/** The faults of the built preload library; none if it may be shipped. */
export function inspectLibrary(file: Uint8Array<ArrayBuffer>): string[] {
  return inspectShared(file, EXPORTED, WANTED);
}

/** The faults of the built preload library that reports; none if it may be shipped. */
export function inspectReportLibrary(file: Uint8Array<ArrayBuffer>): string[] {
  return inspectShared(file, EXPORTED_TO_REPORT, WANTED);
}

/** The faults of the built library for the parent of a command; none if it may be shipped. */
export function inspectChildLibrary(file: Uint8Array<ArrayBuffer>): string[] {
  return inspectShared(file, EXPORTED_TO_DENO, []);
}

/** Layout: ELF64 little endian, include/uapi/linux/elf.h @ v6.12. */
function inspectShared(
  file: Uint8Array<ArrayBuffer>,
  wantedExports: readonly string[],
  wanted: readonly string[],
): string[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const u16 = (at: number) => view.getUint16(at, true);
  const u32 = (at: number) => view.getUint32(at, true);
  const u64 = (at: number) => Number(view.getBigUint64(at, true));
  const text = (at: number) => new TextDecoder().decode(file.subarray(at, file.indexOf(0, at)));
  const faults: string[] = [];

  const segments = Array.from({ length: u16(56) }, (_, index) => {
    const at = u64(32) + index * u16(54);
    return { type: u32(at), flags: u32(at + 4) };
  });
  if (segments.some(({ type }) => type === PT_INTERP)) faults.push("it names an interpreter");
  if (!segments.some(({ type }) => type === PT_GNU_RELRO)) faults.push("it has no RELRO");
  for (const { type, flags } of segments) {
    if ((type === PT_LOAD || type === PT_GNU_STACK) && (flags & 3) === 3) {
      faults.push("something is writable and executable");
    }
  }

  const sections: Section[] = Array.from({ length: u16(60) }, (_, index) => {
    const at = u64(40) + index * u16(58);
    return { type: u32(at + 4), offset: u64(at + 24), size: u64(at + 32), link: u32(at + 40) };
  });
  const dynamic = sections.find(({ type }) => type === SHT_DYNAMIC);
  const symbols = sections.find(({ type }) => type === SHT_DYNSYM);
  const strings = symbols && sections[symbols.link];
  if (!dynamic || !symbols || !strings) return [...faults, "it has no dynamic section"];

  for (let at = dynamic.offset; at < dynamic.offset + dynamic.size; at += 16) {
    if (view.getBigUint64(at, true) === DT_NEEDED) {
      faults.push(`it needs ${text(strings.offset + u64(at + 8))}`);
    }
  }
  const exported: string[] = [];
  for (let at = symbols.offset + 24; at < symbols.offset + symbols.size; at += 24) {
    const name = text(strings.offset + u32(at));
    if (u16(at + 6) !== 0) exported.push(name);
    else if (file[at + 4]! >> 4 !== STB_WEAK) faults.push(`it cannot do without ${name}`);
    else if (!wanted.includes(name)) faults.push(`it asks for ${name}`);
  }
  if (exported.sort().join() !== wantedExports.toSorted().join()) {
    faults.push(`it exports ${exported.join(", ")}`);
  }
  return faults;
}

const PT_DYNAMIC = 2;
const ET_EXEC = 2;

/**
 * The faults of a built launcher or patcher; none if it may be shipped.
 *
 * Layout: as in {@linkcode inspectLibrary}.
 */
export function inspectProgram(file: Uint8Array<ArrayBuffer>): string[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const faults: string[] = [];
  if (view.getUint16(16, true) !== ET_EXEC) faults.push("it has no fixed address");
  const start = Number(view.getBigUint64(32, true));
  const segments = Array.from({ length: view.getUint16(56, true) }, (_, index) => {
    const at = start + index * view.getUint16(54, true);
    return { type: view.getUint32(at, true), flags: view.getUint32(at + 4, true) };
  });
  if (segments.some(({ type }) => type === PT_INTERP || type === PT_DYNAMIC)) {
    faults.push("it is not static");
  }
  if (segments.find(({ type }) => type === PT_GNU_STACK)?.flags !== 6) {
    faults.push("its stack is executable");
  }
  const loads = segments.filter(({ type }) => type === PT_LOAD);
  if (loads.length !== 1 || loads[0]!.flags !== 5) faults.push("it is more than one R-X segment");
  return faults;
}
