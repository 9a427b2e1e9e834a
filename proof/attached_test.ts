import { deepStrictEqual, strictEqual } from "node:assert";
import { Attached } from "./attached.ts";
import { NOTHING } from "./extent.ts";
import type { Reason, ReasonCode } from "./reason.ts";

function reason(code: ReasonCode): Reason {
  return { code, words: code, certainty: "certain", evidence: [] };
}

const OWNER = { pid: 7, command: "x", fds: [3] };

Deno.test("Attached.reasonsOf() does not call a socket of a target not forced", () => {
  const attached = new Attached(() => [
    { ...NOTHING, pids: [7] },
    { ...NOTHING, cgroupIds: [12345678901234n] },
  ]);
  const code = (changes: Partial<Parameters<typeof attached.reasonsOf>[0]>) =>
    attached.reasonsOf(
      { verdict: "tcp", reasons: [reason("static")], owners: [], ...changes },
      undefined,
    )[0]?.code;
  strictEqual(code({}), "static");
  strictEqual(code({ owners: [OWNER] }), "before-attach");
  strictEqual(code({ owners: [{ ...OWNER, pid: 8 }] }), "static");
  strictEqual(code({ cgroupId: 12345678901234 }), "before-attach");
  // What holds whoever made it stays.
  strictEqual(code({ owners: [OWNER], reasons: [reason("passed-in")] }), "passed-in");
  strictEqual(code({ owners: [OWNER], reasons: [] }), undefined);
  const fallback = { verdict: "fallback", reasons: [reason("checksum")] } as const;
  strictEqual(code({ owners: [OWNER], ...fallback }), "checksum");
  const everything = new Attached(() => [{ ...NOTHING, all: true }]);
  const secure = { verdict: "tcp", reasons: [reason("secure")], owners: [] } as const;
  const codes = (isEnabled: boolean) =>
    everything.reasonsOf(secure, isEnabled).map(({ code, certainty }) => `${certainty} ${code}`);
  deepStrictEqual(codes(true), ["likely before-attach"]);
  deepStrictEqual(codes(false), ["likely mptcp-off", "possible before-attach"]);
});
