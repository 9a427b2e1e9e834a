/**
 * That programs of another version give way, with their targets and without a gap; and that what stays
 * attached when pins are removed by hand is found again.
 *
 * @module
 */

import { deepStrictEqual, ok, strictEqual, throws } from "node:assert";
import { attachAt, detachAt } from "../../bpf/attach.ts";
import { rootPath } from "../../bpf/cgroups.ts";
import type { Place } from "../../bpf/loading.ts";
import { folderOf } from "../../bpf/pins.ts";
import { readStateAt } from "../../bpf/state.ts";
import { ConflictError } from "../../errors.ts";
import { openPin, pinObject } from "../../ffi/bpf.ts";
import { Fd } from "../../ffi/fd.ts";
import { Child } from "./child.ts";
import { attachOlder, pretendOlder } from "./older.ts";
import {
  canForce,
  Cgroup,
  cgroupSpec,
  countPrograms,
  OwnPlace,
  skipUnlessBpf,
  skipUnlessForce,
} from "./place.ts";

const BPF = skipUnlessBpf();
const SOFTENED = `[protocol(2, 1, ${canForce ? 0 : 262}), option(6, 18, 1)][1]`;

/** What `rm -r` does to all that is pinned. */
function removePins(place: Place): void {
  const folder = folderOf(place.bpffs);
  for (const { name } of Deno.readDirSync(`${folder}/current`)) {
    Deno.removeSync(`${folder}/current/${name}`);
  }
  Deno.removeSync(`${folder}/current`);
  Deno.removeSync(folder);
}

Deno.test({
  name: "attachTargets() takes over an older layout, with what is enrolled and counted in it",
  ...BPF,
  async fn() {
    using place = new OwnPlace();
    using one = new Cgroup("one");
    using two = new Cgroup("two");
    const name = { kind: "comm", name: "nobody", strict: true } as const;
    await using child = Child.start(one.path);
    attachOlder(place, [cgroupSpec(one), name], 5n);
    strictEqual(await child.ask(SOFTENED), "taken");
    strictEqual(readStateAt(place)!.current, false);
    const { upgraded, added, kept } = attachAt(place, [cgroupSpec(one), cgroupSpec(two)]);
    deepStrictEqual([upgraded, added.length, kept.length], [true, 1, 1]);
    strictEqual(await child.ask(SOFTENED), "taken");
    const { targets, current } = readStateAt(place)!;
    deepStrictEqual(
      targets.map(({ path, name, since, optionsSoftened }) =>
        [path ?? name, since.getTime() === 1, optionsSoftened] as const
      ),
      [[one.path, true, 7n], [two.path, false, 0n], ["nobody", true, 5n]],
    );
    strictEqual(current, true);
    deepStrictEqual([countPrograms(one.path), countPrograms(two.path)], [1, 1]);
    strictEqual(detachAt(place, [cgroupSpec(one), cgroupSpec(two), name]).unloaded, true);
    deepStrictEqual([countPrograms(one.path), countPrograms(two.path)], [0, 0]);
  },
});

Deno.test({
  name: "detachTargets() lets targets of an older layout go as they are",
  ...BPF,
  fn() {
    using place = new OwnPlace();
    using one = new Cgroup("one");
    using two = new Cgroup("two");
    attachOlder(place, [cgroupSpec(one), cgroupSpec(two)]);
    const first = detachAt(place, [cgroupSpec(one)]);
    deepStrictEqual([first.removed.length, first.unloaded], [1, false]);
    deepStrictEqual([countPrograms(one.path), countPrograms(two.path)], [0, 1]);
    strictEqual(detachAt(place, [cgroupSpec(two)]).unloaded, true);
    strictEqual(countPrograms(two.path), 0);
  },
});

Deno.test({
  name: "attachTargets() leaves a newer layout alone, and says whose it is",
  ...BPF,
  fn() {
    using place = new OwnPlace();
    using one = new Cgroup("one");
    attachAt(place, [cgroupSpec(one)]);
    pretendOlder(place, { version: 99n });
    throws(() => attachAt(place, [cgroupSpec(one)]), (error) => {
      ok(error instanceof ConflictError);
      strictEqual(
        error.message,
        "Cannot take over what a newer version of mptcpize has attached: its maps have layout 99, this one knows 2",
      );
      return true;
    });
    strictEqual(readStateAt(place)!.targets.length, 1);
    strictEqual(detachAt(place, [cgroupSpec(one)]).unloaded, true);
  },
});

Deno.test({
  name: "maps that are not as they are known to be are never read or written",
  ...BPF,
  fn() {
    using place = new OwnPlace();
    using one = new Cgroup("one");
    attachAt(place, [cgroupSpec(one)]);
    const current = `${folderOf(place.bpffs)}/current`;
    {
      const names = openPin(`${current}/names`);
      ok(names instanceof Fd);
      using map = names;
      Deno.removeSync(`${current}/targets`);
      pinObject(map, `${current}/targets`);
    }
    for (
      const act of [
        () => attachAt(place, [cgroupSpec(one)]),
        () => detachAt(place, [cgroupSpec(one)]),
        () => readStateAt(place),
      ]
    ) {
      throws(
        act,
        /a newer version's \(mptcpize_name has keys of 16 and values of \d+ bytes, 8 and/,
      );
    }
    removePins(place);
    detachAt(place, [cgroupSpec(one)]);
    deepStrictEqual([place.entries(), countPrograms(one.path)], [[], 0]);
  },
});

for (const layout of ["this layout", "an older layout"] as const) {
  Deno.test({
    name: `an upgrade of ${layout} leaves no moment in which an enrolled program gets TCP`,
    ...skipUnlessForce(),
    async fn() {
      using place = new OwnPlace();
      using one = new Cgroup("gap");
      const specs = [cgroupSpec(one)];
      const isOlder = layout === "an older layout";
      if (isOlder) attachOlder(place, specs);
      else attachAt(place, specs);
      await using child = Child.start(one.path);
      await child.ask(
        "[stop := [], seen := [], thread := threading.Thread(target=lambda: " +
          "[seen.append(socket.socket().getsockopt(1, 38)) for _ in iter(lambda: not stop, False)]), " +
          "thread.start()]",
      );
      const ids = () => readStateAt(place)!.programs.map(({ id }) => id);
      for (let round = 0; round < 3; round++) {
        const before = ids();
        if (round > 0 || !isOlder) pretendOlder(place);
        const { upgraded, kept } = attachAt(place, specs);
        deepStrictEqual([upgraded, kept.length], [true, 1]);
        ok(ids().every((id) => !before.includes(id)));
      }
      await child.ask("[stop.append(1), thread.join()]");
      const [count, protocols] = [await child.ask("len(seen)"), await child.ask("set(seen)")];
      strictEqual(protocols, "{262}");
      ok(Number(count) > 100, count);
      const { socketsForced } = readStateAt(place)!.targets[0]!;
      // What is counted in old maps after they were copied is lost.
      if (isOlder) ok(socketsForced <= BigInt(count), `${socketsForced} of ${count}`);
      else strictEqual(socketsForced, BigInt(count));
      detachAt(place, specs);
    },
  });
}

Deno.test({
  name: "detachTargets() and attachTargets() detach what stays when pins are removed by hand",
  ...BPF,
  fn() {
    using place = new OwnPlace();
    using other = new OwnPlace();
    using one = new Cgroup("one");
    using two = new Cgroup("two");
    const below = two.below("below");
    const count = () => [rootPath(), one.path, below.path].map(countPrograms);
    const loadAndLose = () => {
      attachAt(place, [cgroupSpec(one), { kind: "comm", name: "nobody", strict: false }]);
      removePins(place);
    };
    attachAt(other, [cgroupSpec(below)]);
    loadAndLose();
    deepStrictEqual([readStateAt(place), count()], [undefined, [1, 1, 1]]);
    const { absent, unloaded } = detachAt(place, [cgroupSpec(one)]);
    deepStrictEqual([absent.length, unloaded, count()], [1, false, [0, 0, 1]]);
    deepStrictEqual(place.entries(), []);
    loadAndLose();
    attachAt(place, [cgroupSpec(below, true)]);
    deepStrictEqual(count(), [0, 0, 1], "those of another bpffs are left alone");
    detachAt(place, [cgroupSpec(below)]);
    detachAt(other, [cgroupSpec(below)]);
    deepStrictEqual(count(), [0, 0, 0]);
  },
});
