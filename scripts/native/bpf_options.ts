/**
 * What the BPF program and its loader know of advisory options, from `preload/options.json`: the rules
 * as a C header, and as a list what the loader asks the kernel about each.
 *
 * @module
 */

import { socketOptionLevels, socketOptions } from "../../preload/options.ts";
import { constant, INT_MAX, INT_MIN, literal } from "./options_header.ts";

/** The place of each is its bit in the program's mask. */
const ADVISORY = socketOptions.filter(({ kind }) => kind === "advisory");

/** The text of `bpf/options.h`: one line for each advisory option. */
export function renderBpfOptionsHeader(): string {
  const lines = ADVISORY.map((option, index) => {
    const { rule = { length: "int" } } = option;
    const values = [
      index,
      socketOptionLevels[option.level],
      option.number,
      constant("LENGTH", rule.length),
      constant("STORE", rule.store ?? "same"),
      rule.standsForDefault === undefined ? 0 : 1,
      literal(rule.standsForDefault ?? 0),
      literal(rule.min ?? INT_MIN),
      literal(rule.max ?? INT_MAX),
    ];
    return `    X(${values.join(", ")}) /* ${option.name} */`;
  });
  return `/* Generated from preload/options.json by scripts/build_native.ts: change it there. */
#ifndef MPTCPIFY_OPTIONS_H
#define MPTCPIFY_OPTIONS_H

/* clang-format off */
enum { INT_MIN = -2147483647 - 1, INT_MAX = 2147483647 };
/* index, level, number, length, store, has_stand_in, stand_in, min, max */
#define ADVISORY_OPTIONS(X) \\
${lines.join(" \\\n")}
/* clang-format on */
#endif
`;
}

/** The text of `bpf/options.json`: which value a fresh socket takes of each advisory option. */
export function renderBpfOptionsList(): string {
  const list = ADVISORY.map((option) => ({
    name: option.name,
    level: socketOptionLevels[option.level],
    number: option.number,
    value: option.default ?? 1,
    // Newer kernels take on MPTCP what can be carried over to TCP.
    always: option.replay === undefined,
  }));
  return `${JSON.stringify(list, null, 2)}\n`;
}
