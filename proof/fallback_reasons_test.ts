import { deepStrictEqual, match, strictEqual } from "node:assert";
import type { DiagSubflow, TcpInfo } from "../inspect/mod.ts";
import { explainFallback, type FallbackFacts } from "./fallback_reasons.ts";

const SUBFLOW: DiagSubflow = {
  localToken: 7,
  remoteToken: 0,
  remoteId: 0,
  localId: 0,
  peerCapable: false,
  asked: false,
  joined: false,
  backupByPeer: false,
  backup: false,
  fullyEstablished: false,
  connected: true,
};
const TCP: TcpInfo = {
  state: "ESTABLISHED",
  rttUs: 10,
  retransmits: 0,
  bytesSent: 0,
  bytesReceived: 0,
};

function explain(facts: Partial<FallbackFacts>, counters: Record<string, number> = {}) {
  return explainFallback({
    subflow: undefined,
    tcp: TCP,
    remoteKeyReceived: false,
    md5: false,
    counters: new Map(Object.entries(counters)),
    ...facts,
  }).map(({ code, certainty }) => `${code} ${certainty}`);
}

Deno.test("explainFallback() is certain by the traces of the socket alone", () => {
  deepStrictEqual(explain({ subflow: { ...SUBFLOW, asked: true } }), ["answered-as-tcp certain"]);
  deepStrictEqual(
    explain({ subflow: SUBFLOW, tcp: { ...TCP, retransmits: 3 } }, { MPCapableSYNTXDisabled: 9 }),
    ["syn-lost certain"],
  );
  deepStrictEqual(explain({ md5: true, subflow: SUBFLOW }), ["signature certain"]);
});

Deno.test("explainFallback() takes repeated segments for no lost SYN when MPTCP was never asked for", () => {
  const early = { ...SUBFLOW, localToken: 0 };
  deepStrictEqual(
    explain({ subflow: early, tcp: { ...TCP, retransmits: 3 } }, {
      MPCapableSYNTXDisabled: 2,
      MPCapableSYNTXDrop: 1,
    }),
    ["not-asked likely"],
  );
});

Deno.test("explainFallback() names the counter that moved when the handshake was MPTCP", () => {
  const later = { remoteKeyReceived: true, subflow: { ...SUBFLOW, asked: true } };
  deepStrictEqual(explain(later), ["stripped-later likely"]);
  deepStrictEqual(explain(later, { MPCapableDataFallback: 1 }), ["stripped-later likely"]);
  deepStrictEqual(
    explain(later, { MPCapableDataFallback: 1, DataCsumErr: 4, MPCapableFallbackSYNACK: 50 }),
    ["checksum likely", "stripped-later possible"],
  );
});

Deno.test("explainFallback() ranks by counters when the kernel hides the traces of the socket", () => {
  deepStrictEqual(
    explain({ remoteKeyReceived: undefined }, {
      MPCapableSYNTXDrop: 1,
      MPCapableFallbackSYNACK: 5,
    }),
    ["answered-as-tcp likely", "syn-lost possible"],
  );
  deepStrictEqual(explain({ remoteKeyReceived: undefined }), []);
});

Deno.test("explainFallback() says what to do when the kernel stopped asking", () => {
  const [reason] = explainFallback({
    subflow: { ...SUBFLOW, localToken: 0 },
    tcp: TCP,
    remoteKeyReceived: undefined,
    md5: false,
    counters: new Map([["MPCapableSYNTXDisabled", 2]]),
  });
  match(reason?.hint ?? "", /blackhole_timeout/);
  strictEqual(reason?.evidence.join(), "not asked for,MPCapableSYNTXDisabled 2");
});
