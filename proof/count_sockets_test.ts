import { deepStrictEqual, strictEqual } from "node:assert";
import { Attached } from "./attached.ts";
import { countSockets } from "./count_sockets.ts";
import { NOTHING } from "./extent.ts";

Deno.test("countSockets() counts a socket in each row that it belongs to, and no other", () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const own = { ...NOTHING, pids: [Deno.pid] };
  const notes = new Set<string>();
  const { summaries } = countSockets([own, NOTHING, own], notes);
  strictEqual(summaries[0]!.tcp > 0, true, `${listener.addr.port}`);
  deepStrictEqual(summaries[2], summaries[0]);
  deepStrictEqual(summaries[1], { mptcp: 0, fallback: 0, tcp: 0, reasons: [] });
  strictEqual(summaries[0]!.reasons[0]?.reason.code, "not-forced");
  const attached = countSockets([own], notes, new Attached(() => [own])).summaries[0]!;
  strictEqual(attached.reasons[0]?.reason.code, "before-attach");
  deepStrictEqual(countSockets([], notes).summaries, []);
});
