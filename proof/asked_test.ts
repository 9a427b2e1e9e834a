import { deepStrictEqual, strictEqual } from "node:assert";
import type { Target } from "../bpf/mod.ts";
import type { PersistentTarget } from "../force/mod.ts";
import { isInForce, joinTargets } from "./asked.ts";

Deno.test("isInForce() heeds pending restarts, lost cgroups and obstacles", () => {
  const unit = (...pending: (boolean | undefined)[]) => ({
    running: pending.map((pending) => ({
      unit: "x.service",
      mainPid: 0,
      cgroup: undefined,
      pending,
    })),
  });
  const obstacle = {
    code: "static" as const,
    words: "it is static",
    certainty: "certain" as const,
    evidence: [],
  };
  const none = { units: [], targets: [], waiting: [] };
  strictEqual(isInForce(none, []), false);
  const broken = { ...none, units: [unit(true)], targets: [{ gone: true }] };
  strictEqual(isInForce({ ...broken, waiting: [{ kind: "slice" }] }, [{ obstacle }]), false);
  strictEqual(isInForce({ ...none, units: [unit()] }, []), true);
  strictEqual(isInForce({ ...none, units: [unit(true, undefined)] }, []), true);
  strictEqual(isInForce({ ...none, targets: [{ gone: false }] }, []), true);
  strictEqual(isInForce({ ...none, waiting: [{ kind: "service" }] }, []), true);
  strictEqual(isInForce(none, [{ obstacle }, {}]), true);
});

Deno.test("joinTargets() tells what comes back, and what is still to come", () => {
  const target = (changes: Partial<Target>): Target => ({
    kind: "cgroup",
    strict: false,
    since: new Date(0),
    socketsSeen: 0n,
    socketsForced: 0n,
    optionsSoftened: 0n,
    gone: false,
    ...changes,
  });
  const persistent: PersistentTarget[] = [
    { kind: "service", name: "nginx.service", strict: false },
    { kind: "service", name: "foo@.service", strict: false },
    { kind: "service", name: "idle.service", strict: false },
    { kind: "slice", name: "machine.slice", strict: false },
    { kind: "comm", name: "java", strict: false },
    { kind: "all", strict: false },
  ];
  const joined = joinTargets([
    target({ path: "/sys/fs/cgroup/system.slice/nginx.service" }),
    target({ path: "/sys/fs/cgroup/system.slice/system-foo.slice/foo@1.service" }),
    target({ path: "/sys/fs/cgroup/system.slice/idle.service", gone: true }),
    target({ path: "/sys/fs/cgroup/machine.slice" }),
    target({ path: "/sys/fs/cgroup/other" }),
    target({ kind: "comm", name: "java" }),
    target({ kind: "comm", name: "javac" }),
  ], persistent);
  deepStrictEqual(joined.targets.map(({ again }) => again), [
    "start",
    "start",
    undefined,
    "boot",
    undefined,
    "boot",
    undefined,
  ]);
  deepStrictEqual(joined.waiting, [persistent[2], persistent[5]]);
});
