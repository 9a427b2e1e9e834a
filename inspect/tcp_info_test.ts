import { strict as assert } from "node:assert";
import { parseTcpInfo, TCP_INFO_SIZE, type TcpInfo } from "./tcp_info.ts";
import {
  FAMILIES,
  forEachPrefix,
  KERNELS,
  random,
  randomBytes,
  readCapture,
} from "./testdata/captures.ts";

/** A `struct tcp_info` with each shown field set. */
function makeTcpInfo(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(TCP_INFO_SIZE);
  const view = new DataView(bytes.buffer);
  bytes[0] = 8;
  view.setUint32(68, 20_500, true);
  view.setUint32(100, 3, true);
  view.setBigUint64(128, 2n ** 40n, true);
  view.setBigUint64(200, 5n, true);
  return bytes;
}

const DECODED: TcpInfo = {
  state: "CLOSE_WAIT",
  rttUs: 20_500,
  retransmits: 3,
  bytesSent: 5,
  bytesReceived: 2 ** 40,
};

Deno.test("parseTcpInfo() reads each field at its offset when all are there", () => {
  assert.deepEqual(parseTcpInfo(makeTcpInfo()), DECODED);
});

Deno.test("parseTcpInfo() leaves out exactly the fields that are cut off when it is shorter", () => {
  const ends = { rttUs: 72, retransmits: 104, bytesReceived: 136, bytesSent: 208 };
  forEachPrefix(makeTcpInfo(), (prefix) => {
    const info = parseTcpInfo(prefix);
    assert.equal(info.state, prefix.length === 0 ? "UNKNOWN" : "CLOSE_WAIT");
    for (const [name, end] of Object.entries(ends)) {
      const field = name as keyof typeof ends;
      assert.equal(info[field], prefix.length < end ? undefined : DECODED[field], name);
    }
  });
});

Deno.test("parseTcpInfo() ignores what follows when the kernel is newer", () => {
  const longer = new Uint8Array(500).fill(0xff);
  longer.set(makeTcpInfo());
  assert.deepEqual(parseTcpInfo(longer), DECODED);
});

Deno.test("parseTcpInfo() names the kernel's twelve states and no other", () => {
  const names = Array.from({ length: 256 }, (_, state) => parseTcpInfo(Uint8Array.of(state)).state);
  assert.deepEqual([names[1], names[7], names[10]], ["ESTABLISHED", "CLOSE", "LISTEN"]);
  assert.equal(new Set(names.slice(1, 13)).size, 12);
  assert.ok([names[0], ...names.slice(13)].every((name) => name === "UNKNOWN"));
});

Deno.test("parseTcpInfo() gives fields of their type when bytes are random", () => {
  const next = random(3);
  for (let round = 0; round < 2000; round++) {
    const { state, ...numbers } = parseTcpInfo(randomBytes(next, 300));
    assert.match(state, /^[A-Z_0-9]+$/);
    for (const value of Object.values(numbers)) {
      assert.ok(value === undefined || Number.isInteger(value) && value >= 0);
    }
  }
});

for (const kernel of KERNELS) {
  Deno.test(`parseTcpInfo() reads connections when the kernel is ${kernel}`, () => {
    for (const family of FAMILIES) {
      for (const role of ["connected", "accepted", "fallback"]) {
        const { name, answer } = readCapture(kernel, `${role} ${family}`);
        const info = parseTcpInfo(answer("TCP_INFO").bytes);
        assert.equal(info.state, "ESTABLISHED", name);
        assert.equal(info.retransmits, 0, name);
        assert.ok((info.rttUs ?? 0) > 0, name);
        // capture.c sends 1000 bytes each way, and on the fallen-back connection one way.
        assert.equal(info.bytesSent, 1000, name);
        assert.equal(info.bytesReceived, role === "fallback" ? 0 : 1000, name);
      }
      const listening = readCapture(kernel, `listening ${family}`);
      assert.equal(parseTcpInfo(listening.answer("TCP_INFO").bytes).state, "LISTEN");
    }
  });
}
