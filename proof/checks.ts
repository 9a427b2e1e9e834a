/**
 * The judgement of a diagnosis: facts in, lines out. Pure.
 *
 * @module
 */

import type { Feature } from "../features/mod.ts";
import type { EndpointRoute, MachineFacts, PathAddress } from "./machine.ts";
import type { SelfTest } from "./loopback.ts";
import { checkMethods, checkSecurityModules, type MethodFacts } from "./method_checks.ts";

/** How a thing stands: as it should be, worth a look, or in the way. */
export type CheckStatus = "ok" | "warning" | "broken";

/** One line of a diagnosis. */
export interface Check {
  /** How it stands. */
  readonly status: CheckStatus;
  /** What was looked at, in a word. */
  readonly subject: string;
  /** What was found, as a clause without a final period. */
  readonly words: string;
  /** The one command, or deed, that mends it; commands in backticks. */
  readonly mend?: string;
}

/** All that a diagnosis judges. */
export interface DiagnosisFacts extends MethodFacts {
  readonly selfTests: readonly SelfTest[];
}

/** One line. */
export function check(status: CheckStatus, subject: string, words: string, mend?: string): Check {
  return { status, subject, words, ...(mend !== undefined && { mend }) };
}

function whyNot(feature: Feature): string {
  if (feature.state === "no") return feature.reason;
  return feature.state === "unknown" ? feature.cause : "";
}

function checkKernel({ release, sockets, hasIpv6 }: MachineFacts): Check {
  const { IPv4: v4, IPv6: v6 } = sockets;
  const kernel = `Linux ${release}`;
  const mend = v4.state === "no" ? v4.needs : undefined;
  if (v4.state !== "yes" && v6.state !== "yes") {
    return check("broken", "kernel", `${kernel}: no MPTCP sockets: ${whyNot(v4)}`, mend);
  }
  if (v6.state !== "yes" && hasIpv6) {
    const needs = v6.state === "no" ? "a kernel with CONFIG_MPTCP_IPV6=y" : undefined;
    return check("warning", "kernel", `${kernel}: MPTCP over IPv4, not over IPv6`, needs);
  }
  const families = hasIpv6 ? "IPv4 and IPv6" : "IPv4 (this machine has no IPv6)";
  return check("ok", "kernel", `${kernel}: MPTCP sockets over ${families}`);
}

function checkSettings({ sysctls, managers }: MachineFacts): Check[] {
  const value = (name: string) => sysctls[`mptcp/${name}`];
  const checks: Check[] = [];
  if (value("allow_join_initial_addr_port") === "0") {
    checks.push(check(
      "warning",
      "settings",
      "peers are told not to join their subflows to the address of the first one",
      "`sysctl -w net.mptcp.allow_join_initial_addr_port=1`",
    ));
  }
  if (value("checksum_enabled") === "1") {
    checks.push(check(
      "warning",
      "settings",
      "every byte is summed a second time (net.mptcp.checksum_enabled = 1), which costs throughput",
      "`sysctl -w net.mptcp.checksum_enabled=0`",
    ));
  }
  const manager = value("path_manager") ?? (value("pm_type") === "1" ? "userspace" : "kernel");
  if (manager !== "kernel" && !managers.includes("mptcpd")) {
    const mend = value("path_manager") === undefined
      ? "`sysctl -w net.mptcp.pm_type=0`"
      : "`sysctl -w net.mptcp.path_manager=kernel`";
    checks.push(check(
      "warning",
      "settings",
      `the path manager is ${manager}, and mptcpd does not run: no second subflow is made`,
      mend,
    ));
  }
  if (checks.length > 0) return checks;
  const scheduler = value("scheduler");
  const words = [
    `path manager ${manager}`,
    ...(scheduler === undefined ? [] : [`scheduler ${scheduler}`]),
  ];
  return [check("ok", "settings", words.join(", "))];
}

function checkEndpoint(route: EndpointRoute): Check[] {
  const { endpoint, interface: name, interfaceIndex, leavesThrough } = route;
  const { address, id, flags } = endpoint;
  if (flags.includes("implicit")) return [];
  if (name === undefined) {
    return [check(
      "broken",
      "endpoints",
      `endpoint ${address} is an address that no interface has`,
      `\`ip mptcp endpoint delete id ${id}\``,
    )];
  }
  if (leavesThrough === interfaceIndex) return [];
  const gone = leavesThrough === undefined ? "have no way out" : "leave through another interface";
  return [check(
    "warning",
    "endpoints",
    `packets from endpoint ${address} (${name}) ${gone}: that path is not used`,
    `\`ip rule add from ${address} table 10${id} && ` +
      `ip route add default via GATEWAY dev ${name} table 10${id}\``,
  )];
}

function paths(list: readonly PathAddress[]): string[] {
  return [...new Set(list.map((path) => path.interface))];
}

function checkPaths(machine: MachineFacts): Check[] {
  const { pathManager, endpointRoutes, reversePathFilter } = machine;
  const names = paths(machine.paths);
  if (pathManager === undefined) {
    return [check("warning", "paths", "the kernel's path manager cannot be asked")];
  }
  const checks = endpointRoutes.flatMap(checkEndpoint);
  const { endpoints, limits } = pathManager;
  const used = new Set(endpointRoutes.map((route) => route.interface));
  const unused = machine.paths.find((path) => !used.has(path.interface));
  if (names.length > 1 && used.size === 0) {
    const second = machine.paths.find((path) => path.interface === names[1])!;
    checks.push(check(
      "warning",
      "paths",
      `${names.join(" and ")} could carry subflows, but there is no endpoint: one path is used`,
      `\`ip mptcp endpoint add ${second.address} dev ${second.interface} subflow\``,
    ));
  } else if (names.length > 1 && used.size < names.length && unused !== undefined) {
    // The first subflow leaves through an interface that needs no endpoint.
    if (names.length - used.size > 1) {
      checks.push(check(
        "warning",
        "paths",
        `${unused.interface} could carry subflows, but has no endpoint`,
        `\`ip mptcp endpoint add ${unused.address} dev ${unused.interface} subflow\``,
      ));
    }
  }
  if (endpoints.length > 0 && limits.subflows === 0) {
    checks.push(check(
      "warning",
      "limits",
      "no subflow beside the first is allowed: endpoints are not used",
      "`ip mptcp limits set subflows 2`",
    ));
  }
  if ((machine.counters.get("AddAddr") ?? 0) > 0 && limits.addAddrAccepted === 0) {
    checks.push(check(
      "warning",
      "limits",
      `servers announced ${machine.counters.get("AddAddr")} addresses, but none is accepted`,
      "`ip mptcp limits set add_addr_accepted 2`",
    ));
  }
  for (const name of names.length > 1 ? names : []) {
    if (reversePathFilter[name] !== 1) continue;
    checks.push(check(
      "warning",
      "rp_filter",
      `${name} drops what comes in by another way than it would go out (strict)`,
      `\`sysctl -w net.ipv4.conf.${name}.rp_filter=2\``,
    ));
  }
  if (checks.length > 0) return checks;
  return [check("ok", "paths", pathWords(names, machine))];
}

function pathWords(names: readonly string[], { pathManager }: MachineFacts): string {
  const { endpoints, limits } = pathManager!;
  const count = (number: number, noun: string) => `${number} ${noun}${number === 1 ? "" : "s"}`;
  const set = `${count(endpoints.length, "endpoint")}; limits: ` +
    `${count(limits.subflows, "more subflow")}, ` +
    `${limits.addAddrAccepted} of the addresses that peers announce`;
  switch (names.length) {
    case 0:
      return `no way out of this network namespace (${set})`;
    case 1:
      return `one way out, ${names[0]} (${set})`;
    default:
      return `${names.join(", ")} (${set})`;
  }
}

function checkManagers({ managers }: MachineFacts): Check[] {
  if (managers.length === 0) return [];
  if (managers.length === 1) {
    return [check("ok", "managers", `${managers[0]} runs, which may set endpoints by itself`)];
  }
  return [check(
    "warning",
    "managers",
    "mptcpd and NetworkManager both set endpoints, and undo each other's",
    "`nmcli connection modify NAME connection.mptcp-flags disabled`",
  )];
}

/** Counters that show trouble, with what they count. Source: net/mptcp/mib.c @ v7.2. */
const TROUBLE: readonly (readonly [name: string, words: string])[] = [
  ["MPCapableSYNTXDrop", "a SYN with MPTCP was lost, and one without it came through"],
  ["MPCapableDataFallback", "the options of MPTCP were removed after the handshake"],
  ["DataCsumErr", "data was changed on the way, by its checksum"],
  ["MPJoinAckHMacFailure", "a joining subflow did not prove its identity"],
  ["MPJoinNoTokenFound", "a subflow joined a connection that is not here: a load balancer?"],
  ["MPJoinRejected", "a joining subflow was rejected by the limits"],
  ["MPJoinSynTxBindErr", "a subflow could not bind to its endpoint's address"],
  ["MPJoinSynTxConnectErr", "a subflow had no way to the peer"],
  ["AddAddrDrop", "an announced address was dropped"],
  ["FallbackFailed", "a connection was reset, since it was too late for TCP"],
];

function checkCounters({ counters }: MachineFacts): Check[] {
  const count = (name: string) => counters.get(name) ?? 0;
  const asked = count("MPCapableSYNTX");
  const checks = TROUBLE.filter(([name]) => count(name) > 0)
    .map(([name, words]) => check("warning", "counters", `${words} (${name} ${count(name)})`));
  const asTcp = count("MPCapableFallbackSYNACK");
  if (asked > 0 && asTcp > asked / 2) {
    checks.push(check(
      "warning",
      "counters",
      `${asTcp} of ${asked} requests for MPTCP were answered as TCP`,
      "`mptcpize probe HOST` tells a server without MPTCP from a network that removes it",
    ));
  }
  if (checks.length > 0) return checks;
  const answered = count("MPCapableSYNACKRX");
  return [check(
    "ok",
    "counters",
    asked === 0
      ? "no connection has asked for MPTCP yet"
      : `${answered} of ${asked} requests for MPTCP were answered with it`,
  )];
}

function checkContainer({ container }: MachineFacts): Check[] {
  if (container === undefined) return [];
  return [check(
    "ok",
    "container",
    `${container}: has settings, endpoints and counters of its own`,
  )];
}

/**
 * How long the kernel does not ask after a lost SYN, and what makes it ask again: writing the setting, with
 * whatever value.
 *
 * Source: Documentation/networking/mptcp-sysctl.rst (blackhole_timeout), net/mptcp/ctrl.c
 * proc_blackhole_detect_timeout @ v6.12.
 */
function checkBlackhole({ sysctls }: MachineFacts): Check {
  const seconds = Number(sysctls["mptcp/blackhole_timeout"] ?? 3600);
  const time = seconds % 3600 === 0 ? `${seconds / 3600} h` : `${seconds} s`;
  return check(
    "broken",
    "blackhole",
    `a SYN with MPTCP was lost, so the kernel has stopped asking for it: for ${time}, and longer each time ` +
      "it happens again, for all connections from this network namespace",
    `\`sysctl -w net.mptcp.blackhole_timeout=${seconds}\``,
  );
}

function checkSelfTest(tests: readonly SelfTest[], machine: MachineFacts): Check[] {
  const passed = tests.filter((test) => test.passed).map(({ family }) => family);
  const checks: Check[] = [];
  if (tests.some(({ notAsked }) => notAsked)) checks.push(checkBlackhole(machine));
  for (const test of tests.filter(({ passed, notAsked }) => !passed && !notAsked)) {
    const ends = test.client === undefined ? "" : `client ${test.client}, server ${test.server}`;
    const what = [ends, test.failure ?? ""].filter(Boolean).join("; ");
    // Without `lo` neither has an address.
    const mend = /^(connect|bind)/.test(test.failure ?? "") ? "`ip link set lo up`" : undefined;
    checks.push(check("broken", "self-test", `over loopback, ${test.family}: ${what}`, mend));
  }
  if (passed.length > 0) {
    const words = `over loopback, ${passed.join(" and ")}: MPTCP at both ends`;
    checks.push(check("ok", "self-test", words));
  }
  return checks;
}

/** Judges all; in the order in which things depend on each other, the self-test last. */
export function judge(facts: DiagnosisFacts): Check[] {
  const { machine, selfTests } = facts;
  const sockets = machine.sockets.IPv4.state === "yes" || machine.sockets.IPv6.state === "yes";
  return [
    checkKernel(machine),
    ...(sockets ? checkSettings(machine) : []),
    ...checkPaths(machine),
    ...checkManagers(machine),
    ...checkContainer(machine),
    ...checkMethods(facts, sockets),
    ...checkSecurityModules(machine),
    ...(sockets ? checkCounters(machine) : []),
    ...checkSelfTest(selfTests, machine),
  ];
}
