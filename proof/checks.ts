/**
 * The judgement of a diagnosis: facts in, lines out. Pure.
 *
 * @module
 */

import type { Feature } from "../features/mod.ts";
import type { MachineFacts } from "./machine.ts";
import type { SelfTest } from "./loopback.ts";
import { checkMethods, checkSecurityModules, type MethodFacts } from "./method_checks.ts";
import { checkManagers, checkPaths } from "./path_checks.ts";

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

function checkSurroundings({ container, microVm }: MachineFacts): Check[] {
  const checks: Check[] = [];
  if (container !== undefined) {
    const words = `${container}: has settings, endpoints and counters of its own`;
    checks.push(check("ok", "container", words));
  }
  if (microVm) {
    const words =
      "its kernel is its host's choice: what that lacks here (MPTCP, BPF, an option) is to be had only " +
      "with another kernel";
    checks.push(check("ok", "micro-VM", words));
  }
  return checks;
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
    ...checkSurroundings(machine),
    ...checkMethods(facts, sockets),
    ...checkSecurityModules(machine),
    ...(sockets ? checkCounters(machine) : []),
    ...checkSelfTest(selfTests, machine),
  ];
}
