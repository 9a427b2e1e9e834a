import { deepStrictEqual, ok, strictEqual } from "node:assert";
import { asksGo, countPassedIn, parseSecure, readProcessFacts } from "./process_facts.ts";

Deno.test("parseSecure() finds AT_SECURE among other entries, and nothing in what is cut", () => {
  const auxv = new BigUint64Array([6n, 4096n, 23n, 1n, 0n, 0n]);
  const bytes = new Uint8Array(auxv.buffer);
  strictEqual(parseSecure(bytes), true);
  strictEqual(parseSecure(bytes.subarray(0, 31)), false);
  auxv[3] = 0n;
  strictEqual(parseSecure(bytes), false);
});

Deno.test("asksGo() heeds the last setting, as Go does", () => {
  strictEqual(asksGo("multipathtcp=1"), true);
  strictEqual(asksGo("multipathtcp=0,http2client=0,multipathtcp=3"), true);
  strictEqual(asksGo("multipathtcp=1,multipathtcp=0"), false);
  strictEqual(asksGo(""), false);
});

Deno.test("countPassedIn() counts only what is meant for this process", () => {
  strictEqual(countPassedIn(["LISTEN_PID=7", "LISTEN_FDS=2"], 7), 2);
  strictEqual(countPassedIn(["LISTEN_PID=8", "LISTEN_FDS=2"], 7), 0);
  strictEqual(countPassedIn(["LISTEN_PID=7", "LISTEN_FDS=x"], 7), 0);
  strictEqual(countPassedIn(["LISTEN_FDS=2"], 7), 0);
});

Deno.test("readProcessFacts() knows this process, and sees nothing of one that is not there", () => {
  const own = readProcessFacts(Deno.pid);
  ok(own.visible && !own.secure && own.program?.elf?.interpreter !== undefined);
  deepStrictEqual(readProcessFacts(0x7fffffff).visible, false);
});
