/**
 * The judgement of paths: endpoints, limits, routes, and who sets them; facts in, lines out. Pure.
 *
 * @module
 */

import { type Check, check } from "./checks.ts";
import type { EndpointRoute, MachineFacts, PathAddress } from "./machine.ts";

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

/** Endpoints, limits and routes against the interfaces that could be paths. */
export function checkPaths(machine: MachineFacts): Check[] {
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

/** Daemons that set endpoints. */
export function checkManagers({ managers }: MachineFacts): Check[] {
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
