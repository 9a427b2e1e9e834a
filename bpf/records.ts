/**
 * The targets as the maps hold them.
 *
 * @module
 */

import { deleteElement, listKeys, lookUpElement, readMapInfo, updateElement } from "../ffi/bpf.ts";
import { type Key, readId, ROOT_ID } from "./cgroups.ts";
import {
  decodeId,
  decodeName,
  decodeSettings,
  decodeTarget,
  encodeId,
  encodeName,
  encodeSettings,
  encodeTarget,
  NAME_SIZE,
  type Settings,
  SETTINGS_SIZE,
  TARGET_SIZE,
  type TargetValue,
} from "./layout.ts";
import type { PinnedSet } from "./pins.ts";
import type { Target } from "./types.ts";

/** A target with its key. */
export interface Record {
  readonly key: Key;
  readonly value: TargetValue;
}

/** One word for a key, the same for equal ones. */
export function wordOf(key: Key): string {
  return key.kind === "name" ? `name ${key.name}` : `cgroup ${key.id}`;
}

/** The targets that are cgroups; none where the map is a newer version's. */
export function readCgroupRecords(map: PinnedSet["targets"]): Record[] {
  if (readMapInfo(map).valueSize > TARGET_SIZE) return [];
  const records: Record[] = [];
  for (const bytes of listKeys(map, 8)) {
    const found = lookUpElement(map, bytes, TARGET_SIZE);
    if (found === undefined) continue; // Removed meanwhile.
    const value = decodeTarget(found);
    const { level, path } = value;
    records.push({ key: { kind: "cgroup", id: decodeId(bytes), level, path }, value });
  }
  return records;
}

/** All targets, by the words of their keys: cgroups by their paths, then names. */
export function readRecords(set: PinnedSet): Map<string, Record> {
  const records = readCgroupRecords(set.targets);
  for (const bytes of listKeys(set.names, NAME_SIZE)) {
    const found = lookUpElement(set.names, bytes, TARGET_SIZE);
    if (found === undefined) continue;
    records.push({ key: { kind: "name", name: decodeName(bytes) }, value: decodeTarget(found) });
  }
  const place = ({ key }: Record) => key.kind === "name" ? `1${key.name}` : `0${key.path}`;
  records.sort((a, b) => place(a) < place(b) ? -1 : 1);
  return new Map(records.map((record) => [wordOf(record.key), record]));
}

/** Writes a target, new or not. */
export function writeRecord(set: PinnedSet, { key, value }: Record): void {
  const bytes = encodeTarget(value);
  if (key.kind === "name") updateElement(set.names, encodeName(key.name), bytes);
  else updateElement(set.targets, encodeId(key.id), bytes);
}

/** Removes a target; one that is not there is no error. */
export function deleteRecord(set: PinnedSet, key: Key): void {
  if (key.kind === "name") deleteElement(set.names, encodeName(key.name));
  else deleteElement(set.targets, encodeId(key.id));
}

/** Whether the cgroup of a target is no more. */
export function isGone(key: Key): boolean {
  return key.kind === "cgroup" && key.id !== ROOT_ID && readId(key.path) !== key.id;
}

/** A target for the caller. */
export function describe({ key, value }: Record): Target {
  const { strict, seen, forced, softened, sinceMs } = value;
  const counted = {
    strict,
    since: new Date(Number(sinceMs)),
    socketsSeen: seen,
    socketsForced: forced,
    optionsSoftened: softened,
    gone: isGone({ ...key }),
  };
  if (key.kind === "name") return { kind: "comm", name: key.name, ...counted };
  const kind = key.id === ROOT_ID ? "all" : "cgroup";
  return { kind, id: key.id, path: key.path, ...counted };
}

const ONLY_KEY = new Uint8Array(4);

/** Reads the settings. */
export function readSettings({ settings }: Pick<PinnedSet, "settings">): Settings {
  return decodeSettings(lookUpElement(settings, ONLY_KEY, SETTINGS_SIZE)!);
}

/**
 * Writes the settings as these targets want them; from then on the programs go by the targets.
 *
 * The token last: what a program remembers under it, it has looked up in what was written before.
 */
export function writeSettings(
  map: PinnedSet["settings"],
  settings: Settings,
  records: Iterable<Record>,
): void {
  const keys = [...records].map(({ key }) => key);
  const levels = keys.flatMap((key) => key.kind === "cgroup" ? [key.level] : []);
  const names = keys.flatMap((key) => key.kind === "name" ? [key.name] : []);
  const write = (token: bigint) => {
    const bytes = encodeSettings({ ...settings, token }, levels, names);
    updateElement(map, ONLY_KEY, bytes);
  };
  write(settings.token);
  write(keys.length === 0 ? 0n : crypto.getRandomValues(new BigUint64Array(1))[0]! | 1n);
}
