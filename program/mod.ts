/**
 * What is this program file, and what does the kernel load for it?
 *
 * @module
 */

export { type CodeSegment, readCode } from "./code.ts";
export { type Elf } from "./elf.ts";
export { type GoBuild } from "./go.ts";
export { indexOfBytes, LAUNCHER_MARK } from "./launcher.ts";
export { imageOf, type Program } from "./program.ts";
export { findCommand, type FoundCommand, readProgram } from "./read.ts";
export { type ScriptLine } from "./script.ts";
export { nameAddresses } from "./symbols.ts";
