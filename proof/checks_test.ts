import { deepStrictEqual, match, ok, strictEqual } from "node:assert";
import { type Check, type DiagnosisFacts, judge } from "./checks.ts";
import { fixCommands } from "./fix_commands.ts";
import type { MachineFacts } from "./machine.ts";

const MACHINE: MachineFacts = {
  release: "6.12.0",
  sockets: { IPv4: { state: "yes" }, IPv6: { state: "yes" } },
  hasIpv6: true,
  sysctls: { "mptcp/enabled": "1", "mptcp/path_manager": "kernel", "mptcp/scheduler": "default" },
  pathManager: { endpoints: [], limits: { subflows: 2, addAddrAccepted: 0 } },
  endpointRoutes: [],
  paths: [{ interface: "eth0", address: "10.0.0.1", family: "IPv4" }],
  reversePathFilter: { eth0: 1 },
  counters: new Map([["MPCapableSYNTX", 4], ["MPCapableSYNACKRX", 4]]),
  managers: [],
  systemdVersion: 257,
  securityModules: ["lockdown", "capability", "yama"],
  landlock: false,
  container: undefined,
  microVm: false,
};

function checks(changes: Partial<MachineFacts>, others: Partial<DiagnosisFacts> = {}): Check[] {
  return judge({
    machine: { ...MACHINE, ...changes },
    preload: { verdict: "mptcp", library: "/usr/lib/libmptcpize.so" },
    bpf: { state: "yes" },
    patch: { patched: true },
    selfTests: [{
      family: "IPv4",
      passed: true,
      client: "mptcp",
      server: "mptcp",
      notAsked: false,
    }],
    ...others,
  });
}

/** The lines that are not as they should be. */
function trouble(...parameters: Parameters<typeof checks>): string[] {
  return checks(...parameters).filter(({ status }) => status !== "ok")
    .map(({ status, subject, mend }) => [status, subject, mend ?? ""].join(" ").trim());
}

const TWO = {
  paths: [...MACHINE.paths, { interface: "eth1", address: "10.0.1.1", family: "IPv4" }] as const,
  reversePathFilter: { eth0: 2, eth1: 2 },
};

function endpoint(address: string, id: number) {
  return { id, address, port: undefined, flags: ["subflow"] as const, interfaceIndex: undefined };
}

Deno.test("judge() finds nothing wrong when nothing is, and ends with the self-test", () => {
  deepStrictEqual(trouble({}), []);
  strictEqual(checks({}).at(-1)?.subject, "self-test");
});

Deno.test("judge() tells what surrounds the machine, which is no trouble", () => {
  const told = checks({ container: "podman", microVm: true }).map(({ subject }) => subject);
  deepStrictEqual(told.filter((subject) => /container|VM/.test(subject)), [
    "container",
    "micro-VM",
  ]);
  strictEqual(checks({}).some(({ subject }) => /container|VM/.test(subject)), false);
});

Deno.test("judge() says why there are no MPTCP sockets, and tries nothing that needs them", () => {
  const no = { state: "no", reason: "it is off", needs: "`sysctl`" } as const;
  const lines = checks({ sockets: { IPv4: no, IPv6: no } }, { selfTests: [] });
  deepStrictEqual([lines[0]?.status, lines[0]?.mend], ["broken", "`sysctl`"]);
  match(lines[0]?.words ?? "", /it is off/);
  ok(!lines.some(({ subject }) => subject === "self-test" || subject === "counters"));
  deepStrictEqual(trouble({ sockets: { ...MACHINE.sockets, IPv6: no } }), [
    "warning kernel a kernel with CONFIG_MPTCP_IPV6=y",
  ]);
});

Deno.test("judge() asks for an endpoint when two interfaces could carry subflows", () => {
  deepStrictEqual(trouble(TWO), [
    "warning paths `ip mptcp endpoint add 10.0.1.1 dev eth1 subflow`",
  ]);
  const route = {
    endpoint: endpoint("10.0.1.1", 1),
    interface: "eth1",
    interfaceIndex: 3,
    leavesThrough: 3,
  };
  const pathManager = { ...MACHINE.pathManager!, endpoints: [route.endpoint] };
  deepStrictEqual(trouble({ ...TWO, pathManager, endpointRoutes: [route] }), []);
  const astray = { ...route, leavesThrough: 2 };
  match(
    trouble({ ...TWO, pathManager, endpointRoutes: [astray] })[0] ?? "",
    /^warning endpoints `ip rule add from 10\.0\.1\.1 /,
  );
  const lost = { ...route, interface: undefined };
  match(
    trouble({ ...TWO, pathManager, endpointRoutes: [lost] })[0] ?? "",
    /^broken endpoints `ip mptcp endpoint delete id 1`/,
  );
  const none = { ...pathManager, limits: { subflows: 0, addAddrAccepted: 0 } };
  deepStrictEqual(trouble({ ...TWO, pathManager: none, endpointRoutes: [route] }), [
    "warning limits `ip mptcp limits set subflows 2`",
  ]);
});

Deno.test("judge() sees a strict rp_filter only where there is more than one way", () => {
  deepStrictEqual(trouble({ reversePathFilter: { eth0: 1 } }), []);
  const lines = trouble({ ...TWO, reversePathFilter: { eth0: 0, eth1: 1 } });
  ok(lines.includes("warning rp_filter `sysctl -w net.ipv4.conf.eth1.rp_filter=2`"));
});

Deno.test("judge() tells of counters that show trouble, and of announced addresses not accepted", () => {
  const counters = new Map([
    ["MPCapableSYNTX", 10],
    ["MPCapableSYNACKRX", 3],
    ["MPCapableFallbackSYNACK", 7],
    ["DataCsumErr", 1],
    ["AddAddr", 2],
  ]);
  const words = checks({ counters }).filter(({ status }) => status === "warning")
    .map((line) => line.words);
  match(words.join("\n"), /2 addresses[^]*data was changed[^]*7 of 10/);
});

Deno.test("judge() tells a path manager that nobody serves, and two that fight", () => {
  const userspace = { ...MACHINE.sysctls, "mptcp/path_manager": "userspace" };
  deepStrictEqual(trouble({ sysctls: userspace }), [
    "warning settings `sysctl -w net.mptcp.path_manager=kernel`",
  ]);
  deepStrictEqual(trouble({ sysctls: userspace, managers: ["mptcpd"] }), []);
  // Before Linux 6.15 it is a number.
  deepStrictEqual(trouble({ sysctls: { "mptcp/pm_type": "1" } }), [
    "warning settings `sysctl -w net.mptcp.pm_type=0`",
  ]);
  match(trouble({ managers: ["mptcpd", "NetworkManager"] })[0] ?? "", /^warning managers/);
  const [one] = checks({ managers: ["mptcpd"] }).filter(({ subject }) => subject === "managers");
  deepStrictEqual([one?.status, one?.words.split(",")[0]], ["ok", "mptcpd runs"]);
});

Deno.test("judge() tells the state after a lost SYN from another failure of the self-test", () => {
  const failed = { family: "IPv4", passed: false, client: "fallback", server: "tcp" } as const;
  deepStrictEqual(trouble({}, { selfTests: [{ ...failed, notAsked: true }] }), [
    "broken blackhole `sysctl -w net.mptcp.blackhole_timeout=3600`",
  ]);
  const sysctls = { ...MACHINE.sysctls, "mptcp/blackhole_timeout": "60" };
  const [mended] = checks({ sysctls }, { selfTests: [{ ...failed, notAsked: true }] })
    .filter(({ subject }) => subject === "blackhole");
  // The setting stays what it is.
  strictEqual(mended?.mend, "`sysctl -w net.mptcp.blackhole_timeout=60`");
  match(mended?.words ?? "", /stopped asking for it: for 60 s, and longer each time/);
  deepStrictEqual(trouble({}, { selfTests: [{ ...failed, notAsked: false }] }), [
    "broken self-test",
  ]);
});

Deno.test("judge() calls the method preload broken when a real program stayed TCP", () => {
  match(trouble({}, { preload: { verdict: "tcp", library: "/x.so" } })[0] ?? "", /^broken preload/);
});

Deno.test("judge() asks for loopback where nothing can listen, and blames no method for it", () => {
  const down = { family: "IPv4", passed: false, notAsked: false } as const;
  const selfTests = [{ ...down, failure: "bind: EADDRNOTAVAIL" }];
  deepStrictEqual(trouble({}, { preload: undefined, selfTests }), [
    "warning preload",
    "broken self-test `ip link set lo up`",
  ]);
});

Deno.test("judge() tells of security modules that treat MPTCP otherwise than TCP", () => {
  const told = (names: readonly string[] | undefined) =>
    checks({ securityModules: names }).filter(({ subject }) => subject === "LSM");
  deepStrictEqual(told(undefined).map(({ words }) => words.slice(0, 14)), ["not shown here"]);
  const asked = checks({ securityModules: undefined, landlock: true })
    .filter(({ subject }) => subject === "LSM");
  match(asked[1]?.words ?? "", /Landlock/);
  match(told(["yama"])[0]?.words ?? "", /^yama: nothing/);
  const both = told(["landlock", "lockdown", "apparmor"]);
  strictEqual(both.length, 2);
  match(both[0]?.words ?? "", /do not apply to MPTCP sockets/);
});

Deno.test("judge() takes a method that is not to be had here for no trouble", () => {
  const no = { state: "no", reason: "BTF is missing", needs: "a kernel" } as const;
  const lines = checks({ systemdVersion: 252 }, { bpf: no });
  const words = (subject: string) => lines.find((line) => line.subject === subject)?.words ?? "";
  match(words("bpf"), /^not here: BTF is missing/);
  match(words("socket unit"), /systemd 252 does not know/);
  match(words("patch"), /^tried on a static program/);
  const untraced = { patched: false, failure: "the kernel does not let it be traced" };
  const [patch] = checks({}, { patch: untraced }).filter(({ subject }) => subject === "patch");
  deepStrictEqual([patch?.status, patch?.words], ["ok", `not here: ${untraced.failure}`]);
  deepStrictEqual(trouble({ systemdVersion: undefined }, { bpf: no }), []);
});

Deno.test("fixCommands() gives what is a command of a mend, each once, and nothing else", () => {
  const line = (mend?: string): Check => ({
    status: "warning",
    subject: "x",
    words: "y",
    ...(mend === undefined ? {} : { mend }),
  });
  deepStrictEqual(
    fixCommands([
      line("`sysctl -w a=1`"),
      line("`sysctl -w a=1` as root"),
      line(),
      line("a kernel with CONFIG_MPTCP_IPV6=y"),
      line("`sysctl -w a=1`"),
      line("`ip rule add x && ip route add default via GATEWAY dev y`"),
      line("`mptcpize probe HOST` tells a server without MPTCP from a network that removes it"),
      { ...line("`ip link set lo up`"), status: "ok" },
    ]),
    ["sysctl -w a=1", "# fill in GATEWAY: ip rule add x && ip route add default via GATEWAY dev y"],
  );
});
