/**
 * `mptcpize run --report`: what became of a command's sockets, as text or JSON.
 *
 * @module
 */

import { type PathTraffic, type RunReport, UsageError, type Verdict } from "../mod.ts";
import { ClosedPipe, type Env } from "./env.ts";
import { bytesText, count, table, wrap } from "./render.ts";
import { reasonLines, VERDICT_WORDS } from "./sockets_text.ts";

/** So many paths are shown one by one. */
const SHOWN_PATHS = 8;
const LABEL_WIDTH = 13;

function kinds(counts: Readonly<Record<Verdict, number>>): string {
  return (["mptcp", "fallback", "tcp"] as const)
    .filter((verdict) => counts[verdict] > 0)
    .map((verdict) => `${counts[verdict]} ${VERDICT_WORDS[verdict]}`).join(", ");
}

function traffic({ bytesSent, bytesReceived }: PathTraffic): string {
  return [
    ...(bytesSent === undefined ? [] : [`sent ${bytesText(bytesSent)}`]),
    ...(bytesReceived === undefined ? [] : [`received ${bytesText(bytesReceived)}`]),
  ].join(", ");
}

function pathLines(paths: readonly PathTraffic[]): string[] {
  const rows = paths.slice(0, SHOWN_PATHS).map((path) => [
    `${path.local} to ${path.remote}`,
    path.verdict === "mptcp"
      ? count(path.flows, "subflow")
      : `${path.flows} ${VERDICT_WORDS[path.verdict]}`,
    traffic(path),
  ]);
  if (rows.length === 0) return [];
  const more = paths.length - rows.length;
  const wide = table(rows).split("\n");
  const lines = wide.every((line) => line.length <= 80 - LABEL_WIDTH - 2)
    ? wide
    : rows.flatMap(([ends = "", ...facts]) => [ends, `  ${facts.filter(Boolean).join(", ")}`]);
  return [
    ...lines,
    ...(more > 0 ? [`and ${count(more, "path")} more: \`--report=FILE\` has all`] : []),
  ];
}

function socketsText({ sockets }: RunReport): string[] {
  if (sockets === undefined) return ["not counted"];
  const { countedBy, made, forced, returned, refusal, softened = 0 } = sockets;
  const refused = made - forced;
  const left = countedBy === "kernel"
    ? `${refused} where MPTCP is off`
    : `${refused} refused MPTCP${refusal ? ` (${refusal})` : ""}`;
  return [
    [
      `${made} made, ${forced} forced`,
      ...(refused > 0 ? [left] : []),
      ...(returned > 0 ? [`${returned} back to TCP for an option`] : []),
      ...(softened > 0 ? [`${count(softened, "option")} softened`] : []),
    ].join(", "),
  ];
}

function connectionsText({ connections, listeners, subflows }: RunReport): string[] {
  const all = connections.mptcp + connections.fallback + connections.tcp;
  const listening = kinds(listeners);
  return [
    [
      all === 0 ? "none seen" : kinds(connections),
      ...(connections.mptcp > 0 ? [count(subflows, "subflow")] : []),
    ].join(", "),
    ...(listening === "" ? [] : [`listeners: ${listening}`]),
  ];
}

/** The counters where they say more than what was seen. */
function countersText({ counters, connections }: RunReport): string[] {
  const asked = counters["MPCapableSYNTX"] ?? 0;
  const accepted = counters["MPCapableACKRX"] ?? 0;
  if (asked + accepted <= connections.mptcp + connections.fallback) return [];
  const answered = counters["MPCapableSYNACKRX"] ?? 0;
  return [
    `${asked} asked for MPTCP, ${answered} answered with it, ${accepted} accepted, in the whole network ` +
    "namespace",
  ];
}

/** The report as a block of text, without colour: stderr is often kept. */
export function reportText(report: RunReport): string {
  const { command, seconds, end, paths, fallbackReasons, lost, notes } = report;
  const how = end.kind === "exited" ? `exit status ${end.status}` : `signal ${end.signal}`;
  const blocks: [string, readonly string[]][] = [
    ["sockets", socketsText(report)],
    ["connections", connectionsText(report)],
    ["paths", pathLines(paths)],
    ["fell back", reasonLines(fallbackReasons, 80 - LABEL_WIDTH - 2)],
    ["counters", countersText(report)],
    ["lost", lost === 0 ? [] : [`${count(lost, "socket")}: closed faster than they could be read`]],
    ["note", notes],
  ];
  const title = `mptcpize: ${command}, ${seconds.toFixed(seconds < 10 ? 2 : 0)} s, ${how}`;
  const lines = blocks.flatMap(([label, texts]) =>
    texts.flatMap((text) => wrap(text, 0, 80 - LABEL_WIDTH - 2).split("\n"))
      .map((line, index) => `  ${(index === 0 ? label : "").padEnd(LABEL_WIDTH)}${line}`)
  );
  return [title, ...lines].join("\n") + "\n";
}

/** Where a report goes. */
export interface ReportTarget {
  /** Writes it. */
  readonly write: (report: RunReport) => void;
}

/** In the place of a file: one line of JSON on stderr. A file of that name is `./json`. */
const AS_JSON = "json";

/** Paths of descriptors that somebody else has open, too. */
const DESCRIPTOR = /^\/(dev\/(fd\/\d+|stdout|stderr)|proc\/self\/fd\/\d+)$/;

/** What is in the way, by the errno that the runtime names. */
const STATES: Readonly<Record<string, string>> = {
  EACCES: "this user may not",
  EISDIR: "it is a folder",
  ENOENT: "there is no such folder, or no such descriptor",
  ENOSPC: "no room is left",
  ENOTDIR: "what it is to lie in is no folder",
};

/** A report that could not be written, in one sentence. */
function cannotWrite(path: string, cause: unknown): string {
  const { code, message } = cause as { code?: string; message?: string };
  const why = code === undefined ? message : `${STATES[code] ?? "it cannot be written"} (${code})`;
  return `Cannot write the report to ${path}: ${why}`;
}

/**
 * Where the flag says that the report goes: text or JSON to stderr, or JSON to a file, which is opened at once so that
 * it is known before the command starts whether it can be written. What the caller has open as a descriptor is
 * added to, not cut off.
 *
 * @throws {UsageError} when the file cannot be written
 */
export function openReport(
  env: Pick<Env, "err">,
  path: string | undefined,
  json: boolean,
): ReportTarget {
  if (path === undefined || path === AS_JSON) {
    const asJson = json || path === AS_JSON;
    return {
      write: (report) =>
        env.err(asJson ? JSON.stringify(report) + "\n" : `\n${reportText(report)}`),
    };
  }
  let file: Deno.FsFile;
  try {
    const append = DESCRIPTOR.test(path);
    file = Deno.openSync(path, append ? { append } : { write: true, create: true, truncate: true });
  } catch (cause) {
    throw new UsageError(cannotWrite(path, cause), { cause });
  }
  return {
    write: (report) => {
      const bytes = new TextEncoder().encode(JSON.stringify(report, null, 2) + "\n");
      try {
        for (let rest = bytes; rest.length > 0;) rest = rest.subarray(file.writeSync(rest));
      } catch (cause) {
        if (cause instanceof Deno.errors.BrokenPipe) throw new ClosedPipe();
        // The command's end counts, whether or not there was room for the report.
        env.err(`mptcpize: ${cannotWrite(path, cause)}\n`);
      } finally {
        file.close();
      }
    },
  };
}
