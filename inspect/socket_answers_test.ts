import { deepStrictEqual, ok, strictEqual } from "node:assert";
import { factsOfAnswers, type SocketAnswers } from "./socket_answers.ts";
import { FAMILIES, KERNELS, random, randomBytes, readCapture } from "./testdata/captures.ts";

/** A captured socket as somebody else would have written it down. */
function answersOf(kernel: string, socket: string): SocketAnswers {
  const { answer } = readCapture(kernel, socket);
  return {
    family: socket.endsWith("IPv4") ? 2 : 10,
    protocol: new DataView(answer("SO_PROTOCOL").bytes.buffer).getUint32(0, true),
    listens: socket.startsWith("listening"),
    local: answer("getsockname").bytes,
    remote: answer("getpeername").bytes,
    info: answer("MPTCP_INFO"),
    userTimeoutErrno: answer("TCP_USER_TIMEOUT").errno,
    tcpInfo: answer("MPTCP_INFO").errno === 0 ? new Uint8Array() : answer("TCP_INFO").bytes,
    subflowAddresses: answer("MPTCP_SUBFLOW_ADDRS").bytes,
    subflowTcpInfos: answer("MPTCP_TCPINFO").bytes,
  };
}

for (const kernel of KERNELS) {
  Deno.test(`factsOfAnswers() tells what each socket is when the kernel is ${kernel}`, () => {
    for (const family of FAMILIES) {
      const facts = (socket: string) => factsOfAnswers(answersOf(kernel, `${socket} ${family}`));
      const connected = facts("connected");
      deepStrictEqual([connected.verdict, connected.state], ["mptcp", "ESTABLISHED"]);
      ok(connected.mptcp?.token);
      ok((connected.subflows?.length ?? 0) >= 1);
      deepStrictEqual(connected.subflows?.[0]?.remote?.port, connected.remote?.port);
      strictEqual(connected.tcp, undefined);
      deepStrictEqual([facts("listening").verdict, facts("listening").state], ["mptcp", "LISTEN"]);
      strictEqual(facts("unconnected").remote, undefined);
      const fallback = facts("fallback");
      deepStrictEqual([fallback.verdict, fallback.state], ["fallback", "ESTABLISHED"]);
      ok(fallback.tcp?.bytesSent !== undefined);
      deepStrictEqual([facts("TCP").verdict, facts("TCP").subflows], ["tcp", undefined]);
    }
  });
}

Deno.test("factsOfAnswers() gives something of a socket when all bytes are random", () => {
  const next = random(23);
  for (let round = 0; round < 3000; round++) {
    const facts = factsOfAnswers({
      family: next() % 12,
      protocol: round % 2 ? 262 : next() % 300,
      listens: next() % 2 === 0,
      local: randomBytes(next, 32),
      remote: randomBytes(next, 32),
      info: { bytes: randomBytes(next, 128), errno: next() % 3 ? 0 : 95 },
      userTimeoutErrno: next() % 2 ? 0 : 95,
      tcpInfo: randomBytes(next, 256),
      subflowAddresses: randomBytes(next, 2000),
      subflowTcpInfos: randomBytes(next, 2000),
    });
    ok(["mptcp", "fallback", "tcp"].includes(facts.verdict));
  }
});
