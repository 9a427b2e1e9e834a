import { deepStrictEqual, ok, strictEqual } from "node:assert";
import { isInForce, readStatus } from "./status.ts";

Deno.test("isInForce() heeds pending restarts, lost cgroups and obstacles", () => {
  const unit = (...pending: (boolean | undefined)[]) => ({
    running: pending.map((pending) => ({ unit: "x.service", mainPid: 0, pending })),
  });
  const obstacle = {
    code: "static" as const,
    words: "it is static",
    certainty: "certain" as const,
    evidence: [],
  };
  strictEqual(isInForce([], [], []), false);
  strictEqual(isInForce([unit(true)], [{ gone: true }], [{ obstacle }]), false);
  strictEqual(isInForce([unit()], [], []), true);
  strictEqual(isInForce([unit(true, undefined)], [], []), true);
  strictEqual(isInForce([], [{ gone: false }], []), true);
  strictEqual(isInForce([], [], [{ obstacle }, {}]), true);
});

Deno.test({
  name: "readStatus() answers wherever it runs, with each process once",
  // libbpf stays open for the life of a process.
  sanitizeResources: false,
  fn: async () => {
    const { processes, bpfSupport } = await readStatus();
    const pids = processes.flatMap(({ pids }) => pids);
    deepStrictEqual(pids.length, new Set(pids).size);
    ok(["yes", "no", "unknown"].includes(bpfSupport.state));
  },
});
