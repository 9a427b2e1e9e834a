import { deepStrictEqual, strictEqual } from "node:assert";
import { Attached, countSockets, NOTHING, targetExtent } from "./extent.ts";
import type { Reason, ReasonCode } from "./reason.ts";

function reason(code: ReasonCode): Reason {
  return { code, words: code, certainty: "certain", evidence: [] };
}

const OWNER = { pid: 7, command: "x", fds: [3] };

Deno.test("Attached.reasonsOf() does not call a socket of a target not forced", () => {
  const attached = new Attached([
    { ...NOTHING, pids: [7] },
    { ...NOTHING, cgroupIds: [12345678901234n] },
  ]);
  const code = (changes: Partial<Parameters<typeof attached.reasonsOf>[0]>) =>
    attached.reasonsOf({ verdict: "tcp", reasons: [reason("static")], owners: [], ...changes })[0]
      ?.code;
  strictEqual(code({}), "static");
  strictEqual(code({ owners: [OWNER] }), "before-attach");
  strictEqual(code({ owners: [{ ...OWNER, pid: 8 }] }), "static");
  strictEqual(code({ cgroupId: 12345678901234 }), "before-attach");
  // What holds whoever made it stays.
  strictEqual(code({ owners: [OWNER], reasons: [reason("passed-in")] }), "passed-in");
  strictEqual(code({ owners: [OWNER], reasons: [] }), undefined);
  const fallback = { verdict: "fallback", reasons: [reason("checksum")] } as const;
  strictEqual(code({ owners: [OWNER], ...fallback }), "checksum");
  const everything = new Attached([{ ...NOTHING, all: true }]);
  const found = everything.reasonsOf({ verdict: "tcp", reasons: [reason("secure")], owners: [] });
  strictEqual(found[0]?.code, "before-attach");
});

Deno.test("countSockets() counts a socket in each row that it belongs to, and no other", () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const own = { ...NOTHING, pids: [Deno.pid] };
  const notes = new Set<string>();
  const { summaries } = countSockets([own, NOTHING, own], new Attached([]), notes);
  strictEqual(summaries[0]!.tcp > 0, true, `${listener.addr.port}`);
  deepStrictEqual(summaries[2], summaries[0]);
  deepStrictEqual(summaries[1], { mptcp: 0, fallback: 0, tcp: 0, reasons: [] });
  strictEqual(summaries[0]!.reasons[0]?.reason.code, "not-forced");
  const attached = countSockets([own], new Attached([own]), notes).summaries[0]!;
  strictEqual(attached.reasons[0]?.reason.code, "before-attach");
  deepStrictEqual(countSockets([], new Attached([]), notes).summaries, []);
});

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
