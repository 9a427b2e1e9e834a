/**
 * What this machine, and this network namespace, is set to: facts for a diagnosis.
 *
 * @module
 */

import { type Feature, probeMptcpOver } from "../features/mod.ts";
import { hasLandlock, interfaceIndex } from "../ffi/libc.ts";
import {
  type Endpoint,
  findRoute,
  listProcesses,
  type MptcpCounters,
  type PathManager,
  readCommand,
  readMptcpCounters,
  readPathManager,
} from "../inspect/mod.ts";
import { ownNamespace, readSysctl } from "./namespaces.ts";

/** An address of an interface that could carry a subflow. */
export interface PathAddress {
  /** The name of the interface. */
  readonly interface: string;
  /** Its first global address of the family. */
  readonly address: string;
  /** Of the address, and of the default route. */
  readonly family: "IPv4" | "IPv6";
}

/** Where packets of an endpoint go. */
export interface EndpointRoute {
  /** The endpoint that was asked about. */
  readonly endpoint: Endpoint;
  /** The interface that has its address; undefined if none has. */
  readonly interface: string | undefined;
  /** The number of that interface. */
  readonly interfaceIndex: number | undefined;
  /** The number of the interface that its packets leave through; undefined if they cannot. */
  readonly leavesThrough: number | undefined;
}

/** Facts for a diagnosis; what could not be read is undefined. */
export interface MachineFacts {
  /** The kernel's release, such as `6.12.95`. */
  readonly release: string;
  /** Whether the kernel makes MPTCP sockets of each family. */
  readonly sockets: Readonly<Record<"IPv4" | "IPv6", Feature>>;
  /** Whether this machine has IPv6 at all. */
  readonly hasIpv6: boolean;
  /** `net.*`, by name without `net.`, such as `mptcp/enabled`. */
  readonly sysctls: Readonly<Record<string, string | undefined>>;
  /** Endpoints and limits; undefined in a kernel without a path manager. */
  readonly pathManager: PathManager | undefined;
  /** One for each endpoint. */
  readonly endpointRoutes: readonly EndpointRoute[];
  /** One for each interface and family with a global address and a default route. */
  readonly paths: readonly PathAddress[];
  /** net.ipv4.conf.*.rp_filter as it counts for each interface of {@linkcode MachineFacts.paths}. */
  readonly reversePathFilter: Readonly<Record<string, number>>;
  /** What was counted in this network namespace. */
  readonly counters: MptcpCounters;
  /** Daemons that set endpoints: `mptcpd`, `NetworkManager`. */
  readonly managers: readonly string[];
  /** The version of systemd; undefined where it does not run, or cannot be told. */
  readonly systemdVersion: number | undefined;
  /** The active security modules, as the kernel names them; undefined where that is not shown. */
  readonly securityModules: readonly string[] | undefined;
  /** Whether Landlock is active, which can be asked everywhere. */
  readonly landlock: boolean;
  /** What kind of container this is; undefined for none that could be told. */
  readonly container: string | undefined;
  /** Whether this is a virtual machine without firmware, as Firecracker and libkrun give; told on x86 alone. */
  readonly microVm: boolean;
}

const SYSCTLS = [
  "mptcp/enabled",
  "mptcp/checksum_enabled",
  "mptcp/allow_join_initial_addr_port",
  "mptcp/blackhole_timeout",
  "mptcp/path_manager",
  "mptcp/pm_type",
  "mptcp/scheduler",
  "mptcp/syn_retrans_before_tcp_fallback",
];

/** Addresses of documentation: no machine has them, so they go the default way. Source: RFC 5737, 3849. */
const OUTSIDE = { IPv4: "192.0.2.1", IPv6: "2001:db8::1" } as const;

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

/**
 * Interfaces with a default route.
 *
 * Layout: `/proc/net/route`: interface, destination, gateway, flags, …, mask in column 7 (hexadecimal);
 * `/proc/net/ipv6_route`: destination, prefix length in column 1 (hexadecimal), …, interface last.
 */
export function parseDefaultRoutes(
  route: string,
  ipv6Route: string,
): Record<"IPv4" | "IPv6", ReadonlySet<string>> {
  const RTF_REJECT = 0x200;
  const columns = (text: string) => text.split("\n").map((line) => line.trim().split(/\s+/));
  return {
    IPv4: new Set(
      columns(route).filter(([, to, , , , , , mask]) => to === "00000000" && mask === "00000000")
        .map(([name]) => name!),
    ),
    IPv6: new Set(
      columns(ipv6Route)
        .filter(([to, length, , , , , , , flags]) =>
          to === "0".repeat(32) && length === "00" && !(parseInt(flags ?? "0", 16) & RTF_REJECT)
        )
        .map((line) => line.at(-1)!),
    ),
  };
}

/** Whether an address reaches further than its own link. */
function isGlobal(address: string): boolean {
  return !/^(127\.|169\.254\.|::1$|fe[89ab])/i.test(address);
}

function readPaths(interfaces: readonly Deno.NetworkInterfaceInfo[]): PathAddress[] {
  const routes = parseDefaultRoutes(read("/proc/net/route"), read("/proc/net/ipv6_route"));
  const seen = new Set<string>();
  return interfaces.filter(({ name, family, address }) => {
    const key = `${name} ${family}`;
    if (!isGlobal(address) || !routes[family].has(name) || seen.has(key)) return false;
    seen.add(key);
    return true;
  }).map(({ name, family, address }) => ({ interface: name, address, family }));
}

function readEndpointRoute(
  endpoint: Endpoint,
  interfaces: readonly Deno.NetworkInterfaceInfo[],
): EndpointRoute {
  const found = interfaces.find(({ address }) => address === endpoint.address);
  const family = endpoint.address.includes(":") ? "IPv6" : "IPv4";
  const leavesThrough = found && findRoute({
    source: endpoint.address,
    destination: OUTSIDE[family],
    interfaceIndex: endpoint.interfaceIndex,
  });
  return {
    endpoint,
    interface: found?.name,
    interfaceIndex: found && interfaceIndex(found.name),
    leavesThrough,
  };
}

/** Source: Documentation/networking/ip-sysctl.rst @ v6.12: the larger of `all` and the interface's own. */
function readReversePathFilter(name: string): number {
  const one = (of: string) => Number(readSysctl(ownNamespace(), `ipv4/conf/${of}/rp_filter`) ?? 0);
  return Math.max(one("all"), one(name));
}

/** By the name of the library that all of its programs share, which costs no process. */
function readSystemdVersion(): number | undefined {
  try {
    // As sd_booted(3) does.
    Deno.lstatSync("/run/systemd/system");
    const names = [...Deno.readDirSync("/usr/lib/systemd")].map(({ name }) => name);
    const versions = names.map((name) => Number(/^libsystemd-shared-(\d+)/.exec(name)?.[1] ?? 0));
    return Math.max(0, ...versions) || undefined;
  } catch {
    return undefined;
  }
}

/** Source: Documentation/admin-guide/LSM/index.rst @ v6.12; securityfs may not be mounted. */
function readSecurityModules(): string[] | undefined {
  const text = read("/sys/kernel/security/lsm").trim();
  return text === "" ? undefined : text.split(",");
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

function readContainer(): string | undefined {
  if (exists("/run/.containerenv")) return "podman";
  if (exists("/.dockerenv")) return "docker";
  const named = /(?:^|\0)container=([^\0]+)/.exec(read("/proc/1/environ"))?.[1];
  if (named !== undefined) return named;
  return read("/run/systemd/container").trim() || undefined;
}

/**
 * Source: X86_FEATURE_HYPERVISOR, arch/x86/include/asm/cpufeatures.h; dmi_id_init, which makes the folder where
 * firmware has left tables, drivers/firmware/dmi-id.c @ v6.12.
 */
function isMicroVm(): boolean {
  return /^flags\s*:.* hypervisor( |$)/m.test(read("/proc/cpuinfo")) &&
    !exists("/sys/class/dmi/id");
}

/**
 * Reads the facts.
 *
 * Needs: nothing.
 *
 * @throws {SyscallError} when the kernel refuses what it gives to everybody
 */
export function readMachine(): MachineFacts {
  const interfaces = Deno.networkInterfaces();
  const paths = readPaths(interfaces);
  const pathManager = readPathManager();
  const commands = new Set(listProcesses().map(readCommand));
  return {
    release: Deno.osRelease(),
    sockets: { IPv4: probeMptcpOver("IPv4"), IPv6: probeMptcpOver("IPv6") },
    hasIpv6: interfaces.some(({ family }) => family === "IPv6"),
    sysctls: Object.fromEntries(
      SYSCTLS.map((name) => [name, readSysctl(ownNamespace(), name)]),
    ),
    pathManager,
    endpointRoutes: (pathManager?.endpoints ?? []).map((endpoint) =>
      readEndpointRoute(endpoint, interfaces)
    ),
    paths,
    reversePathFilter: Object.fromEntries(
      paths.map(({ interface: name }) => [name, readReversePathFilter(name)]),
    ),
    counters: readMptcpCounters(),
    managers: ["mptcpd", "NetworkManager"].filter((name) => commands.has(name)),
    systemdVersion: readSystemdVersion(),
    securityModules: readSecurityModules(),
    landlock: hasLandlock(),
    container: readContainer(),
    microVm: isMicroVm(),
  };
}
