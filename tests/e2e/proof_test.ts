/**
 * That `sockets` and `probe` give the right verdict and the right reason, on networks that do to MPTCP what
 * networks do to it.
 *
 * @module
 */

import { deepStrictEqual, match, ok, strictEqual } from "node:assert";
import type { ProbeReport } from "../../mod.ts";
import { connectionOf, type End, end, MPTCP, needs, PORT, probe } from "./ends.ts";
import { makeNetwork, mptcpizeIn, setUp, startPeer } from "./network.ts";

interface Scenario {
  readonly name: string;
  readonly rule?: string;
  readonly family?: "IPv4" | "IPv6";
  readonly protocols?: readonly [server: "TCP" | "MPTCP", client: "TCP" | "MPTCP"];
  readonly client: End;
  readonly server: End;
  readonly probe: string;
}

const SYN = "tcp flags & (syn|ack) == syn";
const SYN_ACK = "tcp flags & (syn|ack) == (syn|ack)";
const LATER = "tcp flags & syn == 0";

const SCENARIOS: readonly Scenario[] = [
  { name: "nothing is in the way", client: MPTCP, server: MPTCP, probe: "mptcp" },
  {
    name: "nothing is in the way of IPv6",
    family: "IPv6",
    client: MPTCP,
    server: MPTCP,
    probe: "mptcp",
  },
  {
    name: "the server is TCP",
    protocols: ["TCP", "MPTCP"],
    client: { verdict: "fallback", reasons: ["answered-as-tcp"] },
    server: { verdict: "tcp", reasons: ["not-forced"] },
    probe: "answers-as-tcp",
  },
  {
    name: "the server is TCP, over IPv6",
    family: "IPv6",
    protocols: ["TCP", "MPTCP"],
    client: { verdict: "fallback", reasons: ["answered-as-tcp"] },
    server: { verdict: "tcp", reasons: ["not-forced"] },
    probe: "answers-as-tcp",
  },
  {
    name: "the client is TCP",
    protocols: ["MPTCP", "TCP"],
    client: { verdict: "tcp", reasons: ["not-forced"] },
    server: { verdict: "tcp", reasons: ["answered-as-tcp"] },
    probe: "mptcp",
  },
  {
    name: "the option is removed from the SYN",
    rule: `${SYN} reset tcp option mptcp`,
    client: { verdict: "fallback", reasons: ["answered-as-tcp"] },
    server: { verdict: "tcp", reasons: ["answered-as-tcp"] },
    probe: "answers-as-tcp",
  },
  {
    name: "the option is removed from the SYN/ACK",
    rule: `${SYN_ACK} reset tcp option mptcp`,
    client: { verdict: "fallback", reasons: ["answered-as-tcp"] },
    server: { verdict: "tcp", reasons: ["client-went-tcp", "answered-as-tcp"] },
    probe: "answers-as-tcp",
  },
  {
    name: "options are removed after the handshake",
    rule: `${LATER} reset tcp option mptcp`,
    client: { verdict: "fallback", reasons: ["stripped-later"] },
    server: { verdict: "tcp", reasons: ["client-went-tcp", "answered-as-tcp"] },
    probe: "stripped-later",
  },
  {
    name: "options are removed after the handshake, from the server's side alone",
    rule: `${LATER} tcp sport ${PORT} reset tcp option mptcp`,
    client: { verdict: "fallback", reasons: ["stripped-later"] },
    // The server goes on as MPTCP: it sees nothing amiss.
    server: MPTCP,
    probe: "stripped-later",
  },
];

for (const scenario of SCENARIOS) {
  Deno.test({
    name: `listSockets() and probe tell the truth when ${scenario.name}`,
    ...needs,
    fn: async () => {
      const { rule, family = "IPv4", protocols = ["MPTCP", "MPTCP"] } = scenario;
      await using network = await makeNetwork(rule);
      const address = network.addresses[family];
      await using server = await startPeer(network.server, "serve", protocols[0], address, PORT);
      await using client = await startPeer(network.client, "connect", protocols[1], address, PORT);
      match(client.said, /^connected 1000 /);
      deepStrictEqual(end(connectionOf(client.pid)), scenario.client, "client");
      deepStrictEqual(end(connectionOf(server.pid)), scenario.server, "server");
      const { status, outcome, report } = await probe(network, family);
      strictEqual(outcome, scenario.probe, JSON.stringify(report));
      strictEqual(report.addresses[0]?.family, family);
      strictEqual(status, scenario.probe === "mptcp" ? 0 : 1);
    },
  });
}

/** Whether the kernel gives up on MPTCP when a SYN with it is lost: since Linux 6.12. */
const hasBlackholes = (() => {
  try {
    return Deno.statSync("/proc/sys/net/mptcp/blackhole_timeout").isFile;
  } catch {
    return false;
  }
})();

Deno.test({
  name: "probe sees a dropped SYN, and leaves no blackhole, when the option is dropped",
  ...needs,
  fn: async () => {
    await using network = await makeNetwork(`${SYN} tcp option mptcp exists drop`);
    const address = network.addresses.IPv4;
    await using _server = await startPeer(network.server, "serve", "MPTCP", address, PORT);
    const first = await probe(network);
    deepStrictEqual([first.status, first.outcome], [1, "syn-dropped"]);
    strictEqual(network.client.counters().fallbacks["MPTcpExtBlackhole"], undefined);

    if (!hasBlackholes) {
      // Without a fallback at the SYN there is nothing to reproduce but that.
      match(first.report.addresses[0]?.hint ?? "", /^programs fail to connect there/);
      await using stuck = await startPeer(network.client, "connect", "MPTCP", address, PORT);
      strictEqual(stuck.said, "failed undefined");
      strictEqual((await mptcpizeIn(network.client, "doctor")).status, 0);
      return;
    }

    await using slow = await startPeer(network.client, "connect", "MPTCP", address, PORT);
    match(slow.said, /^connected 1000 [3-9]\d\d\d$/);
    deepStrictEqual(end(connectionOf(slow.pid)), { verdict: "fallback", reasons: ["syn-lost"] });
    await using fast = await startPeer(network.client, "connect", "MPTCP", address, PORT);
    match(fast.said, /^connected 1000 (\d{1,3}|[12]\d\d\d)$/);
    const unasked = connectionOf(fast.pid);
    deepStrictEqual(end(unasked), { verdict: "fallback", reasons: ["not-asked"] });
    match(unasked.reasons[0]?.hint ?? "", /sysctl -w net\.mptcp\.blackhole_timeout=/);
    const blackholed = await probe(network);
    deepStrictEqual([blackholed.status, blackholed.outcome], [1, "not-asked"]);
    const doctor = await mptcpizeIn(network.client, "doctor");
    strictEqual(doctor.status, 1);
    match(doctor.out, /^broken +blackhole /m);

    // What the reason says to do.
    await setUp(network.client, "sysctl -qw net.mptcp.blackhole_timeout=3600");
    strictEqual((await probe(network)).outcome, "syn-dropped");
    strictEqual((await mptcpizeIn(network.client, "doctor")).status, 0);
  },
});

Deno.test({
  name: "probe tells apart why there is no connection when there is none",
  ...needs,
  fn: async () => {
    await using refusing = await makeNetwork(
      `${SYN} tcp option mptcp exists reject with tcp reset`,
    );
    const address = refusing.addresses.IPv4;
    strictEqual((await probe(refusing)).outcome, "closed");
    await using _server = await startPeer(refusing.server, "serve", "MPTCP", address, PORT);
    const refused = await probe(refusing);
    deepStrictEqual([refused.status, refused.outcome], [1, "syn-refused"]);
    await setUp(refusing.router, `nft flush ruleset; ip link set s down`);
    const silent = await mptcpizeIn(
      refusing.client,
      ...["probe", "--json", "-t", "1", `${address}:${PORT}`],
    );
    strictEqual(silent.status, 1);
    const { addresses: [unanswered] }: ProbeReport = JSON.parse(silent.out);
    match(unanswered?.outcome ?? "", /^(timeout|unreachable)$/);
    // Not the 5 s that it takes by default, however slow the machine.
    ok(unanswered!.attempts[0]!.ms < 4500);
    await setUp(refusing.client, "ip route del default");
    strictEqual((await probe(refusing)).outcome, "unreachable");
    const unknown = await mptcpizeIn(refusing.client, "probe", "name.invalid");
    strictEqual(unknown.status, 1);
    match(
      unknown.err,
      /^mptcpize: Cannot probe name\.invalid: its name (has no address|cannot be looked up now \(getaddrinfo: EAI_AGAIN\))/,
    );
    await setUp(
      refusing.client,
      "echo 0 >/proc/sys/net/mptcp/enabled; ip route add default via 10.9.0.2",
    );
    await setUp(refusing.router, "ip link set s up");
    strictEqual((await probe(refusing)).outcome, "unavailable");
  },
});
