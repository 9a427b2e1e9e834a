import { deepEqual, equal } from "node:assert/strict";
import { bytesSource } from "./byte_source.ts";
import { parseElf } from "./elf.ts";
import { type GoBuild, parseGoBuild, parseRelease } from "./go.ts";
import { capturedProgram } from "./testing/captured.ts";
import {
  buildElf,
  DATA_OFFSET,
  type ElfPlan,
  inlineGoRecord,
  pointerGoRecord,
} from "./testing/elf_builder.ts";

const parse = (bytes: Uint8Array) => parseGoBuild(parseElf(bytesSource(bytes)));
const X86: ElfPlan = { class: 64, endian: "little" };
const MODULES = "path\texample.org/cmd/tool\nmod\texample.org/tool\tv1.2.3\th1:abc=\n" +
  "dep\texample.org/other\tv0.1.0\th1:def=\nbuild\t-compiler=gc\nbuild\tCGO_ENABLED=0\n" +
  "build\tDefaultGODEBUG=multipathtcp=0,panicnil=1\n";
const FACTS = {
  mainPackage: "example.org/cmd/tool",
  mainModule: "example.org/tool",
  defaultGodebug: "multipathtcp=0,panicnil=1",
  cgoEnabled: false,
};
const NO_FACTS = {
  mainPackage: undefined,
  mainModule: undefined,
  defaultGodebug: undefined,
  cgoEnabled: undefined,
};

const goProgram = (data: Uint8Array, plan: ElfPlan = X86) =>
  buildElf({ ...plan, data, section: ".go.buildinfo" });

Deno.test("parseGoBuild() is undefined when a program is not written in Go", () => {
  equal(parse(capturedProgram("debian_true")), undefined);
  equal(parse(capturedProgram("busybox_static")), undefined);
  equal(parse(buildElf({ ...X86, data: new Uint8Array(100), section: ".data" })), undefined);
  equal(parse(goProgram(new Uint8Array(100))), undefined);
  equal(parse(goProgram(new Uint8Array())), undefined);
});

Deno.test("parseGoBuild() goes by the table of lines when the record is missing", () => {
  const table = (magic: number, section: string, plan: ElfPlan = X86) => {
    const data = new Uint8Array(64);
    new DataView(data.buffer).setUint32(0, magic, plan.endian !== "big");
    return parse(buildElf({ ...plan, data, section }));
  };
  equal(table(0xfffffff1, ".gopclntab")?.version, "go1.20 or newer");
  equal(table(0xfffffff1, ".gopclntab")?.release, undefined);
  equal(table(0xfffffff1, ".data.rel.ro.gopclntab")?.version, "go1.20 or newer");
  for (const magic of [0xfffffff0, 0xfffffffa, 0xfffffffb]) {
    deepEqual(table(magic, ".gopclntab")?.release, { major: 1, minor: 19 });
  }
  equal(table(0xfffffff2, ".gopclntab"), undefined);
  equal(table(0xfffffff1, ".rodata"), undefined);
  equal(parse(buildElf({ ...X86, data: new Uint8Array(3), section: ".gopclntab" })), undefined);
});

Deno.test("parseGoBuild() reads captured programs as `go version -m` does", () => {
  const tool = { mainPackage: "example.org/tool", mainModule: "example.org/tool" };
  const baked = "asynctimerchan=1,gotypesalias=0,httplaxcontentlength=1,httpmuxgo121=1," +
    "httpservecontentkeepheaders=1,panicnil=1,tls10server=1,tls3des=1,tlskyber=0,tlsrsakex=1," +
    "tlsunsafeekm=1,winreadlinkvolume=0,winsymlink=0,x509keypairleaf=0,x509negativeserial=1";
  const go19: GoBuild = {
    version: "go1.19.8",
    release: { major: 1, minor: 19 },
    ...tool,
    defaultGodebug: undefined,
    cgoEnabled: true,
  };
  const go23: GoBuild = {
    version: "go1.23.5",
    release: { major: 1, minor: 23 },
    ...tool,
    defaultGodebug: baked,
    cgoEnabled: true,
  };
  deepEqual(parse(capturedProgram("go1_19_amd64")), go19);
  deepEqual(parse(capturedProgram("go1_19_pie")), go19);
  deepEqual(parse(capturedProgram("go1_19_mips")), { ...go19, cgoEnabled: false });
  deepEqual(parse(capturedProgram("go1_23_amd64")), go23);
  deepEqual(parse(capturedProgram("go1_23_no_sections")), go23);
  deepEqual(parse(capturedProgram("go1_23_arm")), { ...go23, cgoEnabled: false });
  deepEqual(parse(capturedProgram("go1_23_s390x")), { ...go23, cgoEnabled: false });
});

for (const wordClass of [32, 64] as const) {
  for (const endian of ["little", "big"] as const) {
    const plan: ElfPlan = { class: wordClass, endian };

    Deno.test(`parseGoBuild() follows pointers of ${wordClass} bits, ${endian}-endian`, () => {
      const record = pointerGoRecord(plan, "go1.16.15", MODULES);
      const expected = { version: "go1.16.15", release: { major: 1, minor: 16 }, ...FACTS };
      deepEqual(parse(goProgram(record, plan)), expected);
      deepEqual(parse(buildElf({ ...plan, data: record })), expected);
    });
  }
}

Deno.test("parseGoBuild() reads inline strings when they are longer than one byte can count", () => {
  const filler = "build\t-ldflags=\"-X 'a=b'\"\n".repeat(4000);
  deepEqual(parse(goProgram(inlineGoRecord("go1.22.1", filler + MODULES))), {
    version: "go1.22.1",
    release: { major: 1, minor: 22 },
    ...FACTS,
  });
});

Deno.test("parseGoBuild() takes the first of lines that occur twice", () => {
  const build = parse(
    goProgram(inlineGoRecord("go1.22", "path\ta\npath\tb\nbuild\tCGO_ENABLED=1\n" + MODULES)),
  );
  equal(build?.mainPackage, "a");
  equal(build?.cgoEnabled, true);
});

Deno.test("parseGoBuild() keeps the version when the modules make no sense", () => {
  const expected = { version: "go1.20", release: { major: 1, minor: 20 }, ...NO_FACTS };
  deepEqual(parse(goProgram(inlineGoRecord("go1.20", ""))), expected);
  deepEqual(parse(goProgram(inlineGoRecord("go1.20", "path\tno newline at the end"))), expected);
  const long = inlineGoRecord("go1.20", "");
  deepEqual(parse(goProgram(Uint8Array.from([...long.subarray(0, -1), 0xff, 0x7f]))), expected);
});

Deno.test("parseGoBuild() still says Go when the strings are out of reach", () => {
  const inline = inlineGoRecord("go1.20", "");
  inline[32] = 0xff;
  inline[33] = 0xff;
  deepEqual(parse(goProgram(inline)), { version: "unknown", release: undefined, ...NO_FACTS });
  inline.fill(0xff, 32);
  deepEqual(parse(goProgram(inline)), { version: "unknown", release: undefined, ...NO_FACTS });

  const old = { version: "before go1.18", release: { major: 1, minor: 17 }, ...NO_FACTS };
  const pointers = pointerGoRecord(X86, "go1.16", MODULES);
  deepEqual(parse(goProgram(pointerGoRecord(X86, "", ""))), old);
  pointers.fill(0, 16, 24);
  deepEqual(parse(goProgram(pointers)), old);
  pointers.fill(0xff, 16, 24);
  deepEqual(parse(goProgram(pointers)), old);
});

Deno.test("parseGoBuild() does not read strings that are too long to be true", () => {
  const long = "go1.20" + "x".repeat(2000);
  equal(parse(goProgram(inlineGoRecord(long, "")))?.version, "unknown");
  equal(parse(goProgram(pointerGoRecord(X86, long, MODULES)))?.version, "before go1.18");
  const large = `build\tx=${"y".repeat(4 << 20)}\n${MODULES}`;
  equal(parse(goProgram(inlineGoRecord("go1.20", large)))?.mainModule, undefined);
  equal(parse(goProgram(pointerGoRecord(X86, "go1.16", large)))?.mainModule, undefined);
});

Deno.test("parseGoBuild() scans writable data at multiples of 16 when sections are gone", () => {
  const record = inlineGoRecord("go1.21.0", MODULES);
  const at = (offset: number, size = offset + record.length) => {
    const data = new Uint8Array(size);
    data.set(record, offset);
    return parse(buildElf({ ...X86, data }))?.version;
  };
  equal(at(0), "go1.21.0");
  equal(at(4096), "go1.21.0");
  equal(at(8), undefined);
  // Around the border between two pieces that are read.
  for (const offset of [65536 - 48, 65536 - 32, 65536 - 16, 65536, 65536 + 16]) {
    equal(at(offset), "go1.21.0", `at ${offset}`);
  }
  equal(at((1 << 20) - 32), "go1.21.0");
  equal(at(1 << 20), undefined);
});

Deno.test("parseGoBuild() does not scan when there are section headers without the record", () => {
  const data = inlineGoRecord("go1.21.0", MODULES);
  equal(parse(buildElf({ ...X86, data, section: ".data" })), undefined);
});

Deno.test("parseGoBuild() does not scan what is executable", () => {
  const bytes = buildElf({ ...X86, data: inlineGoRecord("go1.21.0", MODULES) });
  equal(parse(bytes)?.version, "go1.21.0");
  new DataView(bytes.buffer).setUint32(64 + 56 + 4, 7, true);
  equal(parse(bytes), undefined);
  equal(bytes[DATA_OFFSET], 0xff);
});

Deno.test("parseRelease() reads every form of version that the toolchain has had", () => {
  const release = (version: string) => {
    const found = parseRelease(version);
    return found && [found.major, found.minor];
  };
  const forms: [string, number[] | undefined][] = [
    ["go1.23.5", [1, 23]],
    ["go1.9", [1, 9]],
    ["go1", [1, 0]],
    ["go2.1", [2, 1]],
    ["go1.21rc2", [1, 21]],
    ["go1.21rc2 X:boringcrypto", [1, 21]],
    ["go1.18beta1", [1, 18]],
    ["go1.22.1-custom", [1, 22]],
    ["devel go1.24-5b20db0 Mon Nov 4 00:00:00 2024 +0000", [1, 24]],
    ["devel +a1b2c3d Mon Nov 4 00:00:00 2019 +0000", undefined],
    ["unknown", undefined],
    ["", undefined],
    ["gopher", undefined],
    ["go99999999999999999999", undefined],
  ];
  for (const [version, expected] of forms) deepEqual(release(version), expected, version);
});
