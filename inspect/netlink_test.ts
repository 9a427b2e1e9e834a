import { deepStrictEqual, ok, strictEqual } from "node:assert";
import {
  concat,
  eachAttribute,
  encodeAttribute,
  encodeRequest,
  parseAttributes,
  parseEnd,
  parseMessages,
} from "./netlink.ts";
import {
  forEachPrefix,
  KERNELS,
  parseHex,
  random,
  randomBytes,
  readDatagrams,
} from "./testdata/captures.ts";

Deno.test("encodeRequest() writes length, type, flags and sequence when asked for a dump", () => {
  deepStrictEqual(
    encodeRequest("dump", 20, 0x01020304, Uint8Array.of(9, 8), Uint8Array.of(7)),
    parseHex("13000000" + "1400" + "0103" + "04030201" + "00000000" + "090807"),
  );
  strictEqual(encodeRequest("get", 20, 1)[6], 5);
});

Deno.test("encodeAttribute() pads to four bytes and counts without the padding", () => {
  deepStrictEqual(encodeAttribute(3, Uint8Array.of(1)), parseHex("0500" + "0300" + "01000000"));
  deepStrictEqual(encodeAttribute(2, new Uint8Array(4)), parseHex("0800" + "0200" + "00000000"));
});

Deno.test("parseMessages() gives back what was encoded, one behind the other", () => {
  const bytes = concat([
    encodeRequest("get", 5, 1, Uint8Array.of(1, 2, 3, 4)),
    encodeRequest("get", 6, 2),
  ]);
  const messages = [...parseMessages(bytes)];
  deepStrictEqual(messages.map(({ type, sequence, payload }) => [type, sequence, [...payload]]), [
    [5, 1, [1, 2, 3, 4]],
    [6, 2, []],
  ]);
});

Deno.test("parseMessages() gives the whole messages alone when a datagram is cut", () => {
  for (const kernel of KERNELS) {
    const [datagram] = readDatagrams(kernel, "TCP IPv4");
    const starts = [...parseMessages(datagram!)].map(({ payload }) =>
      payload.byteOffset + payload.length - datagram!.byteOffset
    );
    forEachPrefix(datagram!, (prefix) => {
      const whole = starts.filter((end) => end <= prefix.length).length;
      strictEqual([...parseMessages(prefix)].length, whole, `${kernel}, ${prefix.length}`);
    });
  }
});

Deno.test("parseMessages() tells that a list was interrupted when the kernel says so", () => {
  const bytes = encodeRequest("get", 20, 1);
  new DataView(bytes.buffer).setUint16(6, 0x12, true);
  deepStrictEqual([...parseMessages(bytes)].map(({ interrupted }) => interrupted), [true]);
});

Deno.test("parseEnd() tells success, refusal and no end apart", () => {
  const message = (type: number, payload: Uint8Array) => ({
    type,
    payload,
    interrupted: false,
    sequence: 1,
  });
  strictEqual(parseEnd(message(20, new Uint8Array(4))), undefined);
  strictEqual(parseEnd(message(3, new Uint8Array(4))), 0);
  strictEqual(parseEnd(message(3, new Uint8Array())), 0);
  strictEqual(parseEnd(message(2, new Uint8Array(20))), 0);
  strictEqual(parseEnd(message(2, parseHex("feffffff"))), 2);
});

Deno.test("parseAttributes() takes the nested flag off, and the last of two of one type", () => {
  const bytes = concat([
    encodeAttribute(0x8001, Uint8Array.of(1)),
    encodeAttribute(1, Uint8Array.of(2)),
    encodeAttribute(7, new Uint8Array()),
  ]);
  deepStrictEqual([...parseAttributes(bytes)], [[1, Uint8Array.of(2)], [7, new Uint8Array()]]);
});

Deno.test("parseAttributes() and parseMessages() stay within the bytes when they are random", () => {
  const next = random(11);
  for (let round = 0; round < 5000; round++) {
    const bytes = randomBytes(next, 200);
    // Else lengths are almost always far outside.
    if (round % 2 && bytes.length >= 4) bytes.set([next() & 63, 0, 1, 0]);
    let total = 0;
    for (const { value } of eachAttribute(bytes)) total += value.length + 4;
    ok(total <= bytes.length);
    total = 0;
    for (const { payload } of parseMessages(bytes)) total += payload.length + 16;
    ok(total <= bytes.length);
  }
});
