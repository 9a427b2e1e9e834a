/**
 * Where x86-64 code calls socket(2), or any call whose number is known only at run time.
 *
 * The same search as patch/x86_sites.c, result for result.
 *
 * @module
 */

import type { Site } from "./sites.ts";
import {
  decodeInstruction,
  EFFECTS,
  EFFECTS_0F,
  endsLine,
  type Instruction,
  isMovable,
} from "./x86_length.ts";

const SYS_socket = 41;
const SYSCALL_LENGTH = 2;
/** A jump with a distance of 32 bits. */
const JUMP_LENGTH = 5;
/** How far the number may be loaded before the call. */
const MAX_GAP = 16;
/** How far before a place decoding begins, to tell whether an instruction begins there. */
const FAR = 64;
const NEAR = 16;
const MIN_HITS = 12;
/** What a short jump reaches, and the instruction that follows. */
const SHORT_REACH = 144;
const LINE = 64;
/** More are taken as none, as with the sites of a whole program. */
const MAX_FOUND = 256;

/** Where decoding from the offset comes to or past the goal; undefined if it comes to nothing valid. */
function decodeUpTo(code: Uint8Array, from: number, goal: number): number | undefined {
  let at = from;
  while (at < goal) {
    const instruction = decodeInstruction(code, at);
    if (instruction === undefined) return undefined;
    at += instruction.length;
  }
  return at;
}

/**
 * Whether an instruction begins at an offset: decoding from many places before comes to it.
 *
 * Decoding from a wrong place soon falls into step with the code. In data it falls into none.
 */
function isBoundary(code: Uint8Array, at: number): boolean {
  let hits = 0;
  let misses = 0;
  for (let from = Math.max(0, at - FAR); from < at - NEAR; from++) {
    const reached = decodeUpTo(code, from, at);
    if (reached === at) hits++;
    else if (reached !== undefined) misses++;
  }
  return hits >= MIN_HITS && misses * 4 <= hits;
}

/** Whether what follows decodes to the end of its line, or far enough. */
function decodesOn(code: Uint8Array, from: number): boolean {
  for (let at = from; at < from + LINE;) {
    const instruction = decodeInstruction(code, at);
    if (instruction === undefined) return false;
    if (endsLine(instruction)) return true;
    at += instruction.length;
  }
  return true;
}

/** The instructions before a place, from where decoding falls into step with it. */
function* lineBefore(
  code: Uint8Array,
  at: number,
  reach: number,
): Generator<readonly [at: number, instruction: Instruction]> {
  let from = Math.max(0, at - reach);
  while (from < at && decodeUpTo(code, from, at) !== at) from++;
  while (from < at) {
    const instruction = decodeInstruction(code, from);
    if (instruction === undefined) return;
    yield [from, instruction];
    from += instruction.length;
  }
}

function int32(code: Uint8Array, at: number): number {
  return code[at]! | (code[at + 1]! << 8) | (code[at + 2]! << 16) | (code[at + 3]! << 24);
}

/** What is known of the 16 registers while code is followed in a straight line. */
type Constants = (number | undefined)[];

/** Follows one instruction; a register that it may write and is not known to is forgotten. */
function follow(known: Constants, code: Uint8Array, at: number, instruction: Instruction): void {
  const { opcode, rex, modrm, length } = instruction;
  const base = (rex & 1) << 3;
  const reg = ((modrm >> 3) & 7) | ((rex & 4) << 1);
  const rm = modrm < 0xc0 ? -1 : (modrm & 7) | base;
  const low = opcode & 0xff;
  if (endsLine(instruction)) known.fill(undefined);
  else if (opcode >= 0xb8 && opcode < 0xc0) {
    known[(opcode & 7) | base] = length < 9 ? int32(code, at + length - 4) : undefined;
  } else if (opcode === 0xc7 && rm !== -1) known[rm] = int32(code, at + length - 4);
  else if ((opcode === 0x31 || opcode === 0x33) && rm === reg) known[rm] = 0;
  else if (opcode === 0x89 && rm !== -1) known[rm] = known[reg];
  else if (opcode === 0x8b && rm !== -1) known[reg] = known[rm];
  else if (opcode < 0x100 ? EFFECTS[low] === "." : EFFECTS_0F[low] === ".") return;
  else if (opcode < 0x100 ? EFFECTS[low] === "m" : EFFECTS_0F[low] === "m") {
    if (rm !== -1) known[rm] = undefined;
    // Of a byte without REX: 4 to 7 are ah to bh.
    if (rm !== -1 && rex === 0) known[rm & 3] = undefined;
  } else if (opcode < 0x100 ? EFFECTS[low] === "r" : EFFECTS_0F[low] === "r") {
    known[reg] = undefined;
  } else known.fill(undefined);
}

/** Whether rax holds a number before a place that is not that of socket(2). */
function isOtherCall(code: Uint8Array, at: number): boolean {
  const known: Constants = new Array(16).fill(undefined);
  for (const [from, instruction] of lineBefore(code, at, FAR)) {
    follow(known, code, from, instruction);
  }
  return known[0] !== undefined && known[0] !== SYS_socket;
}

/** Whether a short jump leads between two offsets, both excluded: the first may be a target. */
function isJumpedInto(code: Uint8Array, site: number, end: number): boolean {
  const inside = (target: number) => target > site && target < end;
  for (const [at, { opcode, length }] of lineBefore(code, site, SHORT_REACH)) {
    if (isShortJump(opcode) && inside(at + length + (code[at + length - 1]! << 24 >> 24))) {
      return true;
    }
  }
  for (let at = end; at < end + SHORT_REACH;) {
    const instruction = decodeInstruction(code, at);
    if (instruction === undefined) break;
    at += instruction.length;
    if (isShortJump(instruction.opcode) && inside(at + (code[at - 1]! << 24 >> 24))) return true;
  }
  return false;
}

/**
 * The offsets that long jumps lead to, from wherever they are, even where no instruction begins; of
 * those between two bounds.
 */
function longJumpTargets(code: Uint8Array, from: number, to: number): number[] {
  const targets: number[] = [];
  for (let at = 0; at + 4 < code.length; at++) {
    const byte = code[at]!;
    const long = (byte & 0xfe) === 0xe8 ||
      (byte & 0xf0) === 0x80 && at > 0 && code[at - 1] === 0x0f;
    if (!long) continue;
    const target = at + 5 + int32(code, at + 1);
    if (target > from && target < to) targets.push(target);
  }
  return targets;
}

function isShortJump(opcode: number): boolean {
  return opcode >= 0x70 && opcode < 0x80 || opcode >= 0xe0 && opcode < 0xe4 || opcode === 0xeb;
}

/** A call of socket(2) whose number is loaded shortly before, at the load. */
function numberSite(code: Uint8Array, call: number): Site | undefined {
  for (let gap = 0; gap <= MAX_GAP; gap++) {
    const at = call - gap - JUMP_LENGTH;
    if (at < 0) return undefined;
    if (code[at] !== 0xb8 || int32(code, at + 1) !== SYS_socket) continue;
    let next = at + JUMP_LENGTH;
    while (next < call) {
      const instruction = decodeInstruction(code, next);
      if (instruction === undefined || !isMovable(instruction, true)) break;
      next += instruction.length;
    }
    if (next !== call || !isBoundary(code, at) || !decodesOn(code, call)) continue;
    return { at, call, end: call + SYSCALL_LENGTH, kind: "number" };
  }
  return undefined;
}

/** A call whose number is known only at run time, with what follows as far as a jump needs room. */
function registerSite(code: Uint8Array, call: number): Site | undefined {
  let end = call + SYSCALL_LENGTH;
  while (end < call + JUMP_LENGTH) {
    const instruction = decodeInstruction(code, end);
    if (instruction === undefined || !isMovable(instruction, false)) return undefined;
    end += instruction.length;
  }
  if (isOtherCall(code, call) || !isBoundary(code, call) || !decodesOn(code, end)) return undefined;
  if (isJumpedInto(code, call, end)) return undefined;
  return { at: call, call, end, kind: "register" };
}

/** The sites in a stretch of code, in order; offsets from its beginning. */
export function findX86Sites(code: Uint8Array): Site[] {
  const found: Site[] = [];
  for (let call = code.indexOf(0x0f); call !== -1; call = code.indexOf(0x0f, call + 1)) {
    if (code[call + 1] !== 0x05) continue;
    const site = numberSite(code, call) ?? registerSite(code, call);
    if (site !== undefined) found.push(site);
  }
  if (found.length > MAX_FOUND) return [];
  const targets = found.some(({ kind }) => kind === "register")
    ? longJumpTargets(code, found[0]!.at, found.at(-1)!.end)
    : [];
  let free = 0;
  return found.filter(({ at, end, kind }) => {
    if (at < free) return false;
    if (kind === "register" && targets.some((target) => target > at && target < end)) return false;
    free = end;
    return true;
  });
}
