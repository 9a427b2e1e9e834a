import { deepStrictEqual, strictEqual } from "node:assert";
import {
  decodeByteString,
  displayByteString,
  encodeByteString,
  forceEnvironment,
  getVariable,
  mergeGodebug,
  mergePreload,
  parseNulTerminated,
  setVariable,
  toByteString,
} from "./environment.ts";

const LIBRARY = "/usr/lib/mptcpize/libmptcpize.so";

Deno.test("mergePreload() appends behind what is there, whichever separator it has", () => {
  for (
    const [value, wanted] of [
      [undefined, LIBRARY],
      ["", LIBRARY],
      [" : ", LIBRARY],
      ["/a.so", `/a.so:${LIBRARY}`],
      ["/a.so /b.so", `/a.so:/b.so:${LIBRARY}`],
      ["/a.so:/b.so: ", `/a.so:/b.so:${LIBRARY}`],
      ["libjemalloc.so.2", `libjemalloc.so.2:${LIBRARY}`],
    ] as const
  ) strictEqual(mergePreload(value, LIBRARY), wanted);
});

Deno.test("mergePreload() never has our library twice", () => {
  for (
    const [value, wanted] of [
      [LIBRARY, LIBRARY],
      [`/a.so ${LIBRARY}`, `/a.so ${LIBRARY}`],
      [`${LIBRARY}:${LIBRARY}`, LIBRARY],
      [`/old/libmptcpize.so:/a.so`, `/a.so:${LIBRARY}`],
      [`${LIBRARY}:/a.so`, `/a.so:${LIBRARY}`],
    ] as const
  ) {
    const once = mergePreload(value, LIBRARY);
    strictEqual(once, wanted);
    strictEqual(mergePreload(once, LIBRARY), once);
  }
});

Deno.test("mergePreload() goes before the library of the C tool", () => {
  const peer = "/usr/lib/x86_64-linux-gnu/mptcpize/libmptcpwrap.so.0.0.1";
  strictEqual(mergePreload(`/a.so:${peer}`, LIBRARY), `/a.so:${LIBRARY}:${peer}`);
});

Deno.test("mergeGodebug() puts ours last and once", () => {
  for (
    const [value, wanted] of [
      [undefined, "multipathtcp=1"],
      ["", "multipathtcp=1"],
      ["http2client=0", "http2client=0,multipathtcp=1"],
      ["multipathtcp=0", "multipathtcp=1"],
      ["multipathtcp=1", "multipathtcp=1"],
      ["multipathtcp=1,gctrace=1", "multipathtcp=1,gctrace=1"],
      ["multipathtcp=1,gctrace=1,multipathtcp=0", "gctrace=1,multipathtcp=1"],
      ["xmultipathtcp=0", "xmultipathtcp=0,multipathtcp=1"],
    ] as const
  ) {
    const once = mergeGodebug(value);
    strictEqual(once, wanted);
    strictEqual(mergeGodebug(once), once);
  }
});

Deno.test("getVariable() reads a doubled name as its reader does", () => {
  const environment = ["GODEBUG=a=1", "LD_PRELOAD=/1.so", "GODEBUG=b=1", "LD_PRELOAD=/2.so"];
  strictEqual(getVariable(environment, "GODEBUG"), "a=1");
  strictEqual(getVariable(environment, "LD_PRELOAD"), "/2.so");
  strictEqual(getVariable(environment, "LD_PRELOA"), undefined);
});

Deno.test("setVariable() keeps the place and leaves one", () => {
  deepStrictEqual(setVariable(["A=1", "B=2", "A=3", "C"], "A", "9"), ["A=9", "B=2", "C"]);
  deepStrictEqual(setVariable(["A=1", "AB=2"], "B", ""), ["A=1", "AB=2", "B="]);
});

Deno.test("forceEnvironment() leaves what is not asked for alone", () => {
  const environment = ["LANG=C", "=weird", "novalue"];
  const off = { godebug: false, debug: false, strict: false };
  deepStrictEqual(forceEnvironment(environment, off), environment);
  deepStrictEqual(
    forceEnvironment(environment, { library: LIBRARY, godebug: true, debug: true, strict: true }),
    [
      ...environment,
      `LD_PRELOAD=${LIBRARY}`,
      "GODEBUG=multipathtcp=1",
      "MPTCPIZE_DEBUG=1",
      "MPTCPIZE_STRICT=1",
    ],
  );
});

Deno.test("mergePreload() puts the library that reports before ours, and leaves another run's", () => {
  const report = "/opt/x/libmptcpize-report.so";
  const outer = "/usr/lib/y/libmptcpize-report.so";
  for (
    const [value, wanted, plain] of [
      [undefined, `${report}:${LIBRARY}`, LIBRARY],
      ["/a.so", `/a.so:${report}:${LIBRARY}`, `/a.so:${LIBRARY}`],
      [`${outer}:${LIBRARY}`, `${report}:${LIBRARY}`, `${outer}:${LIBRARY}`],
    ] as const
  ) {
    strictEqual(mergePreload(value, LIBRARY, report), wanted);
    strictEqual(mergePreload(wanted, LIBRARY, report), wanted);
    strictEqual(mergePreload(value, LIBRARY), plain);
  }
});

Deno.test("byte strings keep every byte", () => {
  const bytes = Uint8Array.from({ length: 10_000 }, (_, index) => index % 256);
  deepStrictEqual(encodeByteString(decodeByteString(bytes)), bytes);
  strictEqual(displayByteString(toByteString("größe €")), "größe €");
});

Deno.test("parseNulTerminated() keeps empty strings", () => {
  const parse = (text: string) => parseNulTerminated(encodeByteString(text));
  deepStrictEqual(parse(""), []);
  deepStrictEqual(parse("\0"), [""]);
  deepStrictEqual(parse("a\0\0b\0"), ["a", "", "b"]);
  deepStrictEqual(parse("a\0b"), ["a", "b"]);
});
