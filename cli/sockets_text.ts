/**
 * Sockets as a person reads them: a table, with what the kernel tells of each beneath.
 *
 * @module
 */

import type {
  Reason,
  SeenSocket,
  SeenSubflow,
  SocketAddress,
  SocketFacts,
  SocketOwner,
  Verdict,
} from "../mod.ts";
import {
  bytesText,
  count,
  painter,
  paragraphWidth,
  printable,
  type Screen,
  table,
  WIDTH,
  wrap,
} from "./render.ts";

/** The words for a verdict. */
export const VERDICT_WORDS: Readonly<Record<Verdict, string>> = {
  mptcp: "MPTCP",
  fallback: "fallback",
  tcp: "TCP",
};

/** The colour for a verdict. */
export const VERDICT_STYLE = { mptcp: "green", fallback: "yellow", tcp: "red" } as const;

/** A socket as far as it is shown: what one source says, or both. */
export type ShownSocket =
  & Pick<
    SocketFacts,
    "local" | "remote" | "state" | "verdict" | "evidence" | "mptcp"
  >
  & Partial<Pick<SeenSocket, "owners" | "reasons" | "tcp" | "disagreement" | "inode">>
  & {
    /** Its descriptor in the process that is shown. */
    readonly fd?: number;
    readonly subflows?: readonly SeenSubflow[];
  };

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

function subflowLines({ local, remote, tcp, backup }: SeenSubflow, width: number): string[] {
  const facts = [
    ...(backup === "local" || backup === "both" ? ["backup"] : []),
    ...(backup === "remote" ? ["backup (by the peer)"] : []),
    ...(tcp === undefined ? [] : [
      ...(tcp.state === "ESTABLISHED" ? [] : [tcp.state]),
      ...(tcp.rttUs === undefined ? [] : [`rtt ${(tcp.rttUs / 1000).toFixed(2)} ms`]),
      ...traffic(tcp),
      ...(tcp.retransmits ? [`${tcp.retransmits} retransmitted`] : []),
    ]),
  ];
  const ends = [`subflow ${addressText(local)}`, `to ${addressText(remote)}`];
  if (ends.join(" ").length <= width) return hang(ends.join(" "), facts, width);
  const rest = facts.length === 0 ? [] : wrap(facts.join(", "), 2, width).split("\n");
  return [ends[0]!, `  ${ends[1]}`, ...rest];
}

/** Words with facts behind them: in one line where they fit, else the facts in the next. */
function hang(words: string, facts: readonly string[], width: number): string[] {
  const line = [words, ...facts].join(", ");
  if (line.length <= width || facts.length === 0) return [line];
  return [words, ...wrap(facts.join(", "), 2, width).split("\n")];
}

const INDENT = 4;

/** How reasons are introduced: one that is sure, or the likeliest of several. */
function lead(reason: Reason, index: number, count: number): string {
  if (reason.certainty === "certain") return "why: ";
  if (index > 0) return "or:  ";
  return count > 1 ? "most likely: " : `${reason.certainty}: `;
}

/**
 * Reasons with their evidence and, of the first, what to do.
 *
 * @param width how wide they may be, without the indent that the caller gives them
 */
export function reasonLines(reasons: readonly Reason[], width: number = WIDTH - INDENT): string[] {
  return reasons.flatMap((reason, index) => {
    const evidence = reason.evidence.length === 0 ? "" : ` (${reason.evidence.join("; ")})`;
    const words = lead(reason, index, reasons.length) + reason.words + evidence;
    const hint = index === 0 && reason.hint !== undefined ? [`hint: ${reason.hint}`] : [];
    return [words, ...hint].flatMap((text) => {
      const [first = "", ...rest] = wrap(text, 0, width - 5).split("\n");
      return [first, ...rest.map((line) => `     ${line}`)];
    });
  });
}

/** The lines beneath a socket: what the kernel tells of its connection, and why it is what it is. */
function detailLines(socket: ShownSocket, width: number): string[] {
  const { verdict, evidence, remote, mptcp, subflows, tcp, reasons, disagreement } = socket;
  const lines: string[] = [];
  if (verdict === "mptcp" && mptcp !== undefined && remote !== undefined) {
    const token = mptcp.token ? [`token ${mptcp.token.toString(16).padStart(8, "0")}`] : [];
    const retransmits = mptcp.retransmits ? [`${mptcp.retransmits} retransmitted`] : [];
    lines.push([...token, ...traffic(mptcp), ...retransmits].join(", "));
    lines.push(...(subflows ?? []).flatMap((subflow) => subflowLines(subflow, width)));
  }
  if (verdict !== "mptcp" && remote !== undefined && tcp !== undefined) {
    const rtt = tcp.rttUs === undefined ? [] : [`rtt ${(tcp.rttUs / 1000).toFixed(2)} ms`];
    const retransmits = tcp.retransmits ? [`${tcp.retransmits} retransmitted`] : [];
    lines.push([...rtt, ...traffic(tcp), ...retransmits].join(", "));
  }
  if (verdict === "fallback" && !reasons?.length) lines.push(evidence);
  if (reasons) lines.push(...reasonLines(reasons, width));
  if (disagreement !== undefined) lines.push(...wrap(disagreement, 0, width).split("\n"));
  return lines;
}

function row(socket: ShownSocket, withRemote: boolean): string[] {
  return [
    socket.fd === undefined ? "-" : String(socket.fd),
    VERDICT_WORDS[socket.verdict],
    socket.state,
    addressText(socket.local),
    ...(withRemote ? [addressText(socket.remote)] : []),
  ];
}

/** The sockets of a process as a table, with what the kernel tells of each connection beneath. */
export function socketsText(
  screen: Screen,
  { sockets }: { readonly sockets: readonly ShownSocket[] },
): string {
  const layOut = (withRemote: boolean) => {
    const head = ["FD", "KIND", "STATE", "LOCAL", ...(withRemote ? ["REMOTE"] : [])];
    return table([head, ...sockets.map((socket) => row(socket, withRemote))]).split("\n");
  };
  // Two long addresses do not fit into one line: the remote one goes beneath.
  const wide = layOut(true);
  const fits = wide.every((line) => line.length <= (screen.columns ?? WIDTH));
  const [head, ...lines] = fits ? wide : layOut(false);
  const paint = painter(screen.color);
  const width = paragraphWidth(screen) - INDENT;
  const blocks = sockets.flatMap((socket, index) => {
    const words = VERDICT_WORDS[socket.verdict];
    // Painted after the columns are laid out: the codes have no width.
    const line = lines[index]!.replace(words, paint(VERDICT_STYLE[socket.verdict], words));
    const remote = fits || socket.remote === undefined ? [] : [`to ${addressText(socket.remote)}`];
    const details = [...remote, ...detailLines(socket, width)];
    return [line, ...details.map((detail) => " ".repeat(INDENT) + detail)];
  });
  return [head, ...blocks].join("\n");
}

/** `2 MPTCP, 1 fallback`; empty for no socket. */
export function verdictCounts(sockets: readonly { readonly verdict: Verdict }[]): string {
  return (["mptcp", "fallback", "tcp"] as const).flatMap((verdict) => {
    const number = sockets.filter((socket) => socket.verdict === verdict).length;
    return number === 0 ? [] : [`${number} ${VERDICT_WORDS[verdict]}`];
  }).join(", ");
}

function ownerText({ command, pid }: SocketOwner): string {
  return `${printable(command) || "?"} (${pid})`;
}

/** Sockets by the process that holds them, the first where several do. */
export function socketsByOwner(
  screen: Screen,
  sockets: readonly SeenSocket[],
): string {
  const groups = new Map<string, { readonly pid: number; readonly sockets: ShownSocket[] }>();
  for (const socket of sockets) {
    const [owner, ...others] = socket.owners;
    const title = owner !== undefined
      ? ownerText(owner)
      : socket.inode === 0
      ? "no process any more"
      : "a process that cannot be seen";
    let group = groups.get(title);
    if (group === undefined) {
      groups.set(title, group = { pid: owner?.pid ?? Infinity, sockets: [] });
    }
    const fd = owner?.fds[0];
    group.sockets.push({ ...socket, ...(fd !== undefined && { fd }), owners: others });
  }
  const paint = painter(screen.color);
  for (const group of groups.values()) {
    group.sockets.sort((left, right) => (left.fd ?? 0) - (right.fd ?? 0));
  }
  return [...groups].sort(([, left], [, right]) => left.pid - right.pid)
    .map(([title, group]) => {
      const shared = sharedNote(group.sockets);
      return `${paint("bold", title)}${shared}\n${socketsText(screen, group)}`;
    }).join("\n\n");
}

/** Who else holds sockets of a group, as the workers of a server do. */
function sharedNote(sockets: readonly ShownSocket[]): string {
  const others = new Map(
    sockets.flatMap(({ owners }) => (owners ?? []).map((owner) => [owner.pid, owner] as const)),
  );
  if (others.size === 0) return "";
  const named = [...others.values()].slice(0, 3).map(ownerText).join(", ");
  const more = others.size > 3 ? `, and ${others.size - 3} more` : "";
  return `\n${wrap(`some shared with ${named}${more}`, 2)}`;
}

/** The last line of a list: how many sockets of which kind. */
export function totals(who: string, sockets: readonly SeenSocket[], unseen: number): string {
  const kinds = verdictCounts(sockets);
  const rest = unseen === 0 ? "" : `; ${count(unseen, "descriptor")} could not be looked at`;
  return `${who}: ${count(sockets.length, "socket")}${kinds && ` (${kinds})`}${rest}`;
}
