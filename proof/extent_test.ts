import { deepStrictEqual, strictEqual } from "node:assert";
import { NOTHING, targetExtent } from "./extent.ts";

Deno.test("targetExtent() finds the processes of a name, and nothing of a cgroup that is gone", () => {
  const target = {
    strict: false,
    since: new Date(0),
    socketsSeen: 0n,
    socketsForced: 0n,
    optionsSoftened: 0n,
    gone: false,
  };
  const name = Deno.readTextFileSync("/proc/self/comm").trim();
  strictEqual(targetExtent({ ...target, kind: "comm", name }).pids.includes(Deno.pid), true);
  deepStrictEqual(targetExtent({ ...target, kind: "comm", name: "no-such-name" }).pids, []);
  deepStrictEqual(targetExtent({ ...target, kind: "cgroup", path: "/", gone: true }), NOTHING);
  deepStrictEqual(targetExtent({ ...target, kind: "cgroup", path: "/no/such" }), NOTHING);
  strictEqual(targetExtent({ ...target, kind: "all" }).all, true);
});
