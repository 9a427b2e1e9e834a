import { strict as assert } from "node:assert";
import { MPTCP_INFO_BUFFER_SIZE, type MptcpInfo, parseMptcpInfo } from "./mptcp_info.ts";
import {
  FAMILIES,
  forEachPrefix,
  KERNELS,
  parseHex,
  random,
  randomBytes,
  readCapture,
} from "./testdata/captures.ts";

/** The length of the structure with each release that made it longer. */
const LENGTHS = { "5.16": 48, "6.5": 80, "6.8": 88, "6.10": 96 };

const SINCE: Readonly<Partial<Record<keyof MptcpInfo, keyof typeof LENGTHS>>> = {
  retransmits: "6.5",
  bytesRetrans: "6.5",
  bytesSent: "6.5",
  bytesReceived: "6.5",
  bytesAcked: "6.5",
  subflowsTotal: "6.8",
  lastDataSentMs: "6.10",
  lastDataRecvMs: "6.10",
  lastAckRecvMs: "6.10",
};

/** Each byte is its own offset, so that a field tells where it was read. */
const OFFSETS = Uint8Array.from({ length: 96 }, (_, offset) => offset);

/** The number whose little-endian bytes are the offsets from `first` on. */
function at(first: number, size: number): number {
  return Number(
    Array.from({ length: size }, (_, index) => BigInt(first + index) << BigInt(8 * index))
      .reduce((sum, part) => sum + part),
  );
}

Deno.test("parseMptcpInfo() reads each field at its offset when all are there", () => {
  assert.deepEqual(parseMptcpInfo(OFFSETS), {
    subflows: 0,
    addAddrSignal: 1,
    addAddrAccepted: 2,
    subflowsMax: 3,
    addAddrSignalMax: 4,
    addAddrAcceptedMax: 5,
    fallback: false,
    remoteKeyReceived: false,
    token: at(12, 4),
    localAddrUsed: 40,
    localAddrMax: 41,
    csumEnabled: true,
    retransmits: at(44, 4),
    bytesRetrans: at(48, 8),
    bytesSent: at(56, 8),
    bytesReceived: at(64, 8),
    bytesAcked: at(72, 8),
    subflowsTotal: 80,
    lastDataSentMs: at(84, 4),
    lastDataRecvMs: at(88, 4),
    lastAckRecvMs: at(92, 4),
  });
});

Deno.test("parseMptcpInfo() reads both flags when they are set", () => {
  for (
    const [flags, fallback, remoteKeyReceived] of [[1, true, false], [2, false, true]] as const
  ) {
    const bytes = new Uint8Array(96);
    bytes[8] = flags;
    const info = parseMptcpInfo(bytes);
    assert.deepEqual([info.fallback, info.remoteKeyReceived], [fallback, remoteKeyReceived]);
  }
});

Deno.test("parseMptcpInfo() leaves out exactly the fields that are cut off when it is shorter", () => {
  const full = parseMptcpInfo(OFFSETS);
  const seen = new Set<string>();
  forEachPrefix(OFFSETS, (prefix) => {
    for (const [name, value] of Object.entries(parseMptcpInfo(prefix))) {
      if (value === undefined) {
        assert.ok(!seen.has(name), `${name} came and went at ${prefix.length}`);
        continue;
      }
      seen.add(name);
      assert.deepEqual(value, full[name as keyof MptcpInfo], `${name} at ${prefix.length}`);
      const since = SINCE[name as keyof MptcpInfo];
      assert.ok(prefix.length >= (since ? LENGTHS[since] : 1), `${name} at ${prefix.length}`);
    }
  });
  assert.equal(seen.size, Object.keys(full).length);
});

Deno.test("parseMptcpInfo() takes no padding for a field when the kernel is older than it", () => {
  for (const [release, length] of Object.entries(LENGTHS)) {
    const info = parseMptcpInfo(OFFSETS.slice(0, length));
    for (const [name, since] of Object.entries(SINCE)) {
      assert.equal(
        info[name as keyof MptcpInfo] === undefined,
        LENGTHS[since] > length,
        `${name} on ${release}`,
      );
    }
  }
});

Deno.test("parseMptcpInfo() ignores what follows when the kernel is newer", () => {
  const longer = new Uint8Array(MPTCP_INFO_BUFFER_SIZE).fill(0xff);
  longer.set(OFFSETS);
  assert.deepEqual(parseMptcpInfo(longer), parseMptcpInfo(OFFSETS));
});

Deno.test("parseMptcpInfo() reads the bytes of a view when it begins within a buffer", () => {
  const buffer = new Uint8Array(100).fill(0xff);
  buffer.set(OFFSETS, 3);
  assert.deepEqual(parseMptcpInfo(buffer.subarray(3, 99)), parseMptcpInfo(OFFSETS));
});

Deno.test("parseMptcpInfo() gives fields of their type when bytes are random", () => {
  const next = random(2);
  for (let round = 0; round < 2000; round++) {
    for (const [name, value] of Object.entries(parseMptcpInfo(randomBytes(next, 130)))) {
      assert.ok(
        value === undefined || typeof value === "boolean" || Number.isInteger(value) && value >= 0,
        name,
      );
    }
  }
});

for (const kernel of KERNELS) {
  Deno.test(`parseMptcpInfo() reads connections when the kernel is ${kernel}`, () => {
    for (const family of FAMILIES) {
      for (const role of ["connected", "accepted"]) {
        const { name, answer } = readCapture(kernel, `${role} ${family}`);
        const info = parseMptcpInfo(answer("MPTCP_INFO").bytes);
        // capture.c sends 1000 bytes each way; its second endpoint is an IPv4 address.
        const additional = family === "IPv6" ? 0 : 1;
        const counts = kernel !== "6.1";
        assert.ok(info.token, name);
        assert.deepEqual([info.fallback, info.remoteKeyReceived], [false, true], name);
        assert.deepEqual([info.subflows, info.subflowsMax], [additional, 2], name);
        assert.deepEqual([info.addAddrSignal, info.addAddrAccepted, info.csumEnabled], [
          0,
          0,
          false,
        ]);
        assert.deepEqual(
          [info.bytesSent, info.bytesReceived, info.bytesAcked, info.retransmits],
          counts ? [1000, 1000, 1000, 0] : [undefined, undefined, undefined, undefined],
          name,
        );
        assert.equal(info.subflowsTotal, counts ? 1 + additional : undefined, name);
        assert.equal((info.lastDataSentMs ?? 0) >= 300, counts, name);
      }
    }
  });

  Deno.test(`parseMptcpInfo() finds no token when there is no connection on ${kernel}`, () => {
    for (const role of ["unconnected IPv4", "listening IPv6"]) {
      const { name, answer } = readCapture(kernel, role);
      const info = parseMptcpInfo(answer("MPTCP_INFO").bytes);
      assert.deepEqual([info.token, info.remoteKeyReceived, info.subflows], [0, false, 0], name);
    }
  });
}

Deno.test("parseMptcpInfo() gives nothing when there is not one byte", () => {
  assert.ok(Object.values(parseMptcpInfo(parseHex(""))).every((value) => value === undefined));
});
