import { strict as assert } from "node:assert";
import { addedShare, median, paired, quantile, ratio, renderDuration } from "./statistics.ts";

Deno.test("quantile() interpolates between the sorted values", () => {
  assert.equal(quantile([3, 1, 2], 0.5), 2);
  assert.equal(quantile([4, 1, 2, 3], 0.5), 2.5);
  assert.equal(quantile([10, 0], 0.25), 2.5);
  assert.ok(Number.isNaN(quantile([], 0.5)));
});

Deno.test("ratio() compares pair by pair, so that a slow pair does not count as a difference", () => {
  assert.deepEqual(ratio([2, 20, 2], [1, 10, 1]), { median: 2, p25: 2, p75: 2 });
  assert.deepEqual(ratio([1, 2, 3], [1, 1, 1]), { median: 2, p25: 1.5, p75: 2.5 });
});

Deno.test("renderDuration() takes the unit that suits", () => {
  assert.equal(renderDuration(842.4), "842 ns");
  assert.equal(renderDuration(2345), "2.35 µs");
  assert.equal(renderDuration(1_234_000), "1.23 ms");
  assert.equal(renderDuration(45_600_000), "45.6 ms");
});

Deno.test("paired() takes the rounds that have both, and median() what there is", () => {
  assert.deepEqual(paired([2, null, 6], [1, 100, 2]), { median: 2.5, p25: 2.25, p75: 2.75 });
  assert.equal(median([null, 3, null, 5, 4]), 4);
});

Deno.test("addedShare() compares what is added, not what it is added to", () => {
  const bare = Array.from({ length: 20 }, (_, round) => 100 + round);
  const values = bare.map((value, round) => round % 5 === 0 ? value + 10 : null);
  const reference = bare.map((value) => value + 40);
  assert.deepEqual(addedShare(values, reference, bare), { median: 0.25, p25: 0.25, p75: 0.25 });
});
