import { strict as assert } from "node:assert";
import { compareRuns, parseJunit } from "./junit.ts";

const XML = '<testsuites tests="4"><testsuite tests="4">' +
  '<testcase name="test.a.A.test_1" status="run" result="completed" time="0.25" />' +
  '<testcase name="test.a.A.test_2 (x=&lt;1&gt;)" status="run" time="1.5">' +
  '<error type="OSError" message="a/b > c">Traceback\n  x\nOSError: [Errno 95] &amp; more\n</error>' +
  "<system-out>text</system-out></testcase>" +
  '<testcase name="test.a.A.test_3" status="run" time="0.0"><skipped>no</skipped></testcase>' +
  '<testcase name="test.a.A.test_4" status="run" time="0.1"><failure type="">F: 1</failure>' +
  '</testcase><testcase name="test.a.A.test_4" status="run" time="0.1" />' +
  "</testsuite></testsuites>";

Deno.test("parseJunit() gives outcome, time and last line of the error by name", () => {
  assert.deepEqual([...parseJunit(XML)], [
    ["test.a.A.test_1", { outcome: "passed", seconds: 0.25, message: "" }],
    ["test.a.A.test_2 (x=<1>)", {
      outcome: "failed",
      seconds: 1.5,
      message: "OSError: [Errno 95] & more",
    }],
    ["test.a.A.test_3", { outcome: "skipped", seconds: 0, message: "" }],
    ["test.a.A.test_4", { outcome: "failed", seconds: 0.1, message: "F: 1" }],
  ]);
});

Deno.test("compareRuns() names what is worse and what is lost, and not what failed before", () => {
  const run = (outcomes: Record<string, "passed" | "failed" | "skipped">) =>
    new Map(
      Object.entries(outcomes).map(([name, outcome]) => [
        name,
        { outcome, seconds: 0, message: "" },
      ]),
    );
  const plain = run({ a: "passed", b: "failed", c: "passed", d: "passed", e: "skipped" });
  const forced = run({ a: "failed", b: "failed", c: "skipped", e: "failed" });
  assert.deepEqual(compareRuns(plain, forced), { worse: ["a", "e"], lost: ["c", "d"] });
});
