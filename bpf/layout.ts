/**
 * The keys and values of the maps, as `mptcpify.h` declares them.
 *
 * @module
 */

import { FormatError } from "../errors.ts";

/** What the maps look like; an older layout is one with shorter values. */
export const LAYOUT_VERSION = 2n;

/** Levels of cgroups that the programs look at: 0, the root, to 63. */
export const LEVELS = 64;
/** The level of a target where it could not be told: all levels are looked at. */
export const UNKNOWN_LEVEL = 255;
/** Bytes of a target. */
export const TARGET_SIZE = 1064;
/** Bytes of the settings. */
export const SETTINGS_SIZE = 64;
/** Bytes of a process name, with its NUL. */
export const NAME_SIZE = 16;
const PATH_OFFSET = 40;
const PATH_SIZE = TARGET_SIZE - PATH_OFFSET;

/** `struct target`. */
export interface TargetValue {
  readonly seen: bigint;
  readonly forced: bigint;
  readonly softened: bigint;
  readonly sinceMs: bigint;
  readonly strict: boolean;
  readonly level: number;
  /** Empty for a name. */
  readonly path: string;
}

/**
 * Reads a target.
 *
 * Layout: seen, forced, softened, since_ms (8 bytes each), strict, level (4 each), path[1024] with a
 * NUL behind it; little endian, 1064 bytes.
 *
 * @throws {FormatError} when it has another size
 */
export function decodeTarget(bytes: Uint8Array<ArrayBuffer>): TargetValue {
  if (bytes.length !== TARGET_SIZE) {
    throw new FormatError(
      `Cannot read a target: it has ${bytes.length} bytes, ${TARGET_SIZE} are wanted`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const path = bytes.subarray(PATH_OFFSET);
  const end = path.indexOf(0);
  return {
    seen: view.getBigUint64(0, true),
    forced: view.getBigUint64(8, true),
    softened: view.getBigUint64(16, true),
    sinceMs: view.getBigUint64(24, true),
    strict: view.getUint32(32, true) !== 0,
    level: view.getUint32(36, true),
    path: new TextDecoder().decode(end === -1 ? path : path.subarray(0, end)),
  };
}

/**
 * Writes a target; layout as in {@linkcode decodeTarget}.
 *
 * @throws {RangeError} when the path has more than 1023 bytes
 */
export function encodeTarget(target: TargetValue): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(TARGET_SIZE);
  const view = new DataView(bytes.buffer);
  const path = new TextEncoder().encode(target.path);
  if (path.length >= PATH_SIZE) throw new RangeError(`${target.path} has ${path.length} bytes`);
  view.setBigUint64(0, target.seen, true);
  view.setBigUint64(8, target.forced, true);
  view.setBigUint64(16, target.softened, true);
  view.setBigUint64(24, target.sinceMs, true);
  view.setUint32(32, target.strict ? 1 : 0, true);
  view.setUint32(36, target.level, true);
  bytes.set(path, PATH_OFFSET);
  return bytes;
}

/** The bits by which may_be_name() of mptcpify.bpf.c passes over other names. */
function nameBits(names: readonly string[]): bigint {
  return names.reduce((mask, name) => {
    const [one = 0, two = 0, three = 0, four = 0] = encodeName(name);
    return mask | 1n << BigInt((one ^ two << 1 ^ three << 2 ^ four << 3) & 63);
  }, 0n);
}

/** `struct settings`, but for what is made from the targets. */
export interface Settings {
  /** {@linkcode LAYOUT_VERSION} of who loaded the program. */
  readonly version: bigint;
  /** The start of the SHA-256 of the object that is loaded. */
  readonly digest: bigint;
  /** The address of `mptcp_pernet_id` in the kernel; 0 where it is not known. */
  readonly pernetId: bigint;
  /** Bit n: TCP takes advisory option n and MPTCP refuses it. */
  readonly refused: bigint;
  /** Another number after each change of the targets; 0 where there is none. */
  readonly token: bigint;
  /** The device of the bpffs that the programs are pinned in. */
  readonly device: bigint;
}

/**
 * Reads the settings.
 *
 * Layout: version, levels, refused, pernet_id, names, digest, token, device; 8 bytes each, little endian.
 *
 * @throws {FormatError} when they have another size
 */
export function decodeSettings(bytes: Uint8Array<ArrayBuffer>): Settings {
  if (bytes.length !== SETTINGS_SIZE) {
    throw new FormatError(
      `Cannot read the settings: they have ${bytes.length} bytes, ${SETTINGS_SIZE} are wanted`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return {
    version: view.getBigUint64(0, true),
    refused: view.getBigUint64(16, true),
    pernetId: view.getBigUint64(24, true),
    digest: view.getBigUint64(40, true),
    token: view.getBigUint64(48, true),
    device: view.getBigUint64(56, true),
  };
}

/**
 * Writes the settings, with the levels that the program looks at; layout as in {@linkcode decodeSettings}.
 *
 * @param levels of the targets that are cgroups
 * @param names of the targets that go by a name
 */
export function encodeSettings(
  settings: Settings,
  levels: readonly number[],
  names: readonly string[],
): Uint8Array<ArrayBuffer> {
  const mask = levels.reduce(
    (mask, level) => mask | (level < LEVELS ? 1n << BigInt(level) : 0xffff_ffff_ffff_ffffn),
    0n,
  );
  const { version, refused, pernetId, digest, token, device } = settings;
  const words = [version, mask, refused, pernetId, nameBits(names), digest, token, device];
  return new Uint8Array(new BigUint64Array(words).buffer);
}

/** The key of a cgroup. */
export function encodeId(id: bigint): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new BigUint64Array([id]).buffer);
}

/** The cgroup of a key. */
export function decodeId(key: Uint8Array<ArrayBuffer>): bigint {
  return new DataView(key.buffer, key.byteOffset).getBigUint64(0, true);
}

/**
 * The key of a process name.
 *
 * @throws {RangeError} when it has more than 15 bytes
 */
export function encodeName(name: string): Uint8Array<ArrayBuffer> {
  const bytes = new TextEncoder().encode(name);
  if (bytes.length >= NAME_SIZE) throw new RangeError(`${name} has ${bytes.length} bytes`);
  const key = new Uint8Array(NAME_SIZE);
  key.set(bytes);
  return key;
}

/** The process name of a key. */
export function decodeName(key: Uint8Array<ArrayBuffer>): string {
  const end = key.indexOf(0);
  return new TextDecoder().decode(end === -1 ? key : key.subarray(0, end));
}
