/**
 * What is forced, as a person reads it: a table with notes beneath its rows, or one subject in detail.
 *
 * @module
 */

import {
  cgroupName,
  type ProcessStatus,
  type Reason,
  type SocketSummary,
  type Status,
  type SubjectStatus,
  type TargetStatus,
  type UnitStatus,
} from "../mod.ts";
import type { Env } from "./env.ts";
import { count, painter, wrap } from "./render.ts";
import { reasonLines, VERDICT_STYLE, VERDICT_WORDS } from "./sockets_text.ts";

/** The terminal, as far as text depends on it. */
export type Screen = Pick<Env, "color" | "columns">;

const WIDTH = 80;
/** Paragraphs are not read any better in longer lines. */
const PARAGRAPH_WIDTH = 100;
const VERDICTS = ["mptcp", "fallback", "tcp"] as const;

function paragraphWidth({ columns }: Screen): number {
  return Math.min(columns ?? WIDTH, PARAGRAPH_WIDTH);
}

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

/** One row of the table. */
interface Row {
  readonly what: string;
  readonly method: string;
  readonly since: Date | undefined;
  readonly sockets: SocketSummary;
  readonly notes: readonly string[];
}

function restartHint(unit: string, user: boolean): string {
  return `restart pending: \`systemctl ${user ? "--user " : ""}restart ${unit}\` puts it in force`;
}

type Enabled = Omit<UnitStatus, "sockets">;

/** What is to be said about an enabled unit besides its row. */
function unitNotes({ unit, running, loaded, user, runtime }: Enabled): string[] {
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
  { kind, path, name }: Pick<TargetStatus, "kind" | "path" | "name">,
): string {
  switch (kind) {
    case "all":
      return "every process";
    case "comm":
      return `processes named ${name}`;
    case "cgroup":
      return path === undefined ? "?" : cgroupName(path) ?? path;
  }
}

function targetNotes(target: Omit<TargetStatus, "sockets">): string[] {
  const { gone, path, strict, socketsSeen, socketsForced } = target;
  return [
    ...(gone
      ? [`its cgroup is gone: \`mptcpize detach ${path}\` forgets it`]
      : socketsSeen === 0n
      ? ["no TCP socket was asked for yet"]
      : [
        `${count(Number(socketsSeen), "TCP socket")} asked for, ${
          socketsForced === socketsSeen ? "all" : socketsForced
        } made MPTCP`,
      ]),
    ...(strict ? ["strict: socket options are left alone"] : []),
  ];
}

function processName({ command, pid, pids }: Omit<ProcessStatus, "sockets">): string {
  const more = pids.length === 1 ? "" : ` and ${pids.length - 1} more`;
  return `${command || "?"} (${pid})${more}`;
}

function processNotes({ obstacle }: Omit<ProcessStatus, "sockets">): string[] {
  return obstacle === undefined ? [] : [`not reached: ${obstacle.words}`];
}

/** The likeliest reasons in a line each, but for what was told already. */
function reasonNotes(sockets: SocketSummary, told?: Reason): string[] {
  const reasons = sockets.reasons.filter(({ reason }) => reason.code !== told?.code);
  const shown = reasons.slice(0, 3).map(({ verdict, count, reason }) => {
    const sure = reason.certainty === "certain" ? "" : `${reason.certainty}: `;
    return `${count} ${VERDICT_WORDS[verdict]}: ${sure}${reason.words}`;
  });
  return reasons.length > 3 ? [...shown, `${reasons.length - 3} more reasons`] : shown;
}

function rowsOf({ units, targets, processes }: Status): Row[] {
  return [
    ...units.map((unit) => ({
      ...unit,
      what: unit.unit,
      notes: [...unitNotes(unit), ...reasonNotes(unit.sockets)],
    })),
    ...targets.map((target) => ({
      ...target,
      method: "bpf",
      what: targetName(target),
      notes: [...targetNotes(target), ...reasonNotes(target.sockets)],
    })),
    ...processes.map((process) => ({
      ...process,
      what: processName(process),
      notes: [...processNotes(process), ...reasonNotes(process.sockets, process.obstacle)],
    })),
  ];
}

const HEAD = ["WHAT", "METHOD", "SINCE", "MPTCP", "FALLBACK", "TCP"];
/** From here on there are numbers, which stand at the right. */
const NUMBERS_FROM = 3;
const NOTE_INDENT = 4;

/** The table; what is too long for its first column has a line of its own, as df(1) does it. */
function rowsText(screen: Screen, rows: readonly Row[]): string {
  const paint = painter(screen.color);
  const cells = rows.map(({ what, method, since, sockets }) => [
    what,
    method,
    sinceText(since),
    ...VERDICTS.map((verdict) => sockets[verdict] === 0 ? "-" : String(sockets[verdict])),
  ]);
  const widths = HEAD.map((head, column) =>
    Math.max(head.length, ...cells.map((row) => row[column]!.length))
  );
  const rest = widths.slice(1).reduce((sum, width) => sum + width + 2, 0);
  const room = Math.max((screen.columns ?? WIDTH) - rest, HEAD[0]!.length);
  const fitting = cells.map(([what]) => what!.length).filter((length) => length <= room);
  widths[0] = Math.max(HEAD[0]!.length, ...fitting);
  const line = (row: readonly string[], style: (column: number, text: string) => string) =>
    row.map((cell, column) => {
      const padded = column < NUMBERS_FROM
        ? cell.padEnd(widths[column]!)
        : cell.padStart(widths[column]!);
      return style(column, padded);
    }).join("  ");
  const body = cells.map((row, index) => {
    const style = (column: number, text: string) => {
      const verdict = VERDICTS[column - NUMBERS_FROM];
      // Painted after the columns are laid out: the codes have no width.
      return verdict === undefined || row[column] === "-"
        ? text
        : paint(VERDICT_STYLE[verdict], text);
    };
    const [what = "", ...others] = row;
    const text = what.length <= widths[0]!
      ? line(row, style)
      : `${what}\n${line(["", ...others], style)}`;
    const notes = rows[index]!.notes.map((note) =>
      wrap(`  ${note}`, NOTE_INDENT - 2, paragraphWidth(screen))
    );
    return [text, ...notes].join("\n");
  });
  return [line(HEAD, (_, text) => text), ...body].join("\n");
}

/** `2 MPTCP, 1 fallback`; empty for no socket. */
export function summaryText(sockets: SocketSummary): string {
  return VERDICTS.filter((verdict) => sockets[verdict] > 0)
    .map((verdict) => `${sockets[verdict]} ${VERDICT_WORDS[verdict]}`).join(", ");
}

function bpfText(bpf: NonNullable<Status["bpf"]>): string[] {
  const programs = bpf.programs.map(({ name, id, tag }) => `${name} (id ${id}, tag ${tag})`);
  const maps = bpf.maps.map(({ name, id }) => `${name} (id ${id})`);
  return [
    `loaded into the kernel: ${programs.join(", ")}; maps ${maps.join(", ")}`,
    ...(bpf.current
      ? []
      : ["what is loaded is of another version: the next `mptcpize attach` replaces it"]),
    ...(bpf.guarded ? [] : [
      "this kernel does not tell where net.mptcp.enabled is 0: attached programs get no TCP socket there",
    ]),
  ];
}

/** All that is forced, as a table. */
export function statusText(screen: Screen, status: Status): string {
  const { units, targets, processes, bpf, notes } = status;
  const width = paragraphWidth(screen);
  const paragraph = (text: string) => wrap(text, 0, width);
  const rows = rowsOf(status);
  if (rows.length === 0) {
    return [
      paragraph(
        "Nothing is forced here: `mptcpize run COMMAND` forces a command, `mptcpize enable UNIT` a service",
      ),
      ...(bpf === undefined ? [] : bpfText(bpf).map(paragraph)),
      ...notes.map(paragraph),
    ].join("\n") + "\n";
  }
  const kinds = [
    ...(units.length > 0 ? [count(units.length, "unit")] : []),
    ...(targets.length > 0 ? [count(targets.length, "target")] : []),
    ...(processes.length > 0
      ? [processes.length === 1 ? "1 process" : `${processes.length} processes`]
      : []),
  ];
  return [
    rowsText(screen, rows),
    "",
    paragraph(kinds.join(", ")),
    ...(bpf === undefined ? [] : bpfText(bpf).map(paragraph)),
    ...notes.map(paragraph),
  ].join("\n") + "\n";
}

const LABEL_WIDTH = 12;

function field(screen: Screen, label: string, ...lines: readonly string[]): string {
  const texts = lines.map((line) => wrap(line, LABEL_WIDTH, paragraphWidth(screen)));
  return `  ${label.padEnd(LABEL_WIDTH - 2)}${texts.join("\n").trimStart()}`;
}

function unitFields(screen: Screen, unit: Enabled): string[] {
  const { method, since, file, running, version } = unit;
  const begun = running.map(({ unit, mainPid, since, pending }) => {
    const process = mainPid === 0 ? "" : ` (${mainPid})`;
    const state = pending === undefined ? "" : pending ? ", not forced yet" : ", forced";
    return `${unit}${process} since ${sinceText(since)}${state}`;
  });
  return [
    field(
      screen,
      "enabled",
      `${unit.unit} by ${method}, since ${sinceText(since)}, by version ${version}`,
      file,
      ...unitNotes(unit),
    ),
    ...(begun.length === 0 ? [] : [field(screen, "runs", ...begun)]),
  ];
}

function notForcedHint({ kind, name, forced }: SubjectStatus): string {
  if (forced === undefined) {
    return kind === "process"
      ? "that cannot be seen"
      : "nothing that can be seen; not all of its processes can";
  }
  switch (kind) {
    case "process":
      return "no: `mptcpize run COMMAND` forces a program from its start";
    case "unit":
      return `no: \`mptcpize enable ${name}\` forces it`;
    case "cgroup":
      return "no: nothing forces it";
  }
}

/** One process, unit or cgroup in detail. */
export function subjectText(screen: Screen, subject: SubjectStatus): string {
  const { name, kind, command, since, units, targets, processes, sockets, notes } = subject;
  const paint = painter(screen.color);
  const title = kind === "process" ? `${command || "?"} (${name})` : name;
  const cgroup = subject.cgroup && cgroupName(subject.cgroup);
  const fields = [
    ...(since === undefined ? [] : [field(screen, "started", sinceText(since))]),
    ...(cgroup === undefined || kind === "cgroup" || cgroup === "/"
      ? []
      : [field(screen, "cgroup", cgroup)]),
    ...(subject.forced ? [] : [field(screen, "forced", notForcedHint(subject))]),
    ...units.flatMap((unit) => unitFields(screen, unit)),
    ...targets.map((target) =>
      field(
        screen,
        "attached",
        `${targetName(target)} by bpf, since ${sinceText(target.since)}`,
        ...targetNotes(target),
      )
    ),
    ...processes.map((process) =>
      field(
        screen,
        "forced",
        kind === "process"
          ? `by ${process.method}`
          : `${processName(process)} by ${process.method}, since ${sinceText(process.since)}`,
        ...processNotes(process),
      )
    ),
    field(
      screen,
      "sockets",
      summaryText(sockets) ||
        (subject.forced === undefined ? "none that can be seen" : "none of TCP"),
    ),
  ];
  const reasons = sockets.reasons.flatMap(({ verdict, count, reason }) => [
    `  ${paint(VERDICT_STYLE[verdict], `${count} ${VERDICT_WORDS[verdict]}`)}`,
    ...reasonLines([reason]).map((line) => `    ${line}`),
  ]);
  return [
    paint("bold", title),
    ...fields,
    ...reasons,
    ...notes.map((note) => wrap(note, 0, paragraphWidth(screen))),
  ].join("\n") + "\n";
}
