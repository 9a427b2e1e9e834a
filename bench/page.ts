/**
 * docs/performance.md, made from a kept run.
 *
 * @module
 */

import type { Group, Run } from "./group.ts";
import { addedShare, median, paired, type Ratio } from "./statistics.ts";

/** What the figures are held to. */
interface Limit {
  readonly chapter: string;
  /** A part of the group's title. */
  readonly group: string;
  readonly way: string;
  /** The ratio or share that it is not to be above. */
  readonly most: number;
}

const LIMITS: readonly Limit[] = [
  { chapter: "Start", group: "/bin/true", way: "mptcpize run", most: 0.25 },
  {
    chapter: "Sockets",
    group: "socket()+close(), one thread, dynamic",
    way: "MPTCP, our library",
    most: 1.05,
  },
  {
    chapter: "Sockets",
    group: "socket()+close(), one thread, static",
    way: "MPTCP, patched",
    most: 1.05,
  },
];

/** What is compared in a group's last column; undefined for the reference and what it is not defined for. */
export function compare(group: Group, way: string): Ratio | undefined {
  const values = group.ways[way] ?? [];
  const reference = group.ways[group.reference] ?? [];
  if (way === group.reference && group.kind !== "added") return undefined;
  if (group.kind !== "added") return paired(values, reference);
  return way === "bare" || way === group.reference
    ? undefined
    : addedShare(values, reference, group.ways["bare"] ?? []);
}

/** A figure with three digits, in the unit that suits it. */
export function renderFigure(value: number, unit: string): string {
  const larger: Readonly<Record<string, readonly [string, string]>> = {
    ns: ["µs", "ms"],
    µs: ["ms", "s"],
  };
  let [shown, name] = [value, unit];
  for (const next of larger[unit] ?? []) {
    if (Math.abs(shown) < 1000) break;
    [shown, name] = [shown / 1000, next];
  }
  const digits = larger[unit] === undefined || Math.abs(shown) >= 100
    ? 0
    : Math.abs(shown) >= 10
    ? 1
    : 2;
  const text = shown.toFixed(digits).replace(/\B(?=(\d{3})+(?!\d))/g, digits === 0 ? "," : "");
  return `${text} ${name}`;
}

function renderRatio(ratio: Ratio | undefined): string {
  if (ratio === undefined) return "";
  const [median, p25, p75] = [ratio.median, ratio.p25, ratio.p75]
    .map((value) => value.toFixed(ratio.median >= 10 ? 0 : 2));
  return `${median} (${p25}–${p75})`;
}

/** Rows as a Markdown table, in columns as `deno fmt` has them. */
function renderTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) =>
    Math.max(3, ...rows.map((row) => row[column]!.length))
  );
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`;
  const [head, ...body] = rows;
  return [line(head!), line(widths.map((width) => "-".repeat(width))), ...body.map(line)].join(
    "\n",
  );
}

function renderGroup(group: Group): string {
  const { title, kind, unit, reference, ways } = group;
  const bare = ways["bare"] ?? [];
  const difference = (way: string) => {
    const values = ways[way]!.flatMap((value, round) =>
      value === null || bare[round] == null ? [] : [value - bare[round]!]
    );
    return way === "bare" ? "" : renderFigure(median(values), unit);
  };
  const columns: readonly (readonly [string, (way: string) => string])[] = [
    [title, (way) => way],
    ["median", (way) => renderFigure(median(ways[way]!), unit)],
    ...(kind === "added" || kind === "more"
      ? [[kind === "added" ? "added" : "more than bare", difference] as const]
      : []),
    ...(kind === "more" ? [] : [
      [
        kind === "added" ? `of what ${reference} adds` : `× ${reference}`,
        (way: string) => way === reference ? "1" : renderRatio(compare(group, way)),
      ] as const,
    ]),
  ];
  return renderTable([
    columns.map(([head]) => head),
    ...Object.keys(ways).map((way) => columns.map(([, cell]) => cell(way))),
  ]);
}

/** The limits with what was measured. */
function renderLimits({ chapters }: Run): string {
  const rows = LIMITS.map(({ chapter, group: title, way, most }) => {
    const group = chapters.find((found) => found.title === chapter)?.groups
      .find((found) => found.title.startsWith(title));
    const ratio = group === undefined ? undefined : compare(group, way);
    const verdict = ratio === undefined ? "not measured" : ratio.median <= most ? "yes" : "no";
    const what = chapter === "Start" ? `start of ${title}: share of the C tool` : title;
    return [`${what}: ${way}`, most.toFixed(2), renderRatio(ratio), verdict];
  });
  return renderTable([["what", "at most", "measured", "held"], ...rows]);
}

/** The page. */
export function renderPage(run: Run): string {
  const chapters = run.chapters.map(({ title, about, groups }) =>
    [`## ${title}`, about, ...groups.map(renderGroup)].join("\n\n")
  );
  const [load, CPUs] = [run.setup["load"], run.setup["CPU"]].map((text) => parseFloat(text ?? "0"));
  const busy = load! > CPUs!
    ? ["The machine was busy with other things: the ratios tell more than the figures."]
    : [];
  const setup = renderTable([["setup", ""], ...Object.entries(run.setup)]);
  return `${
    [
      "# Performance",
      "Made by \`deno task bench\` from [one run](../bench/runs/performance.json); do not edit. In every round each way is " +
      "measured once, beginning with another one each time, and what is compared are the neighbours of a round: " +
      "the median, and in brackets what a quarter of the rounds is below and above.",
      setup,
      ...busy,
      renderLimits(run),
      ...chapters,
      "## Measure again",
      "\`deno task bench\` as root, on Debian 12 after \`deno task setup\`, takes some four minutes; \`--quick\` less, and keeps nothing.",
    ].join("\n\n")
  }\n`;
}
