import { deepEqual, equal } from "node:assert/strict";
import { parseFileCapabilities, parseSetIdBits } from "./setid.ts";

Deno.test("parseSetIdBits() heeds set-group-ID only when the group may execute", () => {
  const bits = (mode: number) => {
    const { setUid, setGid } = parseSetIdBits(mode);
    return [setUid, setGid];
  };
  deepEqual(bits(0o100755), [false, false]);
  deepEqual(bits(0o104755), [true, false]);
  deepEqual(bits(0o104644), [true, false]);
  deepEqual(bits(0o102755), [false, true]);
  deepEqual(bits(0o102745), [false, false]);
  deepEqual(bits(0o106755), [true, true]);
  deepEqual(bits(0o101777), [false, false]);
});

/** `security.capability` from its 32-bit words. */
function attribute(...words: number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * words.length));
  words.forEach((word, index) => view.setUint32(4 * index, word, true));
  return new Uint8Array(view.buffer);
}

Deno.test("parseFileCapabilities() is true when the file gives a capability", () => {
  // The first is what `setcap cap_net_raw=ep` writes.
  const giving = [
    attribute(0x0200_0001, 1 << 13, 0, 0, 0),
    attribute(0x0200_0000, 1 << 13, 0, 0, 0),
    attribute(0x0200_0000, 0, 0, 1 << 7, 0),
    attribute(0x0200_0001, 0, 0, 0, 0),
    attribute(0x0300_0001, 1 << 13, 0, 0, 0, 1000),
    attribute(0x0100_0000, 1 << 13, 0),
  ];
  for (const value of giving) equal(parseFileCapabilities(value), true, value.join());
});

Deno.test("parseFileCapabilities() is false when there is none, or the kernel refuses it", () => {
  const refused = [
    undefined,
    new Uint8Array(),
    attribute(0x0200_0001),
    attribute(0x0200_0000, 0, 1 << 13, 0, 0),
    attribute(0x0200_0001, 1 << 13, 0, 0),
    attribute(0x0200_0001, 1 << 13, 0, 0, 0, 0),
    attribute(0x0300_0001, 1 << 13, 0, 0, 0),
    attribute(0x0400_0001, 1 << 13, 0, 0, 0),
    attribute(0xff00_0001, 1 << 13, 0, 0, 0),
    new Uint8Array(256),
  ];
  for (const value of refused) equal(parseFileCapabilities(value), false, value?.join());
});
