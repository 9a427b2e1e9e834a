import { strict as assert } from "node:assert";
import { decodeCounters, parseCounters, parseListeningPorts } from "./netns.ts";

const SNMP = "Tcp: RtoAlgorithm MaxConn ActiveOpens PassiveOpens\nTcp: 1 -1 3 2\n";
const NETSTAT = "TcpExt: SyncookiesSent\nTcpExt: 0\n" +
  "MPTcpExt: MPCapableSYNTX MPCapableACKRX MPCapableFallbackSYNACK Blackhole\nMPTcpExt: 3 1 1 0\n";

Deno.test("parseCounters() joins each name with its prefix and its value", () => {
  const counters = parseCounters(SNMP + NETSTAT);
  assert.equal(counters.get("TcpMaxConn"), -1);
  assert.equal(counters.get("TcpExtSyncookiesSent"), 0);
  assert.equal(counters.get("MPTcpExtMPCapableFallbackSYNACK"), 1);
});

Deno.test("decodeCounters() gives both sides and only the fallbacks that happened", () => {
  assert.deepEqual(decodeCounters(parseCounters(SNMP + NETSTAT)), {
    activeOpens: 3,
    passiveOpens: 2,
    mptcpActiveOpens: 3,
    mptcpPassiveOpens: 1,
    fallbacks: { MPTcpExtMPCapableFallbackSYNACK: 1 },
  });
});

Deno.test("decodeCounters() gives 0 when the kernel knows no MPTCP", () => {
  const { mptcpActiveOpens, fallbacks } = decodeCounters(parseCounters(SNMP));
  assert.equal(mptcpActiveOpens, 0);
  assert.deepEqual(fallbacks, {});
});

Deno.test("parseListeningPorts() takes listening sockets and leaves connected ones", () => {
  const text = `  sl  local_address rem_address   st
   0: 0100007F:1FBB 00000000:0000 0A 00000000:00000000
   1: 0100007F:1FBC 0100007F:C1D8 01 00000000:00000000
`;
  assert.deepEqual(parseListeningPorts(text), [8123]);
});
