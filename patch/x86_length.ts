/**
 * The lengths of x86-64 instructions, and which of them mean the same at another address.
 *
 * @module
 */

/**
 * How each opcode goes on: one letter for each of 256, 16 a row. The C code is given the same tables
 * (scripts/native/opcodes_header.ts).
 *
 * `.` nothing, `m` ModRM, `b` 8 bits, `w` 16 bits, `z` 32 bits (16 with 66), `B` and `Z` ModRM and
 * these, `r` and `R` a distance of 8 and 32 bits, `q` 32 bits (64 with REX.W), `o` an address of 64 bits,
 * `i` 24 bits, `g` and `G` ModRM and, where its reg is 0 or 1, 8 or 32 bits, `p` prefix, `e` escape,
 * `x` invalid in 64-bit mode.
 *
 * Source: Intel SDM volume 2, appendix A (opcode map).
 */
export const ONE_BYTE = "mmmmbzxxmmmmbzxe" + "mmmmbzxxmmmmbzxx" + "mmmmbzpxmmmmbzpx" +
  "mmmmbzpxmmmmbzpx" + "pppppppppppppppp" + "................" + "xxempppp" + "zZbB...." +
  "rrrrrrrrrrrrrrrr" + "BZxBmmmmmmmmmmmm" + "..........x....." + "oooo....bz......" +
  "bbbbbbbbqqqqqqqq" + "BBw.eeBZi.w..bx." + "mmmmxxx.mmmmmmmm" + "rrrrbbbbRRxr...." +
  "p.pp..gG......mm";

/** The opcodes behind 0F; see {@linkcode ONE_BYTE}. */
export const TWO_BYTE = "mmmmx.....x.xm.B" + "mmmmmmmmmmmmmmmm" + "mmmmxxxxmmmmmmmm" +
  "......x.exexxxxx" + "mmmmmmmmmmmmmmmm" + "mmmmmmmmmmmmmmmm" + "mmmmmmmmmmmmmmmm" +
  "BBBBmmm.mmxxmmmm" + "RRRRRRRRRRRRRRRR" + "mmmmmmmmmmmmmmmm" + "...mBmxx...mBmmm" +
  "mmmmmmmmmmBmmmmm" + "mmBmBBBm........" + "mmmmmmmmmmmmmmmm" + "mmmmmmmmmmmmmmmm" +
  "mmmmmmmmmmmmmmmm";

/**
 * Which general register each opcode may write: `m` the one in r/m, `r` the one in reg, `.` none, `*` any.
 * With a fixed register it is any.
 */
export const EFFECTS = "mm*r****mm*r****" + "mm*r****mm*r****" + "mm*r****mm*r****" +
  "mm*r****......**" + "****************" + "........********" + "***r*****r*r****" +
  "................" + "mm*m..**mm*r*r**" + ".***************" + "********..******" +
  "****************" + "mm****mm********" + "mmmm************" + "****************" +
  "****************";

/** The same behind 0F. */
export const EFFECTS_0F = "****************" + "********.*****.." + "****************" +
  "****************" + "rrrrrrrrrrrrrrrr" + "****************" + "****************" +
  "****************" + "................" + "mmmmmmmmmmmmmmmm" + "***************r" +
  "******rr******rr" + "****************" + "****************" + "****************" +
  "****************";

const MAX_LENGTH = 15;

/** One instruction. */
export interface Instruction {
  readonly length: number;
  /** The opcode; those behind 0F have 0x0f00 added, all others behind an escape are 0x10000. */
  readonly opcode: number;
  readonly rex: number;
  /** The byte behind the opcode, if it is ModRM; else -1. */
  readonly modrm: number;
  /** Whether a prefix other than REX stands before it. */
  readonly prefixed: boolean;
}

/** The bytes of ModRM with SIB and displacement. */
function addressLength(modrm: number, sib: number): number {
  const mod = modrm >> 6;
  const rm = modrm & 7;
  if (mod === 3) return 1;
  const length = rm === 4 ? 2 : 1;
  if (mod === 1) return length + 1;
  if (mod === 2 || rm === 5) return length + 4;
  return rm === 4 && (sib & 7) === 5 ? length + 4 : length;
}

/** The instruction at an offset; undefined if there is none, or not all of it. */
export function decodeInstruction(code: Uint8Array, at: number): Instruction | undefined {
  const byte = (index: number) => code[index] ?? 0;
  let next = at;
  let rex = 0;
  let narrow = false;
  let prefixed = false;
  for (;; next++) {
    if (next - at >= MAX_LENGTH) return undefined;
    const prefix = byte(next);
    if (ONE_BYTE.charCodeAt(prefix) !== 0x70 /* p */) break;
    // A REX counts only right before the opcode.
    rex = 0;
    if ((prefix & 0xf0) === 0x40) rex = prefix;
    else {
      prefixed = true;
      narrow ||= prefix === 0x66;
    }
  }
  let opcode = byte(next++);
  let form = ONE_BYTE[opcode]!;
  if (opcode === 0x0f) {
    const second = byte(next++);
    opcode = 0x0f00 | second;
    form = TWO_BYTE[second]!;
    if (form === "e") {
      next++;
      opcode = 0x10000;
      form = second === 0x3a ? "B" : "m";
    }
  } else if (form === "e") {
    // VEX of two bytes has map 1; that of three and EVEX tell.
    const map = opcode === 0xc5 ? 1 : byte(next) & (opcode === 0xc4 ? 31 : 7);
    next += opcode === 0xc5 ? 1 : opcode === 0xc4 ? 2 : 3;
    const second = byte(next++);
    opcode = 0x10000;
    if (map === 1) form = TWO_BYTE[second] === "B" ? "B" : second === 0x77 ? "." : "m";
    else form = map === 3 ? "B" : map === 2 || map === 5 || map === 6 ? "m" : "x";
  }
  let modrm = -1;
  if ("mBZgG".includes(form)) {
    modrm = byte(next);
    next += addressLength(modrm, byte(next + 1));
  }
  const immediate = modrm !== -1 && ((modrm >> 3) & 7) < 2;
  switch (form) {
    case "x":
      return undefined;
    case "b":
    case "B":
    case "r":
      next += 1;
      break;
    case "w":
      next += 2;
      break;
    case "i":
      next += 3;
      break;
    case "z":
    case "Z":
      next += narrow ? 2 : 4;
      break;
    case "R":
      next += 4;
      break;
    case "q":
      next += (rex & 8) !== 0 ? 8 : narrow ? 2 : 4;
      break;
    case "o":
      next += 8;
      break;
    case "g":
      next += immediate ? 1 : 0;
      break;
    case "G":
      next += immediate ? (narrow ? 2 : 4) : 0;
      break;
  }
  if (next - at > MAX_LENGTH || next > code.length) return undefined;
  return { length: next - at, opcode, rex, modrm, prefixed };
}

/**
 * Whether an instruction does the same at another address, and leaves rcx, r11 and, if asked, rax alone:
 * moves and arithmetic between registers or with a constant, nothing that touches memory.
 */
export function isMovable(instruction: Instruction, keepRax: boolean): boolean {
  const { opcode, rex, modrm, prefixed } = instruction;
  if (prefixed || modrm < 0xc0) {
    // Without ModRM: `cmp $imm32,%rax`, which writes no register.
    return !prefixed && modrm === -1 && opcode === 0x3d;
  }
  const rm = (modrm & 7) | ((rex & 1) << 3);
  const reg = ((modrm >> 3) & 7) | ((rex & 4) << 1);
  const group = (modrm >> 3) & 7;
  let written: number;
  switch (opcode) {
    case 0x85: // test
    case 0x39: // cmp
    case 0x3b:
      return !isScratch(rm) && !isScratch(reg);
    case 0x89: // mov
    case 0x31: // xor
      if (isScratch(reg)) return false;
      written = rm;
      break;
    case 0x8b: // mov
    case 0x63: // movslq
      if (isScratch(rm)) return false;
      written = reg;
      break;
    case 0x81: // arithmetic with a constant; 7 is cmp
    case 0x83:
      if (group === 7) return !isScratch(rm);
      if (group === 2 || group === 3) return false;
      written = rm;
      break;
    case 0xc7: // mov
      if (group !== 0) return false;
      written = rm;
      break;
    default:
      return false;
  }
  return !isScratch(written) && !(keepRax && written === 0);
}

/** The registers that a system call overwrites: what is put in their place may use them. */
function isScratch(register: number): boolean {
  return register === 1 || register === 11;
}

/** Whether an instruction ends a straight line: what follows need not come from it. */
export function endsLine({ opcode }: Instruction): boolean {
  return opcode === 0xc3 || opcode === 0xc2 || opcode === 0xcc || opcode === 0xe9 ||
    opcode === 0xeb || opcode === 0xe8 || opcode === 0x0f0b || opcode === 0xf4 ||
    opcode === 0xff || opcode === 0x0f05;
}
