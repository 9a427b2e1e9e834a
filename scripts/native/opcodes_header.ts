/**
 * The C header with the tables of x86-64 opcodes of patch/x86_length.ts.
 *
 * @module
 */

import { EFFECTS, EFFECTS_0F, ONE_BYTE, TWO_BYTE } from "../../patch/x86_length.ts";

/** Renders `patch/opcodes.h`. */
export function renderOpcodesHeader(): string {
  const tables = { ONE_BYTE, TWO_BYTE, EFFECTS, EFFECTS_0F };
  const lines = Object.entries(tables).flatMap(([name, table]) => [
    `static const char ${name}[257] __attribute__((unused)) =`,
    ...(table.match(/.{64}/g) ?? []).map((row, index, rows) =>
      `\t"${row}"${index === rows.length - 1 ? ";" : ""}`
    ),
  ]);
  return [
    "/* Generated from patch/x86_length.ts by scripts/build_native.ts: do not edit. */",
    "/* clang-format off */",
    "#ifndef PATCH_OPCODES_H",
    "#define PATCH_OPCODES_H",
    "",
    ...lines,
    "",
    "#endif",
    "",
  ].join("\n");
}
