import { deepStrictEqual, ok, strictEqual } from "node:assert";
import { NotPermittedError } from "../errors.ts";
import { openFds } from "../ffi/fd.ts";
import { type MptcpEvent, parseEvent, watchEvents } from "./events.ts";
import { concat, encodeAttribute } from "./netlink.ts";
import { forEachPrefix, parseHex, random, randomBytes } from "./testdata/captures.ts";

const TOKEN = encodeAttribute(1, parseHex("04030201"));
/** 10.9.0.1:33000, number 1, to 10.9.1.1:8080, number 0. */
const SUBFLOW = concat([
  encodeAttribute(2, parseHex("0200")),
  encodeAttribute(3, Uint8Array.of(1)),
  encodeAttribute(4, Uint8Array.of(0)),
  encodeAttribute(5, Uint8Array.of(10, 9, 0, 1)),
  encodeAttribute(7, Uint8Array.of(10, 9, 1, 1)),
  encodeAttribute(9, parseHex("80e8")),
  encodeAttribute(10, parseHex("1f90")),
]);
const subflow = {
  local: { address: "10.9.0.1", port: 33000 },
  remote: { address: "10.9.1.1", port: 8080 },
  localId: 1,
  remoteId: 0,
};
const token = 0x01020304;

function event(kind: number, ...attributes: Uint8Array[]): Uint8Array {
  return concat([Uint8Array.of(kind, 1, 0, 0), ...attributes]);
}

/** One event of each kind as the kernel writes it, and what it says. */
const EVENTS: readonly (readonly [Uint8Array, MptcpEvent])[] = [
  [event(1, TOKEN, encodeAttribute(18, Uint8Array.of(1)), SUBFLOW), {
    kind: "created",
    token,
    subflow,
    serverSide: true,
    denyJoinId0: undefined,
  }],
  [event(2, TOKEN, encodeAttribute(13, parseHex("0300")), SUBFLOW), {
    kind: "established",
    token,
    subflow,
    serverSide: true,
    denyJoinId0: true,
  }],
  [event(3, TOKEN), { kind: "closed", token }],
  [
    event(
      6,
      TOKEN,
      encodeAttribute(4, Uint8Array.of(3)),
      encodeAttribute(10, parseHex("1f90")),
      encodeAttribute(8, parseHex("fd080000000000000000000000000002")),
    ),
    { kind: "announced", token, addressId: 3, address: { address: "fd08::2", port: 8080 } },
  ],
  [event(7, TOKEN, encodeAttribute(4, Uint8Array.of(3))), { kind: "removed", token, addressId: 3 }],
  [event(10, TOKEN, SUBFLOW, encodeAttribute(11, Uint8Array.of(1))), {
    kind: "subflow-established",
    token,
    subflow,
    backup: true,
    interfaceIndex: undefined,
    error: undefined,
    reset: undefined,
  }],
  [
    event(
      11,
      TOKEN,
      SUBFLOW,
      encodeAttribute(11, Uint8Array.of(0)),
      encodeAttribute(15, parseHex("04000000")),
      encodeAttribute(12, Uint8Array.of(104)),
      encodeAttribute(16, parseHex("06000000")),
      encodeAttribute(17, parseHex("01000000")),
    ),
    {
      kind: "subflow-closed",
      token,
      subflow,
      backup: false,
      interfaceIndex: 4,
      error: "ECONNRESET",
      reset: { reason: "middlebox interference", transient: true },
    },
  ],
  [
    event(
      15,
      encodeAttribute(2, parseHex("0200")),
      encodeAttribute(9, parseHex("1f90")),
      encodeAttribute(5, Uint8Array.of(127, 0, 0, 1)),
    ),
    { kind: "listener-created", local: { address: "127.0.0.1", port: 8080 } },
  ],
];

for (const [bytes, said] of EVENTS) {
  Deno.test(`parseEvent() reads what the kernel says when it says ${said.kind}`, () => {
    deepStrictEqual(parseEvent(bytes), said);
    const longer = concat([bytes, encodeAttribute(99, parseHex("deadbeef"))]);
    deepStrictEqual(parseEvent(longer), said, "an attribute that is not known changes nothing");
  });

  Deno.test(`parseEvent() is whole, less or nothing when ${said.kind} is cut`, () => {
    forEachPrefix(bytes, (prefix) => {
      const cut = parseEvent(prefix);
      if (cut === undefined) return;
      strictEqual(cut.kind, said.kind);
      if ("token" in cut) strictEqual(cut.token, token);
      if ("subflow" in cut) {
        strictEqual(cut.subflow.local.address, subflow.local.address);
        // What stands behind may be missing, but is never something else.
        ok([0, subflow.remote.port].includes(cut.subflow.remote.port));
      }
    });
  });
}

Deno.test("parseEvent() gives nothing wrong when bytes are random, or an event is not known", () => {
  const next = random(17);
  for (let round = 0; round < 5000; round++) {
    const bytes = randomBytes(next, 160);
    if (round % 2) bytes[0] = next() % 18;
    const read = parseEvent(bytes);
    if (read && "token" in read) ok(read.token >= 0 && read.token < 2 ** 32);
  }
  strictEqual(parseEvent(event(4, TOKEN)), undefined);
  strictEqual(parseEvent(event(3)), undefined);
});

Deno.test("watchEvents() leaves nothing open when it ends, or may not begin", async () => {
  const before = openFds().length;
  try {
    using events = watchEvents();
    deepStrictEqual(events.take(), []);
    const waiting = events.next();
    await events.return();
    deepStrictEqual(await waiting, { done: true, value: undefined });
    deepStrictEqual(await events.next(), { done: true, value: undefined });
  } catch (error) {
    // As an ordinary user, or where the kernel has no MPTCP.
    ok(
      error instanceof NotPermittedError || /does not tell them/.test(String(error)),
      String(error),
    );
  }
  strictEqual(openFds().length, before);
});
