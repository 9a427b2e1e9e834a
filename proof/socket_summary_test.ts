import { deepStrictEqual } from "node:assert";
import type { Verdict } from "../inspect/mod.ts";
import type { Reason, ReasonCode } from "./reason.ts";
import { summarizeSockets } from "./socket_summary.ts";

function reason(code: ReasonCode): Reason {
  return { code, words: `because of ${code}`, certainty: "certain", evidence: [] };
}

Deno.test("summarizeSockets() counts verdicts, and each socket by its likeliest reason", () => {
  const socket = (verdict: Verdict, ...codes: ReasonCode[]) => ({
    verdict,
    reasons: codes.map(reason),
  });
  const { reasons, ...counts } = summarizeSockets([
    socket("mptcp"),
    socket("tcp", "static"),
    socket("tcp", "not-forced", "static"),
    socket("tcp", "not-forced"),
    socket("tcp"),
    socket("fallback", "answered-as-tcp"),
  ]);
  deepStrictEqual(counts, { mptcp: 1, fallback: 1, tcp: 4 });
  deepStrictEqual(reasons.map(({ verdict, count, reason }) => [verdict, count, reason.code]), [
    ["fallback", 1, "answered-as-tcp"],
    ["tcp", 2, "not-forced"],
    ["tcp", 1, "static"],
  ]);
  deepStrictEqual(summarizeSockets([]), { mptcp: 0, fallback: 0, tcp: 0, reasons: [] });
});
