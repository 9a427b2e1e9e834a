/**
 * What is forced, as a person reads it: a table with notes beneath its rows.
 *
 * @module
 */

import type { PersistentTarget, SocketSummary, Status } from "../mod.ts";
import { count, painter, paragraphWidth, type Screen, WIDTH, wrap } from "./render.ts";
import { VERDICT_STYLE } from "./sockets_text.ts";
import {
  isOfUnit,
  processName,
  processNotes,
  reasonNotes,
  sinceText,
  targetName,
  targetNotes,
  unitNotes,
  VERDICTS,
  waitingNotes,
} from "./status_notes.ts";

/** One row of the table. */
interface Row {
  readonly what: string;
  readonly method: string;
  readonly since: Date | undefined;
  readonly sockets: SocketSummary;
  readonly notes: readonly string[];
}

/** What `attach --persist` has systemd do later. */
function waitingRow(target: PersistentTarget): Row {
  const { kind } = target;
  return {
    what: kind === "service" || kind === "slice"
      ? target.name
      : targetName(kind === "all" ? { kind } : { kind, name: target.name }),
    method: "bpf",
    since: undefined,
    sockets: { mptcp: 0, fallback: 0, tcp: 0, reasons: [] },
    notes: waitingNotes(target),
  };
}

function rowsOf({ units, targets, waiting, processes }: Status): Row[] {
  return [
    ...units.map((unit) => ({
      ...unit,
      what: unit.unit,
      notes: [
        ...unitNotes(unit),
        ...targets.filter((target) => isOfUnit(target, unit)).flatMap(targetNotes),
        ...reasonNotes(unit.sockets),
      ],
    })),
    ...targets.filter((target) => !units.some((unit) => isOfUnit(target, unit))).map((target) => ({
      ...target,
      method: "bpf",
      what: targetName(target),
      notes: [...targetNotes(target), ...reasonNotes(target.sockets)],
    })),
    ...waiting.map(waitingRow),
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
  const { units, targets, waiting, processes, bpf, notes } = status;
  const width = paragraphWidth(screen);
  const paragraph = (text: string) => wrap(text, 0, width);
  const rows = rowsOf(status);
  if (rows.length === 0) {
    return [
      paragraph(
        (status.forced === false
          ? "Nothing is forced here"
          : "Nothing that can be seen is forced here") +
          ": `mptcpize run COMMAND` forces a command, `mptcpize enable UNIT` a service, " +
          "`mptcpize attach CGROUP` all that is in a cgroup",
      ),
      ...(bpf === undefined ? [] : bpfText(bpf).map(paragraph)),
      ...notes.map(paragraph),
    ].join("\n") + "\n";
  }
  const kinds = [
    ...(units.length > 0 ? [count(units.length, "unit")] : []),
    ...(targets.length + waiting.length > 0
      ? [count(targets.length + waiting.length, "target")]
      : []),
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
