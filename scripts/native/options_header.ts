/**
 * `preload/options.h` from `preload/options.json`.
 *
 * @module
 */

import { type SocketOption, socketOptionLevels, socketOptions } from "../../preload/options.ts";

/** The least int of C. */
export const INT_MIN = -2147483648;
/** The greatest int of C. */
export const INT_MAX = 2147483647;

/** `boolean` → `STORE_BOOLEAN`, `byteOrNothing` → `LENGTH_BYTE_OR_NOTHING`. */
export function constant(prefix: string, word: string): string {
  return `${prefix}_${word.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** INT_MIN itself is no C literal. */
export function literal(value: number): string {
  return value === INT_MIN ? "INT_MIN" : value === INT_MAX ? "INT_MAX" : `${value}`;
}

function renderOption(option: SocketOption): string {
  const { rule = { length: "int" }, replay = 0 } = option;
  const fields: Record<string, string> = {
    level: `${socketOptionLevels[option.level]}`,
    number: `${option.number}`,
    kind: constant("KIND", option.kind),
    replay: `${replay}`,
  };
  if (option.kind === "advisory") {
    Object.assign(fields, {
      length: constant("LENGTH", rule.length),
      store: constant("STORE", rule.store ?? "same"),
      late: option.late ? "1" : "0",
      readable: option.default === null ? "0" : "1",
      has_stand_in: rule.standsForDefault === undefined ? "0" : "1",
      stand_in: literal(rule.standsForDefault ?? 0),
      initial: literal(option.default ?? 0),
      min: literal(rule.min ?? INT_MIN),
      max: literal(rule.max ?? INT_MAX),
      floor: literal(rule.floor ?? INT_MIN),
      ceiling: literal(rule.ceiling ?? INT_MAX),
      mask: literal(rule.mask ?? -1),
    });
  }
  fields.name = JSON.stringify(option.name);
  return `    {${
    Object.entries(fields).map(([name, value]) => `.${name} = ${value}`).join(", ")
  }},`;
}

/** The text of `options.h`. */
export function renderOptionsHeader(): string {
  const longest = Math.max(...socketOptions.map(({ name }) => name.length));
  return `/* Generated from options.json by scripts/build_native.ts: change it there. */
#ifndef MPTCPIZE_OPTIONS_H
#define MPTCPIZE_OPTIONS_H

/* clang-format off */
enum { INT_MIN = -2147483647 - 1, INT_MAX = 2147483647 };
enum option_kind { KIND_ADVISORY, KIND_ESSENTIAL, KIND_BUFFER, KIND_REPLAY };
enum option_length { LENGTH_INT, LENGTH_INT_OR_NOTHING, LENGTH_BYTE, LENGTH_BYTE_OR_NOTHING, LENGTH_RATE };
enum option_store { STORE_SAME, STORE_BOOLEAN, STORE_ZERO, STORE_WINDOW };

/* What each field says: options.ts. */
struct option {
    unsigned char level, number, kind, length, store, replay, late, readable, has_stand_in;
    int stand_in, initial, min, max, floor, ceiling, mask;
    char name[${longest + 1}]; /* in place: a pointer would need a relocation at each start */
};

static const struct option options[] = {
${socketOptions.map(renderOption).join("\n")}
};
/* clang-format on */
enum { OPTION_COUNT = ${socketOptions.length} };

#endif
`;
}
