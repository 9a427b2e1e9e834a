/**
 * What is to be said about units, targets and processes that are forced, in a line each.
 *
 * @module
 */

import {
  type AskedTarget,
  type AskedUnit,
  cgroupName,
  type PersistentTarget,
  type ProcessStatus,
  type Reason,
  type SocketSummary,
} from "../mod.ts";
import { count, printable, shellWord } from "./render.ts";
import { VERDICT_WORDS } from "./sockets_text.ts";

/** In this order. */
export const VERDICTS = ["mptcp", "fallback", "tcp"] as const;

function pad(number: number): string {
  return String(number).padStart(2, "0");
}

/** When something began: the time of today, else the day. */
export function sinceText(since: Date | undefined, now = new Date()): string {
  if (since === undefined) return "-";
  const day = (date: Date) =>
    `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  if (day(since) !== day(now)) return day(since);
  return `${pad(since.getHours())}:${pad(since.getMinutes())}:${pad(since.getSeconds())}`;
}

function restartHint(unit: string, user: boolean): string {
  return `restart pending: \`systemctl ${user ? "--user " : ""}restart ${unit}\` puts it in force`;
}

/** What is to be said about an enabled unit besides its row. */
export function unitNotes({ unit, running, loaded, user, runtime }: AskedUnit): string[] {
  const scope = user ? "--user " : "";
  return [
    ...(user ? ["a unit of this user's manager"] : []),
    ...(runtime ? ["until the next boot"] : []),
    ...(loaded === false
      ? [`systemd has not read its drop-in: \`systemctl ${scope}daemon-reload\``]
      : []),
    ...(loaded === undefined && running.length === 0 && !unit.includes("@.")
      ? ["systemd does not answer: whether it runs is not known"]
      : running.length === 0
      ? ["does not run"]
      : []),
    ...running.filter(({ pending }) => pending).map(({ unit }) => restartHint(unit, user)),
    ...(running.length > 1 ? [count(running.length, "instance") + " run"] : []),
  ];
}

/** A target as a person calls it. */
export function targetName(
  { kind, path, name }: Pick<AskedTarget, "kind" | "path" | "name">,
): string {
  switch (kind) {
    case "all":
      return "every process";
    case "comm":
      return `processes named ${printable(name ?? "?")}`;
    case "cgroup":
      return printable(path === undefined ? "?" : cgroupName(path) ?? path);
  }
}

/** What is to be said about a target besides its row. */
export function targetNotes(target: AskedTarget): string[] {
  const { gone, path, strict, socketsSeen, socketsForced, again } = target;
  return [
    ...(gone
      ? [`its cgroup is gone: \`mptcpize detach ${shellWord(printable(path ?? ""))}\` forgets it`]
      : socketsSeen === 0n
      ? ["no TCP socket was asked for yet"]
      : [
        `${count(Number(socketsSeen), "TCP socket")} asked for, ${
          socketsForced === socketsSeen ? "all" : socketsForced
        } made MPTCP`,
      ]),
    ...(again === undefined ? [] : [`attached again at each ${again}`]),
    ...(strict ? ["strict: socket options are left alone"] : []),
  ];
}

/** What is to be said about what `attach --persist` has systemd do later. */
export function waitingNotes({ kind, strict }: PersistentTarget): string[] {
  return [
    `not attached now: at ${kind === "service" ? "its next start" : "the next boot"}`,
    ...(strict ? ["strict: socket options are left alone"] : []),
  ];
}

/** Whether a target is how an enabled unit is forced. */
export function isOfUnit(
  { path }: Pick<AskedTarget, "path">,
  { method, running }: AskedUnit,
): boolean {
  return method === "bpf" && running.some(({ unit }) => path?.endsWith(`/${unit}`));
}

/** A process, with its forks. */
export function processName({ command, pid, pids }: Omit<ProcessStatus, "sockets">): string {
  const more = pids.length === 1 ? "" : ` and ${pids.length - 1} more`;
  return `${printable(command) || "?"} (${pid})${more}`;
}

/** Why it is not reached. */
export function processNotes({ obstacle }: Omit<ProcessStatus, "sockets">): string[] {
  return obstacle === undefined ? [] : [`not reached: ${obstacle.words}`];
}

/** The likeliest reasons in a line each, but for what was told already. */
export function reasonNotes(sockets: SocketSummary, told?: Reason): string[] {
  const reasons = sockets.reasons.filter(({ reason }) => reason.code !== told?.code);
  const shown = reasons.slice(0, 3).map(({ verdict, count, reason }) => {
    const sure = reason.certainty === "certain" ? "" : `${reason.certainty}: `;
    return `${count} ${VERDICT_WORDS[verdict]}: ${sure}${reason.words}`;
  });
  return reasons.length > 3 ? [...shown, `${reasons.length - 3} more reasons`] : shown;
}
