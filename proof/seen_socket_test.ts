import { deepStrictEqual, match, ok, strictEqual } from "node:assert";
import type { DiagSocket, SocketFacts } from "../inspect/mod.ts";
import { joinSockets } from "./seen_socket.ts";

const LOCAL = { address: "10.0.0.1", port: 1000 };
const REMOTE = { address: "10.0.0.2", port: 80 };

function diag(changes: Partial<DiagSocket>): DiagSocket {
  return {
    protocol: "TCP",
    family: "IPv4",
    state: "ESTABLISHED",
    local: LOCAL,
    remote: REMOTE,
    uid: 0,
    inode: 50,
    cgroupId: 1n,
    md5: false,
    privileged: true,
    ...changes,
  };
}

function subflow(changes: Partial<NonNullable<DiagSocket["subflow"]>>): Partial<DiagSocket> {
  return {
    ulp: "mptcp",
    subflow: {
      localToken: 7,
      remoteToken: 0,
      remoteId: 0,
      localId: 0,
      peerCapable: true,
      asked: true,
      joined: false,
      backupByPeer: false,
      backup: false,
      fullyEstablished: true,
      connected: true,
      ...changes,
    },
  };
}

function connection(changes: Partial<DiagSocket> = {}, fallback = false): DiagSocket {
  const mptcp = { token: 7, fallback } as NonNullable<DiagSocket["mptcp"]>;
  return diag({ protocol: "MPTCP", mptcp, ...changes });
}

const FACTS: SocketFacts = {
  family: "IPv4",
  local: LOCAL,
  remote: REMOTE,
  state: "ESTABLISHED",
  verdict: "mptcp",
  evidence: "SO_PROTOCOL 262",
};

function verdicts(...parameters: Parameters<typeof joinSockets>) {
  return joinSockets(...parameters).map(({ socket }) => socket.verdict);
}

Deno.test("joinSockets() gives a connection its subflows by token, the initial one first", () => {
  const joined = diag({
    ...subflow({ joined: true, backup: true }),
    local: { address: "10.0.1.1", port: 2000 },
    inode: 0,
  });
  const [{ socket } = { socket: undefined }] = joinSockets(
    { tcp: [joined, diag(subflow({}))], mptcp: [connection()] },
    new Map(),
  );
  deepStrictEqual(socket?.subflows?.map(({ local, backup }) => [local?.address, backup]), [
    ["10.0.0.1", "no"],
    ["10.0.1.1", "local"],
  ]);
  strictEqual(socket?.evidence, "sock_diag: MPTCP, token 0x00000007");
});

Deno.test("joinSockets() finds subflows by inode when the kernel hides what sits upon TCP", () => {
  const hidden = diag({ privileged: false });
  const found = joinSockets(
    { tcp: [hidden], mptcp: [connection({ privileged: false })] },
    new Map(),
  );
  strictEqual(found.length, 1);
  deepStrictEqual(found[0]?.socket.subflows?.map(({ backup }) => backup), [undefined]);
});

Deno.test("joinSockets() takes TCP under MPTCP without a token for a fallback", () => {
  const early = diag(subflow({ localToken: 0, asked: false }));
  deepStrictEqual(verdicts({ tcp: [early], mptcp: [] }, new Map()), ["fallback"]);
  deepStrictEqual(
    verdicts({ tcp: [diag({})], mptcp: [connection({ inode: 51 }, true)] }, new Map()),
    [
      "tcp",
      "fallback",
    ],
  );
});

Deno.test("joinSockets() leaves out a subflow whose connection went between the two lists", () => {
  deepStrictEqual(verdicts({ tcp: [diag(subflow({}))], mptcp: [] }, new Map()), []);
});

Deno.test("joinSockets() says what was seen when the two sources do not agree", () => {
  const told = new Map([[50, { ...FACTS, verdict: "fallback" as const }]]);
  const [changed] = joinSockets({ tcp: [diag(subflow({}))], mptcp: [connection()] }, told);
  strictEqual(changed?.socket.verdict, "fallback");
  match(changed?.socket.disagreement ?? "", /sock_diag said MPTCP.*descriptor said a fallback/);
  ok(!("subflows" in (changed?.socket ?? {})));
});

Deno.test("joinSockets() does not call it a disagreement when the kernel hid the fallback", () => {
  const told = new Map([[50, { ...FACTS, verdict: "fallback" as const }]]);
  const hidden = joinSockets({ tcp: [diag({ privileged: false })], mptcp: [] }, told)[0];
  deepStrictEqual([hidden?.socket.verdict, hidden?.socket.disagreement], ["fallback", undefined]);
  const shown = joinSockets({ tcp: [diag({})], mptcp: [] }, told)[0];
  ok(shown?.socket.disagreement);
});

Deno.test("joinSockets() adds what only a descriptor tells of", () => {
  const idle = { ...FACTS, state: "CLOSE" };
  const [found] = joinSockets({ tcp: [], mptcp: undefined }, new Map([[9, idle]]));
  deepStrictEqual([found?.socket.inode, found?.socket.state], [9, "CLOSE"]);
});

Deno.test("joinSockets() keeps an MPTCP listener one socket, without subflows", () => {
  const listening = { state: "LISTEN", remote: undefined };
  const [found, ...more] = joinSockets({
    tcp: [diag({ ...listening, ulp: "mptcp" })],
    mptcp: [connection({ ...listening, mptcp: { token: 0 } as NonNullable<DiagSocket["mptcp"]> })],
  }, new Map());
  deepStrictEqual([found?.socket.verdict, found?.socket.subflows, more.length], [
    "mptcp",
    undefined,
    0,
  ]);
});
