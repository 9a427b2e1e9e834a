/**
 * One process, unit or cgroup in detail, as a person reads it.
 *
 * @module
 */

import { type AskedUnit, cgroupName, type SocketSummary, type SubjectStatus } from "../mod.ts";
import { painter, paragraphWidth, printable, type Screen, shellWord, wrap } from "./render.ts";
import { reasonLines, VERDICT_STYLE, VERDICT_WORDS } from "./sockets_text.ts";
import {
  processName,
  processNotes,
  sinceText,
  targetName,
  targetNotes,
  unitNotes,
  VERDICTS,
  waitingNotes,
} from "./status_notes.ts";

/** `2 MPTCP, 1 fallback`; empty for no socket. */
export function summaryText(sockets: SocketSummary): string {
  return VERDICTS.filter((verdict) => sockets[verdict] > 0)
    .map((verdict) => `${sockets[verdict]} ${VERDICT_WORDS[verdict]}`).join(", ");
}

const LABEL_WIDTH = 12;

function field(screen: Screen, label: string, ...lines: readonly string[]): string {
  const texts = lines.map((line) => wrap(line, LABEL_WIDTH, paragraphWidth(screen)));
  return `  ${label.padEnd(LABEL_WIDTH - 2)}${texts.join("\n").trimStart()}`;
}

function unitFields(screen: Screen, unit: AskedUnit): string[] {
  const { method, since, file, running } = unit;
  const begun = running.map(({ unit, mainPid, since, pending }) => {
    const process = mainPid === 0 ? "" : ` (${mainPid})`;
    const state = pending === undefined ? "" : pending ? ", not forced yet" : ", forced";
    return `${unit}${process} since ${sinceText(since)}${state}`;
  });
  return [
    field(
      screen,
      "enabled",
      `${unit.unit} by ${method}, since ${sinceText(since)}`,
      file,
      ...unitNotes(unit),
    ),
    ...(begun.length === 0 ? [] : [field(screen, "runs", ...begun)]),
  ];
}

/** What `attach` takes for a cgroup. */
function targetWord(cgroup: string): string {
  return cgroup === "/" ? "--all" : shellWord(printable(cgroup));
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
      return `no: \`mptcpize attach ${targetWord(cgroupName(name) ?? name)}\` forces it`;
  }
}

/** One process, unit or cgroup in detail. */
export function subjectText(screen: Screen, subject: SubjectStatus): string {
  const { name, kind, command, since, units, targets, processes, sockets, notes } = subject;
  const paint = painter(screen.color);
  // What was asked for and is not in force says so itself.
  const asked = units.length + targets.length + subject.waiting.length + processes.length > 0;
  const title = printable(kind === "process" ? `${command || "?"} (${name})` : name);
  const cgroup = subject.cgroup && printable(cgroupName(subject.cgroup) ?? subject.cgroup);
  const fields = [
    ...(since === undefined ? [] : [field(screen, "started", sinceText(since))]),
    ...(cgroup === undefined || kind === "cgroup" || cgroup === "/"
      ? []
      : [field(screen, "cgroup", cgroup)]),
    ...(subject.forced || asked && subject.forced === false
      ? []
      : [field(screen, "forced", notForcedHint(subject))]),
    ...units.flatMap((unit) => unitFields(screen, unit)),
    ...targets.map((target) =>
      field(
        screen,
        "attached",
        `${targetName(target)} by bpf, since ${sinceText(target.since)}`,
        ...targetNotes(target),
      )
    ),
    ...subject.waiting.map((target) => field(screen, "attached", ...waitingNotes(target))),
    ...processes.map((process) =>
      field(
        screen,
        process.obstacle === undefined ? "forced" : "asked",
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
    ...reasonLines([reason], paragraphWidth(screen) - 4).map((line) => `    ${line}`),
  ]);
  return [
    paint("bold", title),
    ...fields,
    ...reasons,
    ...notes.map((note) => wrap(note, 0, paragraphWidth(screen))),
  ].join("\n") + "\n";
}
