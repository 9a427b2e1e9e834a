/**
 * The tables of docs/options.md from `preload/options.json`.
 *
 * @module
 */

import {
  type SocketOption,
  type SocketOptionKind,
  type SocketOptionRule,
  socketOptions,
} from "../../preload/options.ts";

function renderValues(
  { length, min, max, standsForDefault, floor, ceiling, store, mask }: SocketOptionRule,
) {
  const parts: string[] = [];
  if (length === "rate") parts.push("32 or 64 bits");
  if (min !== undefined || max !== undefined) parts.push(`${min ?? "…"} to ${max ?? "…"}`);
  if (standsForDefault !== undefined) parts.push(`${standsForDefault} for the default`);
  if (floor !== undefined || ceiling !== undefined) {
    parts.push(`kept within ${floor ?? "…"} and ${ceiling ?? "…"}`);
  }
  if (mask !== undefined) parts.push(`kept but for the bits ${~mask & 0xff}`);
  if (store === "boolean") parts.push("kept as 0 or 1");
  if (store === "zero") parts.push("kept as 0");
  if (store === "window") parts.push("0 only before a connection; else at least 1152");
  return parts.length === 0 ? "any" : parts.join("; ");
}

function renderDefault({ default: value, sysctl }: SocketOption): string {
  const shown = value === null ? "not readable" : value === -1 ? "no limit" : `${value}`;
  return sysctl === undefined ? shown : `${shown} (\`${sysctl}\`)`;
}

function list(kind: SocketOptionKind): SocketOption[] {
  return socketOptions.filter((option) => option.kind === kind);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** The tables in their order: advisory, essential, buffers, carried over. */
export function renderOptionTables(): string[] {
  // One row for what has one reason.
  const reasons = Map.groupBy(list("essential"), ({ why }) => why);
  return [
    table(
      ["option", "values that TCP takes", "read if never set", "why ignoring it is harmless"],
      list("advisory").map((option) => [
        `\`${option.name}\``,
        renderValues(option.rule!),
        renderDefault(option),
        option.why,
      ]),
    ),
    table(
      ["option", "why it is never pretended"],
      [...reasons].map(([why, options]) => [
        options.map(({ name }) => `\`${name}\``).join(", "),
        why,
      ]),
    ),
    table(["option", "what is done"], list("buffer").map(({ name, why }) => [`\`${name}\``, why])),
    socketOptions.filter(({ replay }) => replay !== undefined).map(({ name }) => `\`${name}\``)
      .join(", "),
  ];
}

if (import.meta.main) console.log(renderOptionTables().join("\n\n"));
