/**
 * Hostile bytes: each gives an answer or a FormatError, and soon. `MPTCPIZE_FUZZ=200000` for a long run.
 */

import { ok } from "node:assert/strict";
import { FormatError, MptcpizeError } from "../errors.ts";
import { bytesSource } from "./byte_source.ts";
import { isElf, parseElf } from "./elf.ts";
import { parseGoBuild } from "./go.ts";
import { readProgram } from "./read.ts";
import { parseScriptLine } from "./script.ts";
import { parseFileCapabilities } from "./setid.ts";
import { CAPTURED_NAMES, capturedProgram } from "./testing/captured.ts";
import { buildElf, inlineGoRecord, pointerGoRecord } from "./testing/elf_builder.ts";
import { temporaryDirectory } from "./testing/execution.ts";
import { Random, runSeed } from "./testing/random.ts";

const ROUNDS = Number(Deno.env.get("MPTCPIZE_FUZZ") ?? 6000);
/** For one file: endless, not slow. The slowest here takes milliseconds, but a machine may be busy. */
const LIMIT_MS = 10_000;
/** More than any file here needs: table and names of the sections, version and modules, a scan. */
const LIMIT_READ = 8 << 20;

/** Reads bytes as a program; true if they are one. Fails on any other error, on time and on size. */
function survives(bytes: Uint8Array, context: () => string): boolean {
  const start = performance.now();
  let readBytes = 0;
  const source = bytesSource(bytes);
  const counted = {
    size: source.size,
    read(offset: number, length: number) {
      readBytes += length;
      return source.read(offset, length);
    },
  };
  let accepted = true;
  try {
    if (isElf(bytes)) parseGoBuild(parseElf(counted));
    else parseScriptLine(bytes.subarray(0, 256));
    parseFileCapabilities(bytes.subarray(0, 24));
  } catch (error) {
    ok(error instanceof FormatError, `${context()}: ${error instanceof Error && error.stack}`);
    accepted = false;
  }
  const took = performance.now() - start;
  ok(took < LIMIT_MS, `${context()}: ${took} ms`);
  ok(readBytes < LIMIT_READ, `${context()}: ${readBytes} bytes were asked for`);
  return accepted;
}

function samples(): { readonly name: string; readonly bytes: Uint8Array }[] {
  const modules = "path\tx\nmod\tx\tv1\nbuild\tDefaultGODEBUG=multipathtcp=0\n";
  const built = ([32, 64] as const).flatMap((wordClass) =>
    (["little", "big"] as const).flatMap((endian) => {
      const plan = { class: wordClass, endian };
      const records = {
        inline: inlineGoRecord("go1.22.3", modules),
        pointers: pointerGoRecord(plan, "go1.16.4", modules),
      };
      return Object.entries(records).flatMap(([form, data]) =>
        [".go.buildinfo", undefined].map((section) => ({
          name: `built ${form} ${wordClass} ${endian} ${section}`,
          bytes: buildElf({
            ...plan,
            data,
            interpreter: "/lib/ld.so.1",
            ...(section === undefined ? {} : { section }),
          }),
        }))
      );
    })
  );
  // Captured files are megabytes of zeros behind their headers; a copy for each round would be slow.
  const captured = CAPTURED_NAMES.map((name) => ({
    name: `captured ${name}`,
    bytes: capturedProgram(name).slice(0, 16384),
  }));
  return [...built, ...captured];
}

const INTERESTING = [
  0n,
  1n,
  0x7fn,
  0xffn,
  0x7fffn,
  0xffffn,
  0x7fff_ffffn,
  0xffff_ffffn,
  1n << 53n,
  (1n << 63n) - 1n,
  (1n << 64n) - 1n,
];

function mutate(bytes: Uint8Array, random: Random): void {
  const view = new DataView(bytes.buffer);
  // Half of the changes meet the headers, where they matter most.
  const at = random.below(random.below(2) === 0 ? Math.min(320, bytes.length) : bytes.length);
  const little = random.below(2) === 0;
  const value = random.pick(INTERESTING);
  const choice = random.below(5);
  if (choice === 0) bytes[at] = random.below(256);
  else if (choice === 1) bytes[at]! ^= 1 << random.below(8);
  else if (choice === 2 && at + 2 <= bytes.length) {
    view.setUint16(at, Number(value & 0xffffn), little);
  } else if (choice === 3 && at + 4 <= bytes.length) {
    view.setUint32(at, Number(value & 0xffff_ffffn), little);
  } else if (at + 8 <= bytes.length) {
    view.setBigUint64(at, value, little);
  }
}

Deno.test("parsers answer or throw FormatError when a program is cut off anywhere", () => {
  for (const { name, bytes } of samples()) {
    ok(survives(bytes, () => name), `${name} is no program as it is`);
    for (let length = 0; length < Math.min(bytes.length, 2200); length++) {
      survives(bytes.slice(0, length), () => `${name} cut at ${length}`);
    }
  }
});

Deno.test("parsers answer or throw FormatError when bytes of a program are changed", () => {
  const seed = runSeed();
  const random = new Random(seed);
  const originals = samples();
  let accepted = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const { name, bytes } = random.pick(originals);
    const changed = bytes.slice();
    for (let change = random.below(8); change >= 0; change--) mutate(changed, random);
    if (survives(changed, () => `${name}, seed ${seed}, round ${round}`)) accepted++;
  }
  // A fuzzer all of whose files fail at the first check tests nothing else.
  ok(
    accepted > ROUNDS / 10 && accepted < ROUNDS,
    `${accepted} of ${ROUNDS} accepted, seed ${seed}`,
  );
});

Deno.test("parsers answer or throw FormatError when bytes are random", () => {
  const seed = runSeed();
  const random = new Random(seed);
  for (let round = 0; round < ROUNDS; round++) {
    const bytes = Uint8Array.from({ length: random.below(600) }, () => random.below(256));
    const prefix = random.pick([[], [0x7f, 0x45, 0x4c, 0x46, 1 + random.below(2), 1], [
      0x23,
      0x21,
    ]]);
    bytes.set(prefix.slice(0, bytes.length));
    survives(bytes, () => `random bytes, seed ${seed}, round ${round}`);
  }
});

Deno.test("readProgram() answers or throws an error of ours when a file is changed", () => {
  const seed = runSeed();
  const random = new Random(seed);
  const originals = samples();
  using directory = temporaryDirectory();
  const path = `${directory.path}/program`;
  for (let round = 0; round < ROUNDS / 10; round++) {
    const { name, bytes } = random.pick(originals);
    const changed = bytes.slice(0, random.below(4) === 0 ? random.below(bytes.length) : undefined);
    if (changed.length > 0) mutate(changed, random);
    Deno.writeFileSync(path, changed);
    try {
      readProgram(path);
    } catch (error) {
      ok(error instanceof MptcpizeError, `${name}, seed ${seed}, round ${round}: ${error}`);
    }
  }
});
