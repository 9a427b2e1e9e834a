import { match, ok, strictEqual } from "node:assert";
import type { Reason, SeenSocket } from "../mod.ts";
import { reasonLines, socketsByOwner, socketsText, totals, verdictCounts } from "./sockets_text.ts";

const PLAIN = { color: false, columns: undefined };
const LONG = "2001:db8:1234:5678:9abc:def0:1234:5678";

const FALLBACK: SeenSocket = {
  inode: 9,
  family: "IPv4",
  local: { address: "10.0.0.1", port: 40000 },
  remote: { address: "10.0.0.2", port: 443 },
  state: "ESTABLISHED",
  verdict: "fallback",
  evidence: "sock_diag",
  owners: [{ pid: 7, command: "curl", fds: [5] }],
  reasons: [{
    code: "answered-as-tcp",
    words: "the peer, or something on the way, answered as plain TCP",
    certainty: "certain",
    evidence: ["asked for in the SYN", "SYN/ACK without it"],
  }],
  tcp: { state: "ESTABLISHED", rttUs: 1500, retransmits: 2, bytesSent: 1000, bytesReceived: 20 },
};

function possible(words: string): Reason {
  return { code: "past-the-library", words, certainty: "possible", evidence: [] };
}

Deno.test("socketsText() shows a fallback with its reason beneath", () => {
  strictEqual(
    socketsText(PLAIN, { sockets: [{ ...FALLBACK, fd: 5 }] }),
    `FD  KIND      STATE        LOCAL           REMOTE
5   fallback  ESTABLISHED  10.0.0.1:40000  10.0.0.2:443
    rtt 1.50 ms, sent 1.0 kB, received 20 B, 2 retransmitted
    why: the peer, or something on the way, answered as plain TCP (asked
         for in the SYN; SYN/ACK without it)`,
  );
});

Deno.test("socketsText() uses the room of a wide terminal", () => {
  const end = { address: LONG, port: 65535 };
  const text = socketsText({ color: false, columns: 200 }, {
    sockets: [{ ...FALLBACK, fd: 5, local: end, remote: end }],
  });
  match(text, /^5 .*\]:65535 {2}\[2001:.*\]:65535$/m);
  ok(text.split("\n").some((line) => /^ {4}why: /.test(line) && line.length > 80), text);
});

Deno.test("socketsText() stays within 80 columns when addresses are long", () => {
  const end = { address: LONG, port: 65535 };
  const subflow = { id: 1, local: end, remote: end, tcp: FALLBACK.tcp, backup: "remote" } as const;
  const mptcp = { token: 1, bytesSent: 1e15, bytesReceived: 1e15 } as SeenSocket["mptcp"];
  const { reasons: _reasons, tcp: _tcp, ...socket } = FALLBACK;
  const text = socketsText(PLAIN, {
    sockets: [
      {
        ...socket,
        fd: 5,
        local: end,
        remote: end,
        verdict: "mptcp",
        mptcp: mptcp!,
        subflows: [subflow],
      },
      { ...FALLBACK, fd: 6, local: end, remote: end },
    ],
  });
  match(text, /^ {4}to \[2001:db8:/m);
  for (const line of text.split("\n")) ok(line.length <= 80, line);
});

Deno.test("reasonLines() puts the likeliest first, and what to do with the first alone", () => {
  const lines = reasonLines([
    { ...possible("one"), hint: "do this" },
    { ...possible("two"), hint: "do that" },
  ]);
  strictEqual(lines.join("\n"), "most likely: one\nhint: do this\nor:  two");
  strictEqual(reasonLines([possible("one")]).join(), "possible: one");
});

Deno.test("socketsByOwner() groups by process, and names who shares", () => {
  const shared = {
    ...FALLBACK,
    owners: [
      { pid: 3, command: "nginx", fds: [6] },
      { pid: 4, command: "nginx", fds: [6] },
    ],
  };
  const lost = { ...FALLBACK, inode: 0, owners: [] };
  const hidden = { ...FALLBACK, owners: [] };
  const text = socketsByOwner(PLAIN, [lost, FALLBACK, hidden, shared]);
  const titles = text.split("\n").filter((line) => /^[a-z]/.test(line));
  strictEqual(
    titles.join("; "),
    "nginx (3); curl (7); no process any more; a process that cannot be seen",
  );
  match(text, /^nginx \(3\)\n {2}some shared with nginx \(4\)\nFD /m);
});

Deno.test("totals() counts each verdict that there is", () => {
  strictEqual(verdictCounts([]), "");
  strictEqual(
    totals("curl (7)", [FALLBACK, { ...FALLBACK, verdict: "mptcp" }], 1),
    "curl (7): 2 sockets (1 MPTCP, 1 fallback); 1 descriptor could not be looked at",
  );
});
