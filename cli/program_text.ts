/**
 * What a program file is, in words.
 *
 * @module
 */

import type { Program } from "../mod.ts";

/** One line on what a file is. */
export function describeProgram(program: Program): string {
  const traits = [];
  if (program.unreadable) traits.push("unreadable program");
  if (program.script !== undefined) {
    const { interpreter, argument } = program.script;
    traits.push(`script of ${interpreter}${argument === undefined ? "" : ` ${argument}`}`);
  } else if (program.format === "unknown" && !program.unreadable) {
    traits.push("text without #!, run by /bin/sh");
  }
  const { elf, go } = program;
  if (elf !== undefined) {
    const kind = elf.interpreter === undefined ? "static" : "dynamic";
    const language = go === undefined ? "" : " Go";
    traits.push(`${kind}${language} program for ${elf.machine}`);
    if (go !== undefined) traits.push(go.version);
    if (elf.interpreter !== undefined) {
      traits.push(elf.libc === "unknown" ? elf.interpreter : `${elf.libc} (${elf.interpreter})`);
    }
    if (go?.defaultGodebug !== undefined) traits.push(`built with GODEBUG ${go.defaultGodebug}`);
  }
  if (program.setUid) traits.push("set-user-ID");
  if (program.setGid) traits.push("set-group-ID");
  if (program.fileCapabilities) traits.push("file capabilities");
  return traits.join(", ");
}
