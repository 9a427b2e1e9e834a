/**
 * Whether the method `patch` works here: tried on a static program of a few instructions.
 *
 * @module
 */

import { MptcpizeError } from "../errors.ts";
import { openMemory } from "../ffi/libc.ts";
import { findPatcher, patcherWords } from "../patch/mod.ts";

/** How the trial went. */
export interface PatchTrial {
  /** Whether the socket of the program was MPTCP; undefined when it could not be started. */
  readonly patched: boolean | undefined;
  /** Why not, as a clause without a final period. */
  readonly failure?: string;
}

/**
 * Code that asks for a TCP socket over IPv4, and exits with 0 if SO_PROTOCOL of it is 262, else with 1.
 *
 * Layout: of aarch64, words: the arguments in x0 to x2, the number in x8, `svc #0`; 198 socket, 209
 * getsockopt, 93 exit. Of x86_64: edi, esi, edx, r10, r8, the number in eax, `syscall`; 41, 55, 60.
 */
const PROGRAMS = {
  x86_64: {
    machine: 62, // EM_X86_64
    code: "bf02000000be0100000031d2b8290000000f05" +
      "89c7be01000000ba260000004c8d5424f04c8d4424f841c70004000000b8370000000f05" +
      "31ff817c24f006010000400f95c7b83c0000000f05",
  },
  aarch64: {
    machine: 183, // EM_AARCH64
    code: "400080d2210080d2020080d2c81880d2010000d4" +
      "210080d2c20480d2e34300d1e42300d185008052850000b9281a80d2010000d4" +
      "600040b9c12080521f00016be0079f1aa80b80d2010000d4",
  },
} as const;

const ADDRESS = 0x400000n;
const HEADERS_SIZE = 64 + 56;

/**
 * A static program.
 *
 * Layout: `Elf64_Ehdr`: u16 type 16, machine 18; u32 version 20; u64 entry 24, program headers 32; u16 own size
 * 52, size of a program header 54, their number 56. `Elf64_Phdr` at 64: u32 type, flags; u64 offset, address,
 * physical address, size in the file and in memory, alignment. Source: elf(5).
 */
export function trialProgram(arch: keyof typeof PROGRAMS): Uint8Array<ArrayBuffer> {
  const { machine, code } = PROGRAMS[arch];
  const size = HEADERS_SIZE + code.length / 2;
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // ELFCLASS64, ELFDATA2LSB, EV_CURRENT
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, machine, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, ADDRESS + BigInt(HEADERS_SIZE), true);
  view.setBigUint64(32, 64n, true);
  [64, 56, 1].forEach((value, index) => view.setUint16(52 + 2 * index, value, true));
  view.setUint32(64, 1, true); // PT_LOAD
  view.setUint32(68, 5, true); // PF_R | PF_X
  [0n, ADDRESS, ADDRESS, BigInt(size), BigInt(size), 0x1000n]
    .forEach((value, index) => view.setBigUint64(72 + 8 * index, value, true));
  bytes.set(Uint8Array.fromHex(code), HEADERS_SIZE);
  return bytes;
}

/** Starts a program of ours, which lies in memory alone, patched, and hears from it what its socket was. */
export function tryPatch(): PatchTrial {
  try {
    using memory = openMemory("mptcpize-trial");
    const path = `/proc/${Deno.pid}/fd/${memory.number}`;
    Deno.writeFileSync(path, trialProgram(Deno.build.arch));
    const file = new TextEncoder().encode(path);
    const name = new TextEncoder().encode("trial");
    const patcher = findPatcher();
    const words = patcherWords({
      patcher,
      image: file,
      path: file,
      words: [name],
      debug: false,
      strict: false,
    });
    const { code, stderr } = new Deno.Command(patcher, {
      args: words.slice(1).map((word) => new TextDecoder().decode(word)),
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).outputSync();
    // "mptcpize: PROGRAM stays TCP: REASON", or why it is not executed.
    const said = new TextDecoder().decode(stderr).trim().replace(/^mptcpize: .* stays TCP: /, "");
    return {
      patched: code > 1 ? undefined : code === 0,
      ...(said !== "" && { failure: said }),
    };
  } catch (error) {
    if (!(error instanceof MptcpizeError)) throw error;
    return { patched: undefined, failure: error.message };
  }
}
