import { deepStrictEqual, ok } from "node:assert";
import { readStatus } from "./status.ts";

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
