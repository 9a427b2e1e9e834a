import { strict as assert } from "node:assert";
import { encodeFullInfoRequest, parseFullInfo } from "./full_info.ts";
import { parseSubflowAddresses, parseSubflowArray } from "./subflow_addresses.ts";
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

const FULL_INFO_KERNELS = KERNELS.filter((kernel) => kernel !== "6.1");

Deno.test("encodeFullInfoRequest() writes sizes, room and pointers when asked for subflows", () => {
  const buffers = encodeFullInfoRequest(3, (buffer) => 0xff00000000n + BigInt(buffer.length));
  assert.deepEqual(
    buffers.header,
    parseHex(
      "00000000d000000000000000080100000000000003000000" +
        "18030000ff00000070020000ff000000",
    ),
  );
  assert.deepEqual([buffers.subflowInfos.length, buffers.tcpInfos.length], [3 * 264, 3 * 208]);
});

for (const kernel of FULL_INFO_KERNELS) {
  Deno.test(`parseFullInfo() agrees with the older options when the kernel is ${kernel}`, () => {
    for (const family of FAMILIES) {
      for (const role of ["connected", "accepted"]) {
        const { name, answer, fullInfo } = readCapture(kernel, `${role} ${family}`);
        const { count, subflows } = parseFullInfo(fullInfo());
        assert.equal(count, family === "IPv6" ? 1 : 2, name);
        // A subflow that was not to be has had its number: 3 may follow 1.
        const ids = subflows.map(({ id }) => id ?? 0);
        assert.equal(ids[0], 1, name);
        assert.ok(ids.length === 1 || (ids[1] ?? 0) > 1 && (ids[1] ?? 0) < 9, name);
        assert.deepEqual(
          subflows.map(({ local, remote }) => ({ local, remote })),
          parseSubflowArray(answer("MPTCP_SUBFLOW_ADDRS").bytes).elements.map(
            parseSubflowAddresses,
          ),
          name,
        );
        assert.deepEqual(
          subflows.map(({ tcp }) => tcp),
          parseSubflowArray(answer("MPTCP_TCPINFO").bytes).elements.map(parseTcpInfo),
          name,
        );
      }
    }
  });

  Deno.test(`parseFullInfo() is the same when ${kernel} is asked for fewer bytes than it has`, () => {
    const { fullInfo } = readCapture(kernel, "accepted v4-mapped");
    assert.deepEqual(parseFullInfo(fullInfo("MPTCP_FULL_INFO short")), parseFullInfo(fullInfo()));
  });
}

Deno.test("parseFullInfo() gives no subflow when the header is cut", () => {
  const whole = readCapture("7.2", "connected IPv4").fullInfo();
  forEachPrefix(whole.header, (header) => {
    const { subflows } = parseFullInfo({ ...whole, header });
    assert.equal(subflows.length, header.length < 20 ? 0 : 2);
  });
});

Deno.test("parseFullInfo() gives the whole elements only when an array is cut", () => {
  const whole = readCapture("7.2", "connected IPv4").fullInfo();
  forEachPrefix(whole.subflowInfos, (subflowInfos) => {
    const { count, subflows } = parseFullInfo({ ...whole, subflowInfos });
    assert.deepEqual([count, subflows.length], [2, Math.floor(subflowInfos.length / 264)]);
  });
  forEachPrefix(whole.tcpInfos, (tcpInfos) => {
    const { subflows } = parseFullInfo({ ...whole, tcpInfos });
    const known = subflows.filter(({ tcp }) => tcp !== undefined);
    assert.deepEqual([subflows.length, known.length], [2, Math.floor(tcpInfos.length / 280)]);
  });
});

Deno.test("parseFullInfo() stays within the bytes when they are random", () => {
  const next = random(5);
  for (let round = 0; round < 2000; round++) {
    const header = randomBytes(next, 60);
    // Else the sizes are almost always far outside.
    const sizes = [next() & 255, next() & 255, next() & 15];
    if (round % 2 && header.length >= 20) {
      [4, 12, 16].forEach((offset, index) => header.set([sizes[index] ?? 0, 0, 0, 0], offset));
    }
    const [subflowInfos, tcpInfos] = [randomBytes(next, 600), randomBytes(next, 600)];
    const { count, subflows } = parseFullInfo({ header, subflowInfos, tcpInfos });
    assert.ok(subflows.length <= count && subflows.length <= subflowInfos.length);
  }
});
