import { deepStrictEqual, strictEqual } from "node:assert";
import { interfaceIndex } from "../ffi/libc.ts";
import { concat, encodeAttribute } from "./netlink.ts";
import { encodeRouteQuestion, findRoute, parseRoute } from "./route.ts";
import { forEachPrefix, parseHex } from "./testdata/captures.ts";

Deno.test("encodeRouteQuestion() writes both addresses with their lengths in bits", () => {
  deepStrictEqual(
    concat(
      encodeRouteQuestion({ source: "10.0.0.1", destination: "192.0.2.1", interfaceIndex: 3 }),
    ),
    parseHex(
      "022020" + "00".repeat(9) + "08000100c0000201" + "080002000a000001" + "0800040003000000",
    ),
  );
  const [head] = encodeRouteQuestion({ source: "::1", destination: "2001:db8::1" });
  deepStrictEqual(head?.subarray(0, 3), Uint8Array.of(10, 128, 128));
});

Deno.test("parseRoute() reads the interface, and nothing from what is cut", () => {
  const answer = concat([new Uint8Array(12), encodeAttribute(4, parseHex("05000000"))]);
  forEachPrefix(
    answer,
    (prefix) => strictEqual(parseRoute(prefix), prefix.length === answer.length ? 5 : undefined),
  );
});

Deno.test("findRoute() finds loopback for its own addresses", () => {
  const index = interfaceIndex("lo");
  strictEqual(findRoute({ source: "127.0.0.1", destination: "127.0.0.2" }), index);
  strictEqual(interfaceIndex("no such interface"), undefined);
});
