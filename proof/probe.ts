/**
 * Does a server, across the network between, speak MPTCP?
 *
 * @module
 */

import { MptcpizeError, NotFoundError, UsageError } from "../errors.ts";
import type { Fd } from "../ffi/fd.ts";
import {
  type EventWatch,
  growth,
  type MptcpCounters,
  readDiagSockets,
  readMptcpCounters,
  readStreamSocket,
  type SocketAddress,
  type SocketFacts,
  watchEvents,
} from "../inspect/mod.ts";
import { type Attempt, attempt, confirm, waitFor } from "./attempt.ts";
import { explainFallback } from "./fallback_reasons.ts";
import { ownNamespace, readSysctl } from "./namespaces.ts";
import {
  fallenBack,
  type Finding,
  seconds,
  STRIPPED,
  withoutMptcp,
  withoutTcp,
} from "./probe_findings.ts";
import type { Reason } from "./reason.ts";

/** What a probe of one address came to. */
export type ProbeOutcome =
  /** It speaks MPTCP, in the handshake and after it. */
  | "mptcp"
  /** The server, or something on the way, answers as TCP. */
  | "answers-as-tcp"
  /** A SYN that asks for MPTCP gets no answer, one that does not gets one. */
  | "syn-dropped"
  /** A SYN that asks for MPTCP is refused, one that does not is not. */
  | "syn-refused"
  /** The handshake is MPTCP, what follows is not. */
  | "stripped-later"
  /** This kernel does not ask for MPTCP at present. */
  | "not-asked"
  /** This kernel gives no MPTCP socket. */
  | "unavailable"
  /** Nothing listens there. */
  | "closed"
  | "unreachable"
  /** No answer at all. */
  | "timeout"
  /** Something else, told by the evidence. */
  | "failed";

/** A probe of one address. */
export interface AddressProbe {
  /** Of the address. */
  readonly family: "IPv4" | "IPv6";
  /** The address that was probed. */
  readonly address: string;
  /** The port that was probed. */
  readonly port: number;
  /** What it came to. */
  readonly outcome: ProbeOutcome;
  /** The outcome as a clause without a final period. */
  readonly words: string;
  /** What was seen, each a few words. */
  readonly evidence: readonly string[];
  /** One thing to do about it; commands in backticks. */
  readonly hint?: string;
  /** The connections that were tried, TCP first. */
  readonly attempts: readonly Attempt[];
  /** Other addresses that the server announced (ADD_ADDR); only seen with CAP_NET_ADMIN. */
  readonly announced: readonly SocketAddress[];
  /** How many other addresses the server announced. */
  readonly announcedCount: number;
}

/** Where an address cannot be reached with TCP either, programs take another one of the name. */
const NOT_REACHED: readonly ProbeOutcome[] = ["closed", "unreachable", "timeout"];

/** A probe of a server. */
export interface ProbeReport {
  /** The name or address that was asked about. */
  readonly host: string;
  /** The port that was probed. */
  readonly port: number;
  /** Whether it speaks MPTCP at each of the addresses that can be reached, and one can. */
  readonly mptcp: boolean;
  /** One for each address family that the name has. */
  readonly addresses: readonly AddressProbe[];
}

/** What a probe may be told. */
export interface ProbeOptions {
  /** How long one connection may take. Default: 5000. */
  readonly timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 5000;
/** A probe of an address family that is not asked any more when the kernel stops repeating its SYN. */
const SYN_INTERVAL_MS = 1000;
/** How long before the kernel would ask without MPTCP the probe gives up. */
const MARGIN_MS = 200;
/** Announcements come right behind the handshake. */
const ANNOUNCE_MS = 50;

/**
 * How long a SYN that asks for MPTCP is waited for.
 *
 * The kernel repeats it each second, n times, then goes on without MPTCP, and with that stops asking for it
 * in the whole network namespace for an hour. A probe must not do that: it gives up before.
 *
 * Source: net/mptcp/ctrl.c mptcp_active_detect_blackhole @ v6.12, sysctl net.ipv4.tcp_syn_linear_timeouts.
 */
function synPatienceMs(timeoutMs: number): number {
  const repeats = Number(readSysctl(ownNamespace(), "mptcp/syn_retrans_before_tcp_fallback") ?? 2);
  return Math.min(timeoutMs, (repeats + 1) * SYN_INTERVAL_MS - MARGIN_MS);
}

/** Why a connection is TCP: by the kernel's list of just this socket, and by what was counted meanwhile. */
function fallbackReason(facts: SocketFacts | undefined, before: MptcpCounters): Reason | undefined {
  const port = facts?.local?.port;
  const own = ({ local, remote }: SocketFacts) => local?.port === port && remote !== undefined;
  const { tcp, mptcp } = readDiagSockets({ localPort: port });
  const half = tcp.find((socket) => own(socket as unknown as SocketFacts));
  const connection = mptcp?.find((socket) => own(socket as unknown as SocketFacts));
  return explainFallback({
    subflow: half?.subflow,
    tcp: half?.tcp,
    remoteKeyReceived: connection?.mptcp?.remoteKeyReceived,
    md5: false,
    counters: growth(before, readMptcpCounters()),
  })[0];
}

async function examine(fd: Fd, mptcp: Attempt, before: MptcpCounters, limitMs: number) {
  const answered = `connected in ${seconds(mptcp.ms)}`;
  const facts = readStreamSocket(fd.number);
  if (facts?.verdict !== "mptcp") return fallenBack(fallbackReason(facts, before), answered);
  const token = facts.mptcp?.token?.toString(16).padStart(8, "0");
  const handshake = [answered, `MPTCP_INFO: token ${token}`];
  const { acknowledged, facts: after } = await confirm(fd, limitMs);
  const stayed = after?.verdict === "mptcp";
  if (!stayed || !acknowledged) {
    return {
      outcome: "stripped-later",
      words: STRIPPED,
      evidence: [
        ...handshake,
        stayed ? `no MPTCP acknowledgement in ${seconds(limitMs)}` : "fell back after it",
      ],
    } satisfies Finding;
  }
  return {
    outcome: "mptcp",
    words: "it speaks MPTCP",
    evidence: [
      ...handshake,
      "the end of the stream was acknowledged with MPTCP",
      ...(after.mptcp?.csumEnabled ? ["with checksums"] : []),
    ],
  } satisfies Finding;
}

/** The events of this network namespace; undefined where they are not to be had. */
function tryWatch(): EventWatch | undefined {
  try {
    return watchEvents();
  } catch (error) {
    if (!(error instanceof MptcpizeError)) throw error;
    return undefined; // What is announced is then counted only.
  }
}

/** Probes one address: with TCP first, so that silence can be told from silence about MPTCP. */
async function probeAddress(
  remote: SocketAddress,
  timeoutMs: number,
): Promise<AddressProbe> {
  const result = (
    finding: Finding,
    attempts: readonly Attempt[],
    announced: readonly SocketAddress[] = [],
    announcedCount = announced.length,
  ): AddressProbe => ({
    family: remote.address.includes(":") ? "IPv6" : "IPv4",
    ...remote,
    ...finding,
    attempts,
    announced,
    announcedCount,
  });
  const { fd: tcpFd, ...tcp } = await attempt("TCP", remote, timeoutMs);
  tcpFd?.[Symbol.dispose]();
  if (tcp.state !== "connected") return result(withoutTcp(tcp), [tcp]);
  using events = tryWatch();
  const before = readMptcpCounters();
  const { fd, ...mptcp } = await attempt("MPTCP", remote, synPatienceMs(timeoutMs));
  const attempts = [tcp, mptcp];
  if (fd === undefined) return result(withoutMptcp(mptcp, tcp), attempts);
  using _connected = fd;
  const token = readStreamSocket(fd.number)?.mptcp?.token;
  const finding = await examine(fd, mptcp, before, timeoutMs);
  if (finding.outcome !== "mptcp") return result(finding, attempts);
  await waitFor(ANNOUNCE_MS + 2 * tcp.ms, () => undefined);
  const announced = (events?.take() ?? []).flatMap((event) =>
    event.kind === "announced" && event.token === token ? [event.address] : []
  );
  const counted = growth(before, readMptcpCounters()).get("AddAddr") ?? 0;
  return result(finding, attempts, announced, events ? announced.length : counted);
}

async function resolve(host: string): Promise<SocketAddress["address"][]> {
  // Costs milliseconds to load, which only this command is to pay.
  const { lookup } = await import("node:dns/promises");
  try {
    const found = await lookup(host, { all: true });
    return found.map(({ address }) => address);
  } catch (error) {
    const code = (error as { code?: string }).code ?? "unknown";
    // EAI_AGAIN: no name server answers, or none knows it at present (getaddrinfo(3)).
    const state = code === "EAI_AGAIN"
      ? "its name cannot be looked up now"
      : "its name has no address";
    throw new NotFoundError(`Cannot probe ${host}: ${state} (getaddrinfo: ${code})`, {
      tried: [host],
      cause: error,
    });
  }
}

/**
 * Finds out whether a server, across the network between, speaks MPTCP: at its first address of each
 * address family, by a TCP and an MPTCP connection, over which nothing is sent but their end.
 *
 * A SYN with MPTCP that gets no answer is given up before the kernel draws its conclusions, so that a probe
 * does not make it stop asking for MPTCP.
 *
 * Needs: nothing; the announced addresses with CAP_NET_ADMIN, their number without.
 *
 * @example
 * ```ts
 * import { probeServer } from "./probe.ts";
 * using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * const { mptcp, addresses } = await probeServer("127.0.0.1", listener.addr.port);
 * console.assert(!mptcp && addresses[0]?.family === "IPv4");
 * ```
 *
 * @param host a name or an address
 * @throws {UsageError} when the port is none
 * @throws {NotFoundError} when the name has no address
 */
export async function probeServer(
  host: string,
  port: number,
  { timeoutMs = DEFAULT_TIMEOUT_MS }: ProbeOptions = {},
): Promise<ProbeReport> {
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new UsageError(`Cannot probe ${host}: ${port} is no port`);
  }
  const all = await resolve(host);
  const first = [
    all.find((address) => !address.includes(":")),
    all.find((address) => address.includes(":")),
  ].filter((address) => address !== undefined);
  const addresses: AddressProbe[] = [];
  // One after the other: the counters tell of both.
  for (const address of first) addresses.push(await probeAddress({ address, port }, timeoutMs));
  const reached = addresses.filter(({ outcome }) => !NOT_REACHED.includes(outcome));
  const mptcp = reached.length > 0 && reached.every(({ outcome }) => outcome === "mptcp");
  return { host, port, mptcp, addresses };
}
