import { strict as assert } from "node:assert";
import { FAMILIES, KERNELS, parseHex, readCapture } from "./testdata/captures.ts";
import { judgeMptcp } from "./verdict.ts";

function judgeCapture(kernel: string, socket: string) {
  const { answer } = readCapture(kernel, socket);
  let asked = false;
  const judgement = judgeMptcp(answer("MPTCP_INFO"), () => {
    asked = true;
    const { bytes, errno } = answer("TCP_USER_TIMEOUT");
    return { value: bytes[0] ?? -1, errno };
  });
  return { ...judgement, asked, protocol: answer("SO_PROTOCOL").bytes };
}

for (const kernel of KERNELS) {
  Deno.test(`judgeMptcp() is right about every captured socket when the kernel is ${kernel}`, () => {
    const size = kernel === "6.1" ? 48 : 96;
    for (const family of FAMILIES) {
      for (const role of ["unconnected", "listening", "connected", "accepted"]) {
        const { verdict, evidence, mptcp, asked, protocol } = judgeCapture(
          kernel,
          `${role} ${family}`,
        );
        const token = /ed$/.test(role) && role !== "unconnected"
          ? "token 0x[0-9a-f]{8}"
          : "no token";
        assert.equal(verdict, "mptcp", role);
        assert.match(
          evidence,
          new RegExp(`^SO_PROTOCOL 262, MPTCP_INFO ${size} bytes, ${token}$`),
          role,
        );
        assert.ok(mptcp, role);
        assert.ok(!asked, role);
        assert.deepEqual(protocol, parseHex("06010000"));
      }
      const { protocol, asked, ...fallback } = judgeCapture(kernel, `fallback ${family}`);
      const refusal = family === "IPv4" ? "EOPNOTSUPP" : "ENOPROTOOPT";
      assert.deepEqual(fallback, {
        verdict: "fallback",
        evidence: `SO_PROTOCOL 262, MPTCP_INFO: ${refusal}, TCP_USER_TIMEOUT: 0`,
      });
      assert.ok(asked);
      assert.deepEqual(protocol, parseHex("06010000"));
      for (const role of ["TCP", "accepted from TCP"]) {
        assert.deepEqual(judgeCapture(kernel, `${role} ${family}`).protocol, parseHex("06000000"));
      }
    }
  });

  Deno.test(`judgeMptcp() can rely on TCP_USER_TIMEOUT when the kernel is ${kernel}`, () => {
    for (const role of ["unconnected", "listening", "connected", "accepted"]) {
      for (const family of FAMILIES) {
        const { answer, name } = readCapture(kernel, `${role} ${family}`);
        assert.equal(answer("TCP_USER_TIMEOUT").errno, 95, name);
      }
    }
  });
}

const NO_BYTES = new Uint8Array();

Deno.test("judgeMptcp() does not say fallback when the kernel is too old for MPTCP_INFO", () => {
  assert.deepEqual(
    judgeMptcp({ bytes: NO_BYTES, errno: 95 }, () => ({ value: -1, errno: 95 })),
    {
      verdict: "mptcp",
      evidence: "SO_PROTOCOL 262, MPTCP_INFO: EOPNOTSUPP, TCP_USER_TIMEOUT: EOPNOTSUPP",
    },
  );
});

Deno.test("judgeMptcp() says fallback when the kernel answers with the flag", () => {
  const bytes = new Uint8Array(96);
  bytes[8] = 1;
  assert.deepEqual(judgeMptcp({ bytes, errno: 0 }, () => assert.fail("not to be asked")), {
    verdict: "fallback",
    evidence: "SO_PROTOCOL 262, MPTCP_INFO 96 bytes, flag FALLBACK",
  });
});
