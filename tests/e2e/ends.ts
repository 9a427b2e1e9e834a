/**
 * What the tests of proofs share: the ends of a connection, and what the commands say about them.
 *
 * @module
 */

import { ok, strictEqual } from "node:assert";
import {
  listSockets,
  type ProbeReport,
  type ReasonCode,
  type SeenSocket,
  type Verdict,
} from "../../mod.ts";
import { canMakeNamespaces } from "../apps/netns.ts";
import { hasMptcp } from "../live_sockets.ts";
import { commandExists, type Skip, skipUnless } from "../skip.ts";
import { mptcpizeIn, type Network, setUp } from "./network.ts";

/** Where the servers of tests listen. */
export const PORT = 8080;

/** What every test in namespaces takes. */
export const needs: Skip = {
  ignore: [
    skipUnless("network namespaces", canMakeNamespaces),
    skipUnless("MPTCP", hasMptcp),
    skipUnless("nft (nftables)", commandExists("nft")),
  ].some(({ ignore }) => ignore),
};

/** The connection of a process, and not its listener. */
export function connectionOf(pid: number): SeenSocket {
  const { sockets } = listSockets({ pid });
  const connected = sockets.filter(({ remote }) => remote !== undefined);
  strictEqual(connected.length, 1, JSON.stringify(sockets));
  return connected[0]!;
}

/** What one end of a connection is to be. */
export interface End {
  readonly verdict: Verdict;
  /** The codes of all reasons, the first one first. */
  readonly reasons: readonly ReasonCode[];
}

/** What an end is, when it is told without a contradiction and each reason rests on something. */
export function end({ verdict, reasons, disagreement }: SeenSocket): End {
  strictEqual(disagreement, undefined);
  for (const { evidence } of reasons) ok(evidence.length > 0, "a reason rests on something");
  return { verdict, reasons: reasons.map(({ code }) => code) };
}

/** Probes the server of a network from its client. */
export async function probe(
  network: Network,
  family: "IPv4" | "IPv6" = "IPv4",
): Promise<{ status: number; report: ProbeReport; outcome: string | undefined }> {
  const address = network.addresses[family];
  const target = address.includes(":") ? `[${address}]:${PORT}` : `${address}:${PORT}`;
  const { status, out, err } = await mptcpizeIn(
    network.client,
    ...["probe", "--json", "--timeout", "4", target],
  );
  const report: ProbeReport = JSON.parse(out || err);
  return { status, report, outcome: report.addresses[0]?.outcome };
}

/** An end that is MPTCP. */
export const MPTCP: End = { verdict: "mptcp", reasons: [] };

/** Joins client and server by a second wire, which the path manager knows as a backup. */
export async function addBackup(network: Network): Promise<void> {
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
