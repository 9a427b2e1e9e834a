import { deepStrictEqual, doesNotThrow } from "node:assert";
import { bytesSource } from "./byte_source.ts";
import { parseElf } from "./elf.ts";
import { nameIn } from "./symbols.ts";
import { buildElf } from "./testing/elf_builder.ts";
import { Random, runSeed } from "./testing/random.ts";

interface Row {
  readonly name: string;
  readonly info: number;
  readonly start: number;
  readonly size: number;
}
const [LOCAL, GLOBAL, WEAK] = [0, 0x10, 0x20];
const FUNC = 2;
const SECTION = 64;

/** A program whose section headers give it a symbol table. */
function withSymbols(rows: readonly Row[]): Uint8Array<ArrayBuffer> {
  const base = buildElf({ class: 64, endian: "little" });
  const encoder = new TextEncoder();
  const sectionNames = encoder.encode("\0.symtab\0.strtab\0.shstrtab\0");
  const names = encoder.encode("\0" + rows.map(({ name }) => `${name}\0`).join(""));
  const symbols = new Uint8Array(24 * rows.length);
  const view = new DataView(symbols.buffer);
  let nameAt = 1;
  rows.forEach(({ name, info, start, size }, index) => {
    view.setUint32(24 * index, nameAt, true);
    view.setUint8(24 * index + 4, info);
    view.setBigUint64(24 * index + 8, BigInt(start), true);
    view.setBigUint64(24 * index + 16, BigInt(size), true);
    nameAt += encoder.encode(name).length + 1;
  });
  const parts = [base, symbols, names, sectionNames];
  const offsets = parts.map((_, index) =>
    parts.slice(0, index).reduce((sum, part) => sum + part.length, 0)
  );
  const end = offsets[3]! + sectionNames.length;
  const bytes = new Uint8Array(end + 4 * SECTION);
  parts.forEach((part, index) => bytes.set(part, offsets[index]));
  const whole = new DataView(bytes.buffer);
  [[1, 2, 1], [9, 3, 2], [17, 3, 3]].forEach(([name, type, part], index) => {
    const at = end + (index + 1) * SECTION;
    whole.setUint32(at, name!, true);
    whole.setUint32(at + 4, type!, true);
    whole.setBigUint64(at + 24, BigInt(offsets[part!]!), true);
    whole.setBigUint64(at + 32, BigInt(parts[part!]!.length), true);
  });
  whole.setBigUint64(40, BigInt(end), true);
  whole.setUint16(58, SECTION, true);
  whole.setUint16(60, 4, true);
  whole.setUint16(62, 3, true);
  return bytes;
}

const name = (bytes: Uint8Array, ...addresses: number[]) =>
  nameIn(parseElf(bytesSource(bytes)), addresses);

Deno.test("nameIn() takes the innermost function, and of its names the one that is called", () => {
  const bytes = withSymbols([
    { name: "data", info: GLOBAL | 1, start: 0x1000, size: 0x1000 },
    { name: "whole", info: GLOBAL | FUNC, start: 0x1000, size: 0x100 },
    { name: "__socket", info: GLOBAL | FUNC, start: 0x1040, size: 0x20 },
    { name: "socket", info: WEAK | FUNC, start: 0x1040, size: 0x20 },
    { name: "_s", info: GLOBAL | FUNC, start: 0x1040, size: 0x20 },
    { name: "own", info: LOCAL | FUNC, start: 0x1040, size: 0x20 },
    { name: "", info: GLOBAL | FUNC, start: 0x1050, size: 1 },
    { name: "é", info: GLOBAL | FUNC, start: 0x2000, size: 2 },
  ]);
  deepStrictEqual(name(bytes, 0x1047, 0x1040, 0x1060, 0x10ff, 0x1100, 0xfff, 0x1050, 0x2001), [
    "socket+7",
    "socket",
    "whole+96",
    "whole+255",
    undefined,
    undefined,
    "socket+16",
    "é+1",
  ]);
});

Deno.test("nameIn() names nothing when there is no table, and does not fail when it is damaged", () => {
  deepStrictEqual(name(buildElf({ class: 64, endian: "little" }), 0x1000), [undefined]);
  const bytes = withSymbols([{ name: "f", info: FUNC, start: 0x1000, size: 16 }]);
  const head = buildElf({ class: 64, endian: "little" }).length;
  const seed = runSeed();
  const random = new Random(seed);
  for (let round = 0; round < 500; round++) {
    const damaged = bytes.slice();
    for (let count = 0; count < 8; count++) {
      damaged[head + random.below(damaged.length - head)] = random.below(256);
    }
    doesNotThrow(() => name(damaged, 0x1000, 0x1008), `MPTCPIZE_SEED=${seed}`);
  }
  for (let length = head; length < bytes.length; length++) {
    name(bytes.subarray(0, length), 0x1000);
  }
});
