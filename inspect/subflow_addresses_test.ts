import { strict as assert } from "node:assert";
import { parseSocketAddress } from "./socket_address.ts";
import {
  encodeSubflowRequest,
  parseSubflowAddresses,
  parseSubflowArray,
  SUBFLOW_ADDRESSES_SIZE,
} from "./subflow_addresses.ts";
import { parseTcpInfo } from "./tcp_info.ts";
import {
  FAMILIES,
  forEachPrefix,
  KERNELS,
  parseHex,
  random,
  randomBytes,
  readCapture,
} from "./testdata/captures.ts";

Deno.test("encodeSubflowRequest() writes the header and leaves room when asked for elements", () => {
  assert.deepEqual(
    encodeSubflowRequest(0x0208, 1),
    parseHex("10000000" + "00000000" + "00000000" + "08020000" + "00".repeat(0x0208)),
  );
});

Deno.test("parseSubflowArray() gives the whole elements only when it is cut", () => {
  const bytes = encodeSubflowRequest(8, 3);
  bytes[4] = 3;
  bytes.fill(0xaa, 16);
  forEachPrefix(bytes, (prefix) => {
    const { elements } = parseSubflowArray(prefix);
    assert.equal(elements.length, Math.max(0, Math.floor((prefix.length - 16) / 8)));
    assert.ok(elements.every((element) => element.length === 8 && element[0] === 0xaa));
  });
});

Deno.test("parseSubflowArray() tells the count when there was room for fewer", () => {
  const bytes = encodeSubflowRequest(8, 2);
  bytes[4] = 5;
  const { count, elements } = parseSubflowArray(bytes);
  assert.deepEqual([count, elements.length], [5, 2]);
});

Deno.test("parseSubflowArray() gives nothing when the header makes no sense", () => {
  for (
    const header of ["", "10", "0f000000010000000800000008000000", "10000000010000000800000000"]
  ) {
    const { elements } = parseSubflowArray(parseHex(header + "00".repeat(40)));
    assert.deepEqual(elements, [], header);
  }
});

Deno.test("parseSubflowArray() stays within the bytes when they are random", () => {
  const next = random(4);
  for (let round = 0; round < 2000; round++) {
    const bytes = randomBytes(next, 600);
    // Else the sizes are almost always far outside.
    if (round % 2) {
      bytes.set(
        [16, 0, 0, 0, next() & 15, 0, 0, 0, 8, 0, 0, 0, next() & 63, 0, 0, 0].slice(
          0,
          bytes.length,
        ),
      );
    }
    const { elements } = parseSubflowArray(bytes);
    const size = elements.reduce((sum, element) => sum + element.length, 0);
    assert.ok(size <= Math.max(0, bytes.length - 16));
    for (const element of elements) parseSubflowAddresses(element);
  }
});

Deno.test("parseSubflowAddresses() gives each end by itself when it is cut", () => {
  const local = parseHex("020001bbc0000201");
  const bytes = new Uint8Array(SUBFLOW_ADDRESSES_SIZE);
  bytes.set(local);
  bytes.set(local, 128);
  forEachPrefix(bytes, (prefix) => {
    const addresses = parseSubflowAddresses(prefix);
    assert.equal(addresses.local !== undefined, prefix.length >= 8);
    assert.equal(addresses.remote !== undefined, prefix.length >= 136);
  });
});

for (const kernel of KERNELS) {
  Deno.test(`parseSubflowArray() reads the subflows when the kernel is ${kernel}`, () => {
    for (const family of FAMILIES) {
      for (const role of ["connected", "accepted"]) {
        const { name, answer } = readCapture(kernel, `${role} ${family}`);
        const count = family === "IPv6" ? 1 : 2;
        const array = parseSubflowArray(answer("MPTCP_SUBFLOW_ADDRS").bytes);
        assert.deepEqual([array.count, array.elements.length], [count, count], name);
        const [initial, additional] = array.elements.map(parseSubflowAddresses);
        assert.deepEqual(initial, {
          local: parseSocketAddress(answer("getsockname").bytes),
          remote: parseSocketAddress(answer("getpeername").bytes),
        }, name);
        if (additional) {
          const [client, server] = role === "connected"
            ? [additional.local, additional.remote]
            : [additional.remote, additional.local];
          assert.match(client?.address ?? "", /^(::ffff:)?127\.0\.0\.2$/, name);
          assert.match(server?.address ?? "", /^(::ffff:)?127\.0\.0\.1$/, name);
        }
        const tcpInfos = parseSubflowArray(answer("MPTCP_TCPINFO").bytes);
        const states = tcpInfos.elements.map((bytes) => parseTcpInfo(bytes).state);
        assert.deepEqual(states, Array(count).fill("ESTABLISHED"), name);
        assert.equal(parseTcpInfo(tcpInfos.elements[0] ?? new Uint8Array()).bytesSent, 1000, name);
      }
    }
  });
}
