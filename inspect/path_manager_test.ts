import { deepStrictEqual, ok, strictEqual } from "node:assert";
import { parseFamily } from "./genetlink.ts";
import { parseMessages } from "./netlink.ts";
import { parseEndpoint, parseLimits, readPathManager } from "./path_manager.ts";
import { forEachPrefix, KERNELS, random, randomBytes, readDatagrams } from "./testdata/captures.ts";

function firstPayload(kernel: string, answer: string): Uint8Array {
  const [message] = parseMessages(readDatagrams(kernel, answer)[0]!);
  return message!.payload;
}

for (const kernel of KERNELS) {
  Deno.test(`the path manager's answers are read when the kernel is ${kernel}`, () => {
    const { id, groups } = parseFamily(firstPayload(kernel, "family"))!;
    ok(id >= 0x10);
    deepStrictEqual([...groups.keys()].sort(), ["mptcp_pm_cmds", "mptcp_pm_events"]);
    // capture.c sets this endpoint and these limits.
    const { address, flags, port } = parseEndpoint(firstPayload(kernel, "endpoints"))!;
    deepStrictEqual([address, flags, port], ["127.0.0.2", ["subflow"], undefined]);
    deepStrictEqual(parseLimits(firstPayload(kernel, "limits")), {
      addAddrAccepted: 0,
      subflows: 2,
    });
  });

  Deno.test(`the path manager's answers give all or nothing when those of ${kernel} are cut`, () => {
    for (
      const [answer, parse] of [
        ["endpoints", parseEndpoint],
        ["limits", parseLimits],
        ["family", (bytes: Uint8Array) => parseFamily(bytes)?.id],
      ] as const
    ) {
      const payload = firstPayload(kernel, answer);
      const whole = parse(payload);
      let seen = 0;
      forEachPrefix(payload, (prefix) => {
        const parsed = parse(prefix);
        if (parsed === undefined) strictEqual(seen, 0, "once there, it stays");
        else seen++;
      });
      deepStrictEqual(parse(payload), whole);
      ok(seen > 0);
    }
  });
}

Deno.test("the path manager's answers give nothing wrong when bytes are random", () => {
  const next = random(13);
  for (let round = 0; round < 3000; round++) {
    const bytes = randomBytes(next, 120);
    const endpoint = parseEndpoint(bytes);
    if (endpoint) ok(endpoint.id < 256 && endpoint.address !== "");
    parseLimits(bytes);
    parseFamily(bytes);
  }
});

Deno.test("readPathManager() tells of the limits of this namespace, if there is a path manager", () => {
  const { limits } = readPathManager() ?? { limits: { subflows: 0 } };
  ok(limits.subflows >= 0 && limits.subflows <= 8);
});
