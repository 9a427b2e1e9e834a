/**
 * `launcher/new_environment.h` from the table in `force/notes.ts`.
 *
 * @module
 */

import { NEW_ENVIRONMENT_NAMES } from "../../force/notes.ts";

/** The text of `new_environment.h`: the names, each with a NUL behind, and one more at the end. */
export function renderNewEnvironmentHeader(): string {
  const names = NEW_ENVIRONMENT_NAMES.map((name) => `\t${JSON.stringify(name)} "\\0"`);
  return `/* Generated from force/notes.ts by scripts/build_native.ts: change it there. */
#ifndef LAUNCHER_NEW_ENVIRONMENT_H
#define LAUNCHER_NEW_ENVIRONMENT_H

/* clang-format off */
#define NEW_ENVIRONMENT_NAMES \\
${names.join(" \\\n")}
/* clang-format on */

#endif
`;
}
