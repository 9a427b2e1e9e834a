import { deepStrictEqual, ok, strictEqual } from "node:assert";
import { countCauses, growth, parseCounters, readMptcpCounters } from "./counters.ts";
import { KERNELS, readNetstat } from "./testdata/captures.ts";

for (const kernel of KERNELS) {
  Deno.test(`parseCounters() finds what was counted by name when the kernel is ${kernel}`, () => {
    const counters = parseCounters(readNetstat(kernel), "MPTcpExt");
    // capture.c: three families, and once more for the lists; each falls back once but the last.
    strictEqual(counters.get("MPCapableFallbackSYNACK"), 4);
    ok((counters.get("MPCapableSYNTX") ?? 0) > 4);
    strictEqual(counters.has("Blackhole"), kernel !== "6.1");
    deepStrictEqual(
      countCauses(counters).find(({ cause }) => cause === "answered-as-tcp"),
      { cause: "answered-as-tcp", counter: "MPCapableFallbackSYNACK", times: 4 },
    );
  });
}

Deno.test("parseCounters() leaves out what is not there when lines are cut or missing", () => {
  deepStrictEqual([...parseCounters("Tcp: A B C\nTcp: 1 2\n", "Tcp")], [["A", 1], ["B", 2]]);
  deepStrictEqual([...parseCounters("Tcp: A\n", "Tcp")], []);
  deepStrictEqual([...parseCounters("TcpExt: A\nTcpExt: 1\n", "Tcp")], []);
  deepStrictEqual([...parseCounters("", "Tcp")], []);
});

Deno.test("countCauses() puts the most frequent first, and leaves zeros out", () => {
  const counters = new Map([
    ["MPCapableFallbackSYNACK", 1],
    ["MPCapableSYNTXDrop", 3],
    ["DssFallback", 0],
    ["MPCapableSYNTX", 99],
  ]);
  deepStrictEqual(countCauses(counters).map(({ cause, times }) => [cause, times]), [
    ["syn-lost", 3],
    ["answered-as-tcp", 1],
  ]);
});

Deno.test("growth() tells only what moved, and takes a new counter for zero before", () => {
  const grown = growth(new Map([["a", 1], ["b", 2]]), new Map([["a", 1], ["b", 5], ["c", 1]]));
  deepStrictEqual([...grown], [["b", 3], ["c", 1]]);
});

Deno.test("readMptcpCounters() reads the same for this process by its number", () => {
  deepStrictEqual([...readMptcpCounters().keys()], [...readMptcpCounters(Deno.pid).keys()]);
});
