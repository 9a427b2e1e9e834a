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

/** What was carried, as far as the kernel told it. */
function traffic(counted: { bytesSent?: number | undefined; bytesReceived?: number | undefined }) {
  return [
    ...(counted.bytesSent === undefined ? [] : [`sent ${bytesText(counted.bytesSent)}`]),
    ...(counted.bytesReceived === undefined
      ? []
      : [`received ${bytesText(counted.bytesReceived)}`]),
  ];
}

function subflowLine({ local, remote, tcp }: Subflow): string {
  const facts = tcp === undefined ? [] : [
    ...(tcp.state === "ESTABLISHED" ? [] : [tcp.state]),
    ...(tcp.rttUs === undefined ? [] : [`rtt ${(tcp.rttUs / 1000).toFixed(2)} ms`]),
    ...traffic(tcp),
    ...(tcp.retransmits ? [`${tcp.retransmits} retransmitted`] : []),
  ];
  return [`subflow ${addressText(local)} to ${addressText(remote)}`, ...facts].join(", ");
}

/** The lines beneath a socket: what the kernel tells of its connection. */
function detailLines({ verdict, evidence, remote, mptcp, subflows }: StreamSocket): string[] {
  if (verdict === "fallback") return [evidence];
  if (mptcp === undefined || remote === undefined) return [];
  const token = mptcp.token ? [`token ${mptcp.token.toString(16).padStart(8, "0")}`] : [];
  return [[...token, ...traffic(mptcp)].join(", "), ...(subflows ?? []).map(subflowLine)];
}

/** The sockets of a process as a table, with what the kernel tells of each connection beneath. */
export function socketsText(env: Pick<Env, "color">, { sockets }: ProcessSockets): string {
  const [head, ...lines] = table([
    ["FD", "KIND", "STATE", "LOCAL", "REMOTE"],
    ...sockets.map((socket) => [
      String(socket.fd),
      VERDICT_WORDS[socket.verdict],
      socket.state,
      addressText(socket.local),
      addressText(socket.remote),
    ]),
  ]).split("\n");
  const paint = painter(env.color);
  const blocks = sockets.flatMap((socket, index) => {
    const words = VERDICT_WORDS[socket.verdict];
    // Painted after the columns are laid out: the codes have no width.
    const line = lines[index]!.replace(words, paint(VERDICT_STYLE[socket.verdict], words));
    return [line, ...detailLines(socket).map((detail) => `    ${detail}`)];
  });
  return [head, ...blocks].join("\n");
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
