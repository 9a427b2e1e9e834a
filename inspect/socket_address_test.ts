import { strict as assert } from "node:assert";
import { parseSocketAddress } from "./socket_address.ts";
import { forEachPrefix, parseHex, random, randomBytes } from "./testdata/captures.ts";

/** A `sockaddr_in6` with port 443. */
function ipv6(address: string, scope = "00000000"): Uint8Array {
  return parseHex(`0a0001bb00000000${address}${scope}`);
}

Deno.test("parseSocketAddress() reads IPv4 when there are 8 bytes or more", () => {
  const bytes = parseHex("020001bbc00002010000000000000000");
  forEachPrefix(bytes, (prefix) =>
    assert.deepEqual(
      parseSocketAddress(prefix),
      prefix.length < 8 ? undefined : { address: "192.0.2.1", port: 443 },
    ));
});

Deno.test("parseSocketAddress() reads IPv6 when there are 28 bytes or more", () => {
  const bytes = parseHex(
    "0a0001bb0000000020010db800000000000000000000000100000000" + "ff".repeat(100),
  );
  forEachPrefix(bytes, (prefix) =>
    assert.deepEqual(
      parseSocketAddress(prefix),
      prefix.length < 28 ? undefined : { address: "2001:db8::1", port: 443 },
    ));
});

Deno.test("parseSocketAddress() writes IPv6 as RFC 5952 does when zeros can be left out", () => {
  const texts: Readonly<Record<string, string>> = {
    "00000000000000000000000000000000": "::",
    "00000000000000000000000000000001": "::1",
    "20010db8000000000000000000000000": "2001:db8::",
    // Section 4.2.2: one zero alone stays.
    "20010db8000000010001000100010001": "2001:db8:0:1:1:1:1:1",
    // Section 4.2.3: the longest run, and the first of two as long.
    "20010000000000010000000000000001": "2001:0:0:1::1",
    "20010db8000000000001000000000001": "2001:db8::1:0:0:1",
    "00010002000300040005000600070008": "1:2:3:4:5:6:7:8",
    "ABCDEF01000000000000000000000000": "abcd:ef01::",
  };
  for (const [hex, text] of Object.entries(texts)) {
    assert.equal(parseSocketAddress(ipv6(hex))?.address, text);
  }
});

Deno.test("parseSocketAddress() shows IPv4 as such when it is mapped into IPv6", () => {
  const address = ipv6("00000000000000000000ffffc0000201");
  assert.deepEqual(parseSocketAddress(address), { address: "::ffff:192.0.2.1", port: 443 });
  assert.equal(
    parseSocketAddress(ipv6("00010000000000000000ffffc0000201"))?.address,
    "1::ffff:c000:201",
  );
});

Deno.test("parseSocketAddress() names the interface when the address is link-local", () => {
  const address = parseSocketAddress(ipv6("fe800000000000000000000000000001", "02000000"));
  assert.equal(address?.address, "fe80::1%2");
});

Deno.test("parseSocketAddress() gives nothing when the family is another one", () => {
  assert.equal(parseSocketAddress(parseHex("01002f746d702f73" + "00".repeat(100))), undefined);
  assert.equal(parseSocketAddress(parseHex("0000" + "00".repeat(126))), undefined);
});

Deno.test("parseSocketAddress() gives a valid address or nothing when bytes are random", () => {
  const next = random(1);
  for (let round = 0; round < 2000; round++) {
    const bytes = randomBytes(next, 40);
    if (round % 2) bytes.set([round % 4 === 1 ? 2 : 10, 0].slice(0, bytes.length));
    const address = parseSocketAddress(bytes);
    if (address === undefined) continue;
    const url = address.address.includes(":")
      ? `http://[${address.address.replace(/%.*/, "")}]/`
      : `http://${address.address}/`;
    assert.ok(URL.canParse(url), url);
    assert.ok(address.port >= 0 && address.port <= 0xffff);
  }
});
