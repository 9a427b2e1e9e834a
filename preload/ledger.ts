/**
 * The ledger of a reported run: memory in which the reporting library writes down each socket of the run
 * as it was last seen (ledger.h), and which is read here.
 *
 * @module
 */

import type { Fd } from "../ffi/fd.ts";
import { openMemory } from "../ffi/libc.ts";

const MAGIC = 0x317265676465n;
const HEADER_SIZE = 4096;
const SLOTS = 1024;
const SLOT_SIZE = 4096;
const FIRST_SLOT = HEADER_SIZE + 4 * SLOTS;
const SIZE = FIRST_SLOT + SLOTS * SLOT_SIZE;
const SLOT_FILLED = 2;

/** What one socket answered, as bytes; empty where it did not. */
export interface LedgerSocket {
  readonly inode: number;
  readonly pid: number;
  /** Its address family and protocol, by number. */
  readonly family: number;
  readonly protocol: number;
  readonly listens: boolean;
  readonly local: Uint8Array;
  readonly remote: Uint8Array;
  /** `struct mptcp_info`, or the errno for it. */
  readonly info: { readonly bytes: Uint8Array; readonly errno: number };
  /** What TCP_USER_TIMEOUT answered where MPTCP_INFO did not: 0 or an errno. */
  readonly userTimeoutErrno: number;
  /** `struct tcp_info`. */
  readonly tcpInfo: Uint8Array;
  /** The answer to MPTCP_SUBFLOW_ADDRS. */
  readonly subflowAddresses: Uint8Array;
  /** The answer to MPTCP_TCPINFO. */
  readonly subflowTcpInfos: Uint8Array;
}

/** What was counted in all processes of a run. */
export interface LedgerCounts {
  /** Programs in which the reporting library was loaded, each exec counted. */
  readonly processes: number;
  /** Sockets that were asked for as TCP. */
  readonly made: number;
  /** Of these, made as MPTCP. */
  readonly forced: number;
  /** Of these, put back to TCP for an option that only TCP has. */
  readonly returned: number;
  /** Why the kernel last refused one: an errno, or 0. */
  readonly refusal: number;
  /** Sockets for which there was no room. */
  readonly lost: number;
}

/**
 * Parses a slot.
 *
 * Layout: `struct slot` of ledger.h, little-endian: u64 inode 0; u32 pid 8, family 12, protocol 16, listens
 * 20; i32 info_errno 24, user_timeout_errno 28; u32 lengths of local 32, remote 36, info 40, tcp 44,
 * addresses 48, tcps 52; the bytes of local from 64, remote 96, info 128, tcp 256, addresses 512, tcps 2320.
 */
export function parseSlot(bytes: Uint8Array): LedgerSocket {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const u32 = (at: number) => view.getUint32(at, true);
  const part = (length: number, from: number, room: number) =>
    bytes.subarray(from, from + Math.min(u32(length), room));
  return {
    inode: Number(view.getBigUint64(0, true)),
    pid: u32(8),
    family: u32(12),
    protocol: u32(16),
    listens: u32(20) !== 0,
    local: part(32, 64, 32),
    remote: part(36, 96, 32),
    info: { bytes: part(40, 128, 128), errno: view.getInt32(24, true) },
    userTimeoutErrno: view.getInt32(28, true),
    tcpInfo: part(44, 256, 256),
    subflowAddresses: part(48, 512, 1808),
    subflowTcpInfos: part(52, 2320, 1472),
  };
}

/** A ledger that this process made; closed by `using`. */
export class Ledger implements Disposable {
  readonly #memory: Fd;
  readonly #file: Deno.FsFile;
  #taken = 0;

  private constructor(memory: Fd, file: Deno.FsFile) {
    this.#memory = memory;
    this.#file = file;
  }

  /**
   * Makes an empty one. All its memory is there at once: a program that writes into it can never run out.
   *
   * @throws {SyscallError} when there is no memory for it
   */
  static open(): Ledger {
    const memory = openMemory("mptcpize-report");
    const file = Deno.openSync(`/proc/self/fd/${memory.number}`, { read: true, write: true });
    const ledger = new Ledger(memory, file);
    const empty = new Uint8Array(SIZE);
    new DataView(empty.buffer).setBigUint64(0, MAGIC, true);
    ledger.#write(0, empty);
    return ledger;
  }

  /** Where the library finds it, as MPTCPIZE_REPORT says it: process, descriptor, inode. */
  get place(): string {
    const { number } = this.#memory;
    return `${Deno.pid}:${number}:${Deno.statSync(`/proc/self/fd/${number}`).ino}`;
  }

  #write(at: number, bytes: Uint8Array): void {
    this.#file.seekSync(at, Deno.SeekMode.Start);
    for (let rest = bytes; rest.length > 0;) rest = rest.subarray(this.#file.writeSync(rest));
  }

  #read(at: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.#file.seekSync(at, Deno.SeekMode.Start);
    let filled = 0;
    while (filled < length) {
      const read = this.#file.readSync(bytes.subarray(filled));
      if (read === null) break;
      filled += read;
    }
    return bytes;
  }

  /** What was counted so far. */
  counts(): LedgerCounts {
    const view = new DataView(this.#read(0, 64).buffer);
    const count = (index: number) => Number(view.getBigUint64(8 * index, true));
    return {
      processes: count(1),
      made: count(2),
      forced: count(3),
      returned: count(4),
      refusal: count(5),
      lost: count(7),
    };
  }

  /** Takes what was written down since the last time, and makes room; the order means nothing. */
  take(): LedgerSocket[] {
    const written = Number(new DataView(this.#read(48, 8).buffer).getBigUint64(0, true));
    if (written === this.#taken) return [];
    const states = new DataView(this.#read(HEADER_SIZE, 4 * SLOTS).buffer);
    const sockets: LedgerSocket[] = [];
    for (let slot = 0; slot < SLOTS; slot++) {
      if (states.getUint32(4 * slot, true) !== SLOT_FILLED) continue;
      sockets.push(parseSlot(this.#read(FIRST_SLOT + slot * SLOT_SIZE, SLOT_SIZE)));
      this.#write(HEADER_SIZE + 4 * slot, new Uint8Array(4));
    }
    this.#taken += sockets.length;
    return sockets;
  }

  /** Closes it; a second time does nothing. Programs that still write into it do not notice. */
  [Symbol.dispose](): void {
    this.#memory[Symbol.dispose]();
    try {
      this.#file.close();
    } catch {
      // Closed already.
    }
  }
}
