/**
 * `mptcpize sockets`: what the kernel says about each TCP socket of a process.
 *
 * @module
 */

import {
  type ProcessSockets,
  readProcessSockets,
  type SocketAddress,
  type StreamSocket,
  type Subflow,
  UsageError,
  type Verdict,
} from "../mod.ts";
import type { Env } from "./env.ts";
import type { ParsedFlags } from "./flags.ts";
import { bytesText, count, painter, table } from "./render.ts";

/** The words for a verdict. */
export const VERDICT_WORDS: Readonly<Record<Verdict, string>> = {
  mptcp: "MPTCP",
  fallback: "fallback",
  tcp: "TCP",
};

const VERDICT_STYLE = { mptcp: "green", fallback: "yellow", tcp: "red" } as const;

/** An address as a person reads it: `127.0.0.1:80`, `[::1]:80`, `*` for none. */
export function addressText(address: SocketAddress | undefined): string {
  if (address === undefined) return "*";
  const host = address.address.includes(":") ? `[${address.address}]` : address.address;
  return `${host}:${address.port}`;
}

function subflowCells(subflow: Subflow): string[] {
  const { tcp } = subflow;
  const facts = [];
  if (tcp?.rttUs !== undefined) facts.push(`rtt ${(tcp.rttUs / 1000).toFixed(2)} ms`);
  if (tcp?.bytesSent !== undefined) facts.push(`sent ${bytesText(tcp.bytesSent)}`);
  if (tcp?.bytesReceived !== undefined) facts.push(`received ${bytesText(tcp.bytesReceived)}`);
  if (tcp?.retransmits) facts.push(`${tcp.retransmits} retransmitted`);
  return [
    "",
    "  subflow",
    tcp?.state ?? "",
    addressText(subflow.local),
    addressText(subflow.remote),
    facts.join(", "),
  ];
}

function socketFacts(socket: StreamSocket): string {
  const { mptcp } = socket;
  if (mptcp === undefined) return socket.verdict === "fallback" ? socket.evidence : "";
  const facts = [];
  if (mptcp.token) facts.push(`token ${mptcp.token.toString(16).padStart(8, "0")}`);
  if (mptcp.bytesSent !== undefined && socket.remote !== undefined) {
    facts.push(`sent ${bytesText(mptcp.bytesSent)}`);
  }
  if (mptcp.bytesReceived !== undefined && socket.remote !== undefined) {
    facts.push(`received ${bytesText(mptcp.bytesReceived)}`);
  }
  return facts.join(", ");
}

/** The sockets of a process as a table, with a line for each subflow. */
export function socketsText(env: Pick<Env, "color">, { sockets }: ProcessSockets): string {
  const rows = [["FD", "KIND", "STATE", "LOCAL", "REMOTE", ""]];
  const styles: (keyof typeof VERDICT_STYLE | undefined)[] = [undefined];
  for (const socket of sockets) {
    rows.push([
      String(socket.fd),
      VERDICT_WORDS[socket.verdict],
      socket.state,
      addressText(socket.local),
      addressText(socket.remote),
      socketFacts(socket),
    ]);
    styles.push(socket.verdict);
    for (const subflow of socket.subflows ?? []) {
      rows.push(subflowCells(subflow));
      styles.push(undefined);
    }
  }
  const paint = painter(env.color);
  // Painted after the columns are laid out: the codes have no width.
  return table(rows).split("\n").map((line, index) => {
    const style = styles[index];
    if (style === undefined) return line;
    return line.replace(VERDICT_WORDS[style], (word) => paint(VERDICT_STYLE[style], word));
  }).join("\n");
}

function parsePid(value: string | undefined): number {
  if (value === undefined) {
    throw new UsageError("Cannot list sockets: no process is given", {
      hint: "`mptcpize sockets --pid PID`",
    });
  }
  const pid = Number(value);
  if (!/^\d+$/.test(value) || pid < 1 || pid > 0x7fffffff) {
    throw new UsageError(`Cannot parse --pid ${value}: it is no process id`, {
      hint: "a process id is a whole number from 1, such as `pgrep -n nginx` prints",
    });
  }
  return pid;
}

function summary({ pid, command, sockets, unseen }: ProcessSockets): string {
  const numbers = (["mptcp", "fallback", "tcp"] as const).flatMap((verdict) => {
    const number = sockets.filter((socket) => socket.verdict === verdict).length;
    return number === 0 ? [] : [`${number} ${VERDICT_WORDS[verdict]}`];
  });
  const head = `${command} (${pid}): ${count(sockets.length, "TCP socket")}`;
  const kinds = numbers.length === 0 ? "" : `, ${numbers.join(", ")}`;
  const rest = unseen === 0 ? "" : `; ${count(unseen, "descriptor")} could not be looked at`;
  return head + kinds + rest;
}

/**
 * Lists the sockets of a process.
 *
 * @throws {MptcpizeError} when the process is not there or must not be looked into
 */
export function sockets(env: Env, flags: ParsedFlags): void {
  const seen = readProcessSockets(parsePid(flags.value("pid")));
  if (flags.has("json")) {
    env.out(JSON.stringify(seen, null, 2) + "\n");
    return;
  }
  const list = seen.sockets.length === 0 ? "" : `${socketsText(env, seen)}\n\n`;
  env.out(`${list}${summary(seen)}\n`);
}
