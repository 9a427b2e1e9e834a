/**
 * bpf(2): maps, pins and what programs are attached to. Programs are loaded by `libbpf.ts`.
 *
 * Layout: `union bpf_attr` of include/uapi/linux/bpf.h @ v6.12, of which each command reads its own
 * struct, and refuses bytes behind it that are not 0.
 *
 * @module
 */

import { syscallError, tryCall } from "./call.ts";
import { Errno } from "./errno.ts";
import { Fd } from "./fd.ts";
import { addressOf, cString } from "./libc.ts";

const SYS_bpf = Deno.build.arch === "aarch64" ? 280n : 321n;
const ATTRIBUTE_SIZE = 128;

const BPF_MAP_LOOKUP_ELEM = 1;
const BPF_MAP_UPDATE_ELEM = 2;
const BPF_MAP_DELETE_ELEM = 3;
const BPF_MAP_GET_NEXT_KEY = 4;
const BPF_OBJ_PIN = 6;
const BPF_OBJ_GET = 7;
const BPF_PROG_ATTACH = 8;
const BPF_PROG_DETACH = 9;
const BPF_PROG_GET_NEXT_ID = 11;
const BPF_PROG_GET_FD_BY_ID = 13;
const BPF_MAP_GET_FD_BY_ID = 14;
const BPF_OBJ_GET_INFO_BY_FD = 15;
const BPF_PROG_QUERY = 16;
const BPF_LINK_CREATE = 28;

const BPF_CGROUP_SETSOCKOPT = 22;
const BPF_MODIFY_RETURN = 26;
const BPF_F_ALLOW_MULTI = 2;
const BPF_F_REPLACE = 4;

type Field = readonly [offset: number, value: number | bigint | Uint8Array<ArrayBuffer>];

/** One call: numbers are 32 bits wide, bigints 64, and of a buffer its address is passed. */
function tryBpf(
  command: number,
  ...fields: readonly Field[]
): { value: number; errno: number; view: DataView } {
  const attribute = new Uint8Array(ATTRIBUTE_SIZE);
  const view = new DataView(attribute.buffer);
  for (const [offset, value] of fields) {
    if (typeof value === "number") view.setUint32(offset, value, true);
    else view.setBigUint64(offset, typeof value === "bigint" ? value : addressOf(value), true);
  }
  // The kernel gets addresses, which keep nothing from being collected.
  kept[0] = [attribute, fields];
  const [address, size] = [addressOf(attribute), BigInt(ATTRIBUTE_SIZE)];
  return { ...tryCall("syscall", SYS_bpf, BigInt(command), address, size), view };
}

const kept: unknown[] = [];

function numberOf(object: Fd | number): number {
  return typeof object === "number" ? object : object.number;
}

function bpf(what: string, command: number, ...fields: readonly Field[]): number {
  const { value, errno } = tryBpf(command, ...fields);
  if (value === -1) throw syscallError(what, "bpf", errno);
  return value;
}

/**
 * Reads the value of a key; undefined if the map has no such key.
 *
 * @param size of a value, in bytes
 * @throws {SyscallError} with the errno of bpf(2)
 */
export function lookUpElement(
  map: Fd,
  key: Uint8Array<ArrayBuffer>,
  size: number,
): Uint8Array<ArrayBuffer> | undefined {
  const value = new Uint8Array(size);
  const result = tryBpf(BPF_MAP_LOOKUP_ELEM, [0, map.number], [8, key], [16, value]);
  if (result.value === 0) return value;
  if (result.errno === Errno.ENOENT) return undefined;
  throw syscallError("read a BPF map", "bpf", result.errno);
}

/**
 * Sets the value of a key, or of a new one.
 *
 * @throws {SyscallError} E2BIG when the map is full
 */
export function updateElement(
  map: Fd | number,
  key: Uint8Array<ArrayBuffer>,
  value: Uint8Array<ArrayBuffer>,
): void {
  bpf("write a BPF map", BPF_MAP_UPDATE_ELEM, [0, numberOf(map)], [8, key], [16, value]);
}

/**
 * Removes a key; one that is not there is no error.
 *
 * @throws {SyscallError} with the errno of bpf(2)
 */
export function deleteElement(map: Fd | number, key: Uint8Array<ArrayBuffer>): void {
  const { value, errno } = tryBpf(BPF_MAP_DELETE_ELEM, [0, numberOf(map)], [8, key]);
  if (value === -1 && errno !== Errno.ENOENT) {
    throw syscallError("remove from a BPF map", "bpf", errno);
  }
}

/**
 * The keys of a hash map, in no order.
 *
 * A map that changes meanwhile starts over when the last key has gone: keys may come twice.
 *
 * @throws {SyscallError} with the errno of bpf(2)
 */
export function listKeys(map: Fd | number, size: number): Uint8Array<ArrayBuffer>[] {
  const keys: Uint8Array<ArrayBuffer>[] = [];
  for (;;) {
    const next = new Uint8Array(size);
    const from: Field[] = keys.length === 0 ? [] : [[8, keys.at(-1)!]];
    const result = tryBpf(BPF_MAP_GET_NEXT_KEY, [0, numberOf(map)], ...from, [16, next]);
    if (result.value === 0) keys.push(next);
    else if (result.errno === Errno.ENOENT) return keys;
    else throw syscallError("list the keys of a BPF map", "bpf", result.errno);
  }
}

/**
 * Gives a program, map or link a name in a bpffs, under which it lives on.
 *
 * @throws {SyscallError} with the errno of bpf(2)
 */
export function pinObject(object: Fd | number, path: string): void {
  bpf(`pin ${path}`, BPF_OBJ_PIN, [0, cString(path)], [8, numberOf(object)]);
}

/** Opens what is pinned at a path; `errno` tells why not. */
export function openPin(path: string): Fd | { readonly errno: number } {
  const { value, errno } = tryBpf(BPF_OBJ_GET, [0, cString(path)]);
  return value === -1 ? { errno } : new Fd(value);
}

/** What the kernel says about a program. */
export interface BpfProgramInfo {
  /** Its name, at most 15 bytes. */
  readonly name: string;
  /** Its number; new ones are higher. */
  readonly id: number;
  /** 16 hexadecimal digits: a digest of its instructions. */
  readonly tag: string;
}

/** What the kernel says about a map. */
export interface BpfMapInfo {
  /** Its name, at most 15 bytes. */
  readonly name: string;
  /** Its number; new ones are higher. */
  readonly id: number;
  /** Bytes of a key. */
  readonly keySize: number;
  /** Bytes of a value. */
  readonly valueSize: number;
}

function readInfo(
  object: Fd | number,
  info: Uint8Array<ArrayBuffer>,
): DataView<ArrayBuffer> {
  const size = info.length;
  bpf("ask about a BPF object", BPF_OBJ_GET_INFO_BY_FD, [0, numberOf(object)], [4, size], [
    8,
    info,
  ]);
  return new DataView(info.buffer);
}

function readName(view: DataView<ArrayBuffer>, offset: number): string {
  const bytes = new Uint8Array(view.buffer, offset, 16);
  return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
}

/**
 * Asks about a program.
 *
 * Layout: `struct bpf_prog_info`, of which 80 bytes are read: type, id, tag[8], … name[16] at 64.
 *
 * @throws {SyscallError} with the errno of bpf(2)
 */
export function readProgramInfo(program: Fd | number): BpfProgramInfo {
  const view = readInfo(program, new Uint8Array(80));
  return {
    name: readName(view, 64),
    id: view.getUint32(4, true),
    tag: new Uint8Array(view.buffer, 8, 8).toHex(),
  };
}

/**
 * Asks about a map.
 *
 * Layout: `struct bpf_map_info`, of which 40 bytes are read: type, id, key_size, value_size,
 * max_entries, map_flags, name[16].
 *
 * @throws {SyscallError} with the errno of bpf(2)
 */
export function readMapInfo(map: Fd | number): BpfMapInfo {
  const view = readInfo(map, new Uint8Array(40));
  return {
    name: readName(view, 24),
    id: view.getUint32(4, true),
    keySize: view.getUint32(8, true),
    valueSize: view.getUint32(12, true),
  };
}

/**
 * Opens the programs of a name that are in the kernel; none where this user may not look for them.
 *
 * Needs: CAP_SYS_ADMIN.
 */
export function openProgramsNamed(name: string): Fd[] {
  const found: Fd[] = [];
  for (let id = 0;;) {
    const next = tryBpf(BPF_PROG_GET_NEXT_ID, [0, id]);
    if (next.value === -1) return found;
    id = next.view.getUint32(4, true);
    const { value } = tryBpf(BPF_PROG_GET_FD_BY_ID, [0, id]);
    if (value === -1) continue; // Unloaded meanwhile.
    const program = new Fd(value);
    if (readProgramInfo(program).name === name) found.push(program);
    else program[Symbol.dispose]();
  }
}

/**
 * Opens the maps of a program, at most 16 of them.
 *
 * Layout: `struct bpf_prog_info`: nr_map_ids at 52, the address of the array for them at 56.
 *
 * Needs: CAP_SYS_ADMIN.
 *
 * @throws {SyscallError} with the errno of bpf(2)
 */
export function openMapsOf(program: Fd): Fd[] {
  const ids = new Uint8Array(16 * 4);
  const info = new Uint8Array(80);
  const view = new DataView(info.buffer);
  view.setUint32(52, 16, true);
  view.setBigUint64(56, addressOf(ids), true);
  readInfo(program, info);
  return [...new Uint32Array(ids.buffer)].flatMap((id) => {
    if (id === 0) return [];
    const { value } = tryBpf(BPF_MAP_GET_FD_BY_ID, [0, id]);
    return value === -1 ? [] : [new Fd(value)];
  });
}

/**
 * Attaches a program of type fmod_ret to the function that it was loaded for, until the link is
 * closed and not pinned.
 *
 * @throws {SyscallError} with the errno of bpf(2)
 */
export function attachTracing(program: number): Fd {
  return new Fd(
    bpf("attach the BPF program", BPF_LINK_CREATE, [0, program], [8, BPF_MODIFY_RETURN]),
  );
}

/**
 * The numbers of the setsockopt programs that are attached to a cgroup itself, not to those above.
 *
 * @throws {SyscallError} with the errno of bpf(2)
 */
export function listSetsockoptPrograms(cgroup: Fd): number[] {
  for (let room = 64;; room *= 2) {
    const ids = new Uint8Array(room * 4);
    const attribute: Field[] = [[0, cgroup.number], [4, BPF_CGROUP_SETSOCKOPT], [16, ids]];
    const { value, errno } = tryBpf(BPF_PROG_QUERY, ...attribute, [24, room]);
    if (value === 0) return [...new Uint32Array(ids.buffer)].filter((id) => id !== 0);
    const ENOSPC = 28;
    if (errno !== ENOSPC) {
      throw syscallError("ask for the programs of a cgroup", "bpf", errno);
    }
  }
}

/**
 * Attaches a setsockopt program to a cgroup, beside what others attached, for as long as the cgroup
 * is there.
 *
 * @param replaced one that is attached and gives way in the same step
 * @throws {SyscallError} with the errno of bpf(2)
 */
export function attachSetsockopt(cgroup: Fd, program: Fd | number, replaced?: Fd): void {
  bpf(
    "attach the BPF program to a cgroup",
    BPF_PROG_ATTACH,
    [0, cgroup.number],
    [4, numberOf(program)],
    [8, BPF_CGROUP_SETSOCKOPT],
    [12, BPF_F_ALLOW_MULTI | (replaced === undefined ? 0 : BPF_F_REPLACE)],
    [16, replaced?.number ?? 0],
  );
}

/**
 * Detaches a setsockopt program from a cgroup.
 *
 * @throws {SyscallError} with the errno of bpf(2)
 */
export function detachSetsockopt(cgroup: Fd, program: Fd | number): void {
  bpf(
    "detach the BPF program from a cgroup",
    BPF_PROG_DETACH,
    [0, cgroup.number],
    [4, numberOf(program)],
    [8, BPF_CGROUP_SETSOCKOPT],
  );
}
