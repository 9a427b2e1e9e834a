/**
 * What another version of mptcpize would have loaded.
 *
 * @module
 */

import { type Key, resolveSpec } from "../../bpf/cgroups.ts";
import { type Place, soften } from "../../bpf/loading.ts";
import { MAPS, PROGRAMS } from "../../bpf/object.ts";
import { folderOf, pinAll, PinFolder, PinnedSet } from "../../bpf/pins.ts";
import { readRecords, readSettings, writeRecord, writeSettings } from "../../bpf/records.ts";
import type { TargetSpec } from "../../bpf/types.ts";
import { attachTracing } from "../../ffi/bpf.ts";
import { BpfObject } from "../../ffi/libbpf.ts";

/** Makes what is loaded look like another version's. */
export function pretendOlder(place: Place, change: { readonly version?: bigint } = {}): void {
  using set = PinnedSet.open(`${folderOf(place.bpffs)}/current`)!;
  const settings = { ...readSettings(set), digest: 1n, ...change };
  writeSettings(set.settings, settings, readRecords(set).values());
}

/** Loads programs whose maps have an older layout, with targets that counted so many softened options. */
export function attachOlder(
  place: Place,
  specs: readonly TargetSpec[],
  softened = 0n,
): void {
  using folder = PinFolder.lock(place.bpffs, true)!;
  const file = Deno.readFileSync(new URL("lib/older.bpf.o", import.meta.url));
  using object = new BpfObject(file, "mptcpize");
  if (!place.force) object.leaveOut(PROGRAMS.force);
  const { errno, log } = object.load();
  if (errno !== 0) throw new Error(`Cannot load older.bpf.o: ${errno} ${log}`);
  const made = folder.begin();
  pinAll(made, {
    targets: object.mapFd(MAPS.targets),
    names: object.mapFd(MAPS.names),
    settings: object.mapFd(MAPS.settings),
    soften: object.programFd(PROGRAMS.soften),
    ...place.force ? { force: object.programFd(PROGRAMS.force) } : {},
  });
  if (place.force) {
    using link = attachTracing(object.programFd(PROGRAMS.force));
    pinAll(made, { link });
  }
  folder.commit(false);
  using set = PinnedSet.open(folder.current)!;
  const records = specs.map((spec) => {
    const key: Key = resolveSpec(spec);
    const { level, path } = key.kind === "cgroup" ? key : { level: 0, path: "" };
    const counts = { seen: 0n, forced: 0n, softened, sinceMs: 1n };
    return { key, value: { ...counts, strict: spec.strict, level, path } };
  });
  for (const record of records) writeRecord(set, record);
  soften(set, records);
  const refused = (1n << 64n) - 1n;
  const settings = { version: 1n, digest: 1n, pernetId: 0n, refused, token: 0n, device: 0n };
  writeSettings(set.settings, settings, records);
}
