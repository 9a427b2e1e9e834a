import { deepStrictEqual, ok, strictEqual } from "node:assert";
import type { SocketFacts, TcpInfo } from "../inspect/mod.ts";
import { countedByKernel, RunSockets } from "./run_summary.ts";

const NOTHING = { sockets: undefined, lost: 0 };
const NONE = new Map<string, number>();

function tcp(bytesSent: number, bytesReceived: number): TcpInfo {
  return { state: "ESTABLISHED", rttUs: 1, retransmits: 0, bytesSent, bytesReceived };
}

const ends = {
  local: { address: "10.0.0.1", port: 1000 },
  remote: { address: "10.0.0.2", port: 80 },
};

function mptcp(...sent: number[]): SocketFacts {
  return {
    family: "IPv4",
    ...ends,
    state: "ESTABLISHED",
    verdict: "mptcp",
    evidence: "",
    subflows: sent.map((bytes, id) => ({
      id,
      local: { address: `10.0.${id}.1`, port: 1000 + id },
      remote: ends.remote,
      tcp: tcp(bytes, 1),
    })),
  };
}

function fallback(bytes: number): SocketFacts {
  return {
    family: "IPv4",
    ...ends,
    state: "ESTABLISHED",
    verdict: "fallback",
    evidence: "",
    tcp: tcp(bytes, 0),
  };
}

Deno.test("RunSockets adds up what each socket was when it was seen last", () => {
  const run = new RunSockets();
  run.see(1, mptcp(10));
  run.see(1, mptcp(100, 50));
  run.see(2, mptcp(1));
  // Its subflows are gone: what was said before is more.
  run.see(2, mptcp());
  run.see(3, mptcp(5));
  run.see(3, fallback(7));
  run.see(4, { ...mptcp(), state: "LISTEN" });
  const { remote: _remote, ...unconnected } = fallback(0);
  run.see(5, unconnected);
  const seen = run.summarize(NOTHING, NONE, new Map([["MPCapableFallbackSYNACK", 1]]), ["note"]);
  deepStrictEqual(seen.connections, { mptcp: 2, fallback: 1, tcp: 0 });
  deepStrictEqual(seen.listeners, { mptcp: 1, fallback: 0, tcp: 0 });
  strictEqual(seen.subflows, 3);
  deepStrictEqual(
    seen.paths.map(({ local, verdict, flows, bytesSent }) => [local, verdict, flows, bytesSent]),
    [["10.0.0.1", "mptcp", 2, 101], ["10.0.1.1", "mptcp", 1, 50], ["10.0.0.1", "fallback", 1, 7]],
  );
  deepStrictEqual(seen.fallbackReasons.map(({ code }) => code), ["answered-as-tcp"]);
  deepStrictEqual(seen.counters, { MPCapableFallbackSYNACK: 1 });
  deepStrictEqual([seen.notes, seen.lost], [["note"], 0]);
});

Deno.test("countedByKernel() has what was asked for and forced in the cgroup of a run", () => {
  deepStrictEqual(
    countedByKernel({ socketsSeen: 5n, socketsForced: 3n, optionsSoftened: 2n }),
    {
      countedBy: "kernel",
      made: 5,
      forced: 3,
      returned: 0,
      refusal: undefined,
      softened: 2,
    },
  );
});

Deno.test("RunSockets keeps its memory and loses nothing when there are very many", () => {
  const run = new RunSockets();
  for (let inode = 1; inode <= 50_000; inode++) {
    run.see(inode, {
      ...fallback(1),
      remote: { address: `10.1.${inode >> 8}.${inode & 255}`, port: 1 },
    });
  }
  const { connections, paths } = run.summarize(NOTHING, NONE, NONE, []);
  strictEqual(connections.fallback, 50_000);
  ok(paths.length <= 2001);
  strictEqual(paths.reduce((sum, { bytesSent }) => sum + (bytesSent ?? 0), 0), 50_000);
  strictEqual(paths[0]?.local, "elsewhere");
});
