/**
 * That `sockets` and `probe` give the right verdict and the right reason, on networks that do to MPTCP what
 * networks do to it.
 *
 * @module
 */

import { deepStrictEqual, match, ok, strictEqual } from "node:assert";
import {
  listSockets,
  type ProbeReport,
  type ReasonCode,
  type SeenSocket,
  type Verdict,
} from "../../mod.ts";
import { canMakeNamespaces } from "../apps/netns.ts";
import { hasMptcp } from "../live_sockets.ts";
import { commandExists, skipUnless } from "../skip.ts";
import { withTerminal } from "./terminal.ts";
import { makeNetwork, mptcpizeIn, type Network, setUp, startPeer } from "./network.ts";

const PORT = 8080;

const needs = {
  ignore: [
    skipUnless("network namespaces", canMakeNamespaces),
    skipUnless("MPTCP", hasMptcp),
    skipUnless("nft (nftables)", commandExists("nft")),
  ].some(({ ignore }) => ignore),
};

/** The connection of a process, and not its listener. */
function connectionOf(pid: number): SeenSocket {
  const { sockets } = listSockets({ pid });
  const connected = sockets.filter(({ remote }) => remote !== undefined);
  strictEqual(connected.length, 1, JSON.stringify(sockets));
  return connected[0]!;
}

interface End {
  readonly verdict: Verdict;
  /** The codes of all reasons, the first one first. */
  readonly reasons: readonly ReasonCode[];
}

function end({ verdict, reasons, disagreement }: SeenSocket): End {
  strictEqual(disagreement, undefined);
  for (const { evidence } of reasons) ok(evidence.length > 0, "a reason rests on something");
  return { verdict, reasons: reasons.map(({ code }) => code) };
}

async function probe(network: Network, family: "IPv4" | "IPv6" = "IPv4") {
  const address = network.addresses[family];
  const target = address.includes(":") ? `[${address}]:${PORT}` : `${address}:${PORT}`;
  const { status, out, err } = await mptcpizeIn(
    network.client,
    ...["probe", "--json", "--timeout", "4", target],
  );
  const report: ProbeReport = JSON.parse(out || err);
  return { status, report, outcome: report.addresses[0]?.outcome };
}

interface Scenario {
  readonly name: string;
  readonly rule?: string;
  readonly family?: "IPv4" | "IPv6";
  readonly protocols?: readonly [server: "TCP" | "MPTCP", client: "TCP" | "MPTCP"];
  readonly client: End;
  readonly server: End;
  readonly probe: string;
}

const MPTCP: End = { verdict: "mptcp", reasons: [] };
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

    await using slow = await startPeer(network.client, "connect", "MPTCP", address, PORT);
    match(slow.said, /^connected 1000 3\d\d\d$/);
    deepStrictEqual(end(connectionOf(slow.pid)), { verdict: "fallback", reasons: ["syn-lost"] });
    await using fast = await startPeer(network.client, "connect", "MPTCP", address, PORT);
    match(fast.said, /^connected 1000 \d{1,3}$/);
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
    const started = performance.now();
    const silent = await mptcpizeIn(refusing.client, "probe", "-t", "1", `${address}:${PORT}`);
    ok(performance.now() - started < 4000);
    strictEqual(silent.status, 1);
    match(silent.out, /no answer|unreachable/);
    await setUp(refusing.client, "ip route del default");
    strictEqual((await probe(refusing)).outcome, "unreachable");
    const unknown = await mptcpizeIn(refusing.client, "probe", "name.invalid");
    strictEqual(unknown.status, 1);
    match(unknown.err, /^mptcpize: Cannot probe name\.invalid: its name has no address/);
    await setUp(
      refusing.client,
      "echo 0 >/proc/sys/net/mptcp/enabled; ip route add default via 10.9.0.2",
    );
    await setUp(refusing.router, "ip link set s up");
    strictEqual((await probe(refusing)).outcome, "unavailable");
  },
});

/** Joins client and server by a second wire, which the path manager knows as a backup. */
async function addBackup(network: Network): Promise<void> {
  await setUp(
    network.client,
    `
    ip link add spare type veth peer name spare netns ${network.server.pid}
    ip addr add 10.8.0.1/24 dev spare; ip link set spare up
    ip mptcp limits set subflows 2 add_addr_accepted 2
    `,
  );
  await setUp(
    network.server,
    "ip addr add 10.8.0.2/24 dev spare; ip link set spare up; ip mptcp limits set subflows 2",
  );
}

Deno.test({
  name: "listSockets() shows each subflow, and which is backup, when there are two",
  ...needs,
  fn: async () => {
    await using network = await makeNetwork();
    await addBackup(network);
    const address = network.addresses.IPv4;
    await setUp(network.server, "ip mptcp endpoint add 10.8.0.2 dev spare signal");
    await setUp(network.client, "ip mptcp endpoint add 10.8.0.1 dev spare subflow backup");
    await setUp(network.client, "ip route add 10.9.1.0/24 via 10.8.0.2 table 100");
    await setUp(network.client, "ip rule add from 10.8.0.1 table 100");
    await using server = await startPeer(network.server, "serve", "MPTCP", address, PORT);
    await using client = await startPeer(network.client, "connect", "MPTCP", address, PORT);
    const { subflows = [] } = connectionOf(client.pid);
    const shown = subflows.map(({ local, remote, backup }) => [
      local?.address,
      remote?.address,
      backup,
    ]);
    deepStrictEqual(shown[0], ["10.9.0.1", "10.9.1.1", "no"]);
    ok(
      shown.some(([local, , backup]) => local === "10.8.0.1" && backup === "local"),
      JSON.stringify(shown),
    );
    ok(subflows.every(({ tcp }) => (tcp?.rttUs ?? 0) > 0));
    const atServer = connectionOf(server.pid).subflows ?? [];
    ok(
      atServer.some(({ remote, backup }) => remote?.address === "10.8.0.1" && backup === "remote"),
    );
    const { out } = await mptcpizeIn(network.client, "sockets", "--pid", String(client.pid));
    match(out, /subflow 10\.8\.0\.1:\d+ to 10\.[89]\.\d\.\d:8080,? *\n? *(rtt|backup)/);
    match(out, /\bbackup\b/);
    const announced = await probe(network);
    deepStrictEqual(announced.report.addresses[0]?.announced.map(({ address }) => address), [
      "10.8.0.2",
    ]);
  },
});

Deno.test({
  name: "sockets --all lists a namespace by owner, and --listen its listeners alone",
  ...needs,
  fn: async () => {
    await using network = await makeNetwork();
    const address = network.addresses.IPv4;
    await using server = await startPeer(network.server, "serve", "MPTCP", address, PORT);
    await using _client = await startPeer(network.client, "connect", "MPTCP", address, PORT);
    const all = await mptcpizeIn(network.server, "sockets", "--all");
    strictEqual(all.status, 0);
    match(all.out, new RegExp(`^deno \\(${server.pid}\\)$`, "m"));
    match(all.out, /^this network namespace: 2 TCP sockets, 2 MPTCP$/m);
    for (const line of all.out.split("\n")) ok(line.length <= 80, line);
    const listen = await mptcpizeIn(network.server, "sockets", "--all", "--listen", "--json");
    const { sockets }: { sockets: SeenSocket[] } = JSON.parse(listen.out);
    deepStrictEqual(sockets.map(({ state, verdict }) => [state, verdict]), [["LISTEN", "mptcp"]]);
    deepStrictEqual(sockets[0]?.owners.map(({ pid }) => pid), [server.pid]);
  },
});

Deno.test({
  name: "sockets shows an ordinary user what it may, and says what it could not see",
  ...needs,
  fn: async () => {
    await using network = await makeNetwork();
    const address = network.addresses.IPv4;
    await using _server = await startPeer(network.server, "serve", "TCP", address, PORT);
    await using _client = await startPeer(network.client, "connect", "MPTCP", address, PORT);
    const [program = "", ...args] = network.client.enter([
      // The files stay readable; no right is left over processes that have more.
      ...["setpriv", "--bounding-set=-all", "--inh-caps=-all"],
      ...[Deno.execPath(), "run", "-qA", "--no-check"],
      ...[new URL("../../cli/mptcpize.ts", import.meta.url).pathname, "sockets", "--all", "--json"],
    ]);
    const { stdout, stderr } = await new Deno.Command(program, { args }).output();
    const text = new TextDecoder().decode(stdout);
    ok(text !== "", new TextDecoder().decode(stderr));
    const { sockets, notes }: { sockets: SeenSocket[]; notes: string[] } = JSON.parse(text);
    const fallback = sockets.find(({ remote }) => remote !== undefined);
    deepStrictEqual([fallback?.verdict, fallback?.owners], ["fallback", []]);
    strictEqual(fallback?.reasons[0]?.code, "answered-as-tcp");
    match(notes.join("\n"), /could not be looked into/);
  },
});

Deno.test({
  name: "doctor says what is broken, and what mends it, when it is broken",
  ...needs,
  fn: async () => {
    await using network = await makeNetwork();
    const healthy = await mptcpizeIn(network.client, "doctor");
    deepStrictEqual([healthy.status, healthy.err], [0, ""]);
    match(healthy.out, /^ok +self-test +over loopback, IPv4 and IPv6/m);
    match(healthy.out, /^ok +preload +tried/m);
    for (const line of healthy.out.split("\n")) ok(line.length <= 80, line);

    await addBackup(network);
    await setUp(network.client, "ip route add default via 10.8.0.2 dev spare metric 200");
    await setUp(network.client, "sysctl -qw net.ipv4.conf.spare.rp_filter=1");
    const twoPaths = await mptcpizeIn(network.client, "doctor");
    strictEqual(twoPaths.status, 0);
    match(twoPaths.out, /^warning +paths +wan and spare could carry subflows/m);
    match(twoPaths.out, /mend: `ip mptcp endpoint add 10\.8\.0\.1 dev spare subflow`/);
    match(twoPaths.out, /^warning +rp_filter +spare/m);

    // What it said to do: no warning is left of that.
    await setUp(
      network.client,
      "ip mptcp endpoint add 10.8.0.1 dev spare subflow; sysctl -qw net.ipv4.conf.spare.rp_filter=2",
    );
    const mended = await mptcpizeIn(network.client, "doctor");
    match(mended.out, /^ok +paths +wan, spare \(1 endpoint/m);

    await setUp(network.client, "ip mptcp endpoint add 10.99.0.1 subflow");
    match((await mptcpizeIn(network.client, "doctor")).out, /endpoint delete id 2/);
    await setUp(network.client, "echo 0 >/proc/sys/net/mptcp/enabled");
    const off = await mptcpizeIn(network.client, "doctor");
    strictEqual(off.status, 1);
    match(off.out, /^broken +kernel /m);
    match(off.out, /mend: `sysctl -w net\.mptcp\.enabled=1`/);
    match(off.out, /MPTCP cannot be used here/);
  },
});

/** Where cgroups of version 2 can be made; undefined where they cannot. */
function findCgroups(): string | undefined {
  return ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].find((mount) => {
    try {
      Deno.statSync(`${mount}/cgroup.controllers`);
      Deno.mkdirSync(`${mount}/mptcpize-test`);
      Deno.removeSync(`${mount}/mptcpize-test`);
      return true;
    } catch {
      return false;
    }
  });
}

const cgroups = Deno.uid() === 0 ? findCgroups() : undefined;

Deno.test({
  name: "sockets --cgroup lists what was made in a cgroup or below, and nothing else",
  ...needs,
  ignore: needs.ignore || skipUnless("cgroup v2", cgroups !== undefined).ignore,
  fn: async () => {
    await using network = await makeNetwork();
    const name = `mptcpize-test-${Deno.pid}`;
    const folder = `${cgroups}/${name}`;
    Deno.mkdirSync(`${folder}/below`, { recursive: true });
    try {
      const address = network.addresses.IPv4;
      await using outside = await startPeer(network.server, "serve", "MPTCP", address, PORT);
      // A process is in its cgroup before it makes sockets.
      const script = `echo $$ >${folder}/below/cgroup.procs && exec "$@"`;
      const enclosed = {
        ...network.client,
        enter: (words: readonly string[]) =>
          network.client.enter(["sh", "-c", script, "sh", ...words]),
      } as typeof network.client;
      {
        await using inside = await startPeer(enclosed, "connect", "MPTCP", address, PORT);
        const { out } = await mptcpizeIn(network.client, "sockets", "--json", "--cgroup", name);
        const { sockets }: { sockets: SeenSocket[] } = JSON.parse(out);
        deepStrictEqual(sockets.map(({ verdict, owners }) => [verdict, owners[0]?.pid]), [
          ["mptcp", inside.pid],
        ]);
        // From another network namespace, by the processes in it.
        const from = listSockets({ cgroup: folder }).sockets;
        deepStrictEqual(from.map(({ inode }) => inode), sockets.map(({ inode }) => inode));
      }
      ok(outside.pid > 0);
    } finally {
      Deno.removeSync(`${folder}/below`);
      Deno.removeSync(folder);
    }
  },
});

Deno.test({
  name: "sockets --watch refreshes in place, and ^C leaves the terminal as it was",
  ...skipUnless("script (bsdutils)", commandExists("script")),
  fn: () =>
    withTerminal("xterm", async ({ type, until }) => {
      const cli = new URL("../../cli/mptcpize.ts", import.meta.url).pathname;
      await type("stty rows 5 cols 60; echo si''zed\n");
      await until(/sized[^]*ready> /);
      await type(`${Deno.execPath()} run -qA ${cli} sockets --all --watch\n`);
      // deno-lint-ignore no-control-regex
      await until(/\x1b\[\?1049h\x1b\[\?25l\x1b\[H/);
      // deno-lint-ignore no-control-regex
      await until(/\x1b\[H/);
      await type("\x1a");
      // deno-lint-ignore no-control-regex
      match(await until(/Stopped/), /\x1b\[\?25h\x1b\[\?1049l/);
      await type("fg\n");
      // deno-lint-ignore no-control-regex
      await until(/\x1b\[\?1049h\x1b\[\?25l\x1b\[H/);
      await type("\x03");
      // deno-lint-ignore no-control-regex
      await until(/\x1b\[\?25h\x1b\[\?1049l/);
      await until(/ready> /);
      await type("echo status $?\n");
      await until(/status 0/);
    }),
});

/** Listens as descriptor 3, which it says to be passed in, and becomes another program. */
const PASSED_IN = `import os, socket
listener = socket.socket(); listener.bind(("127.0.0.1", 0)); listener.listen()
os.dup2(listener.fileno(), 3); os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execvp("sh", ["sh", "-c", "echo ready; read line"])`;

/** Listens twice: as the C library makes a socket, and by a system call of its own. */
const FORCED = `import ctypes, os, socket
listener = socket.socket(); listener.bind(("127.0.0.1", 0)); listener.listen()
raw = ctypes.CDLL(None).syscall({"x86_64": 41}.get(os.uname().machine, 198), 2, 1, 6)
print("ready", listener.fileno(), raw, flush=True); input()`;

async function sockets(words: readonly string[]): Promise<readonly SeenSocket[]> {
  const child = new Deno.Command(words[0]!, {
    args: words.slice(1),
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  try {
    await reader.read();
    return listSockets({ pid: child.pid }).sockets;
  } finally {
    await reader.cancel();
    await child.stdin.close();
    await child.status;
  }
}

const python = skipUnless("python3", commandExists("python3"));

Deno.test({
  name: "listSockets() sees that a service manager passed a listener in",
  ...python,
  fn: async () => {
    const [listener, ...more] = await sockets(["python3", "-c", PASSED_IN]);
    deepStrictEqual([listener?.owners[0]?.fds, more.length], [[3], 0]);
    deepStrictEqual(listener && end(listener), { verdict: "tcp", reasons: ["passed-in"] });
  },
});

Deno.test({
  name: "listSockets() tells a forced socket from one made past the library",
  ignore: python.ignore || needs.ignore,
  fn: async () => {
    const cli = new URL("../../cli/mptcpize.ts", import.meta.url).pathname;
    const run = [Deno.execPath(), "run", "-qA", cli, "run", "--"];
    const found = await sockets([...run, "python3", "-c", FORCED]);
    deepStrictEqual(found.map(end).sort((a, b) => a.verdict < b.verdict ? -1 : 1), [
      MPTCP,
      { verdict: "tcp", reasons: ["back-to-tcp", "past-the-library"] },
    ]);
    const plain = await sockets(["python3", "-c", FORCED]);
    deepStrictEqual(
      new Set(plain.flatMap(({ reasons }) => reasons.map(({ code }) => code))),
      new Set(["not-forced"]),
    );
  },
});
