/**
 * That whatever happens to an attachment, the next call finds its way, and nothing is left at the end.
 *
 * @module
 */

import { deepStrictEqual, match, ok, strictEqual, throws } from "node:assert";
import { attachAt, detachAt } from "../../bpf/attach.ts";
import type { Place } from "../../bpf/loading.ts";
import { rootPath } from "../../bpf/cgroups.ts";
import { loadObject, PROGRAMS } from "../../bpf/object.ts";
import { folderOf, PinFolder } from "../../bpf/pins.ts";
import { readStateAt } from "../../bpf/state.ts";
import type { TargetSpec } from "../../bpf/types.ts";
import { ConflictError, NotFoundError, NotSupportedError } from "../../errors.ts";
import { tryCall } from "../../ffi/call.ts";
import { Fd } from "../../ffi/fd.ts";
import { openFolder } from "../../ffi/files.ts";
import { addressOf } from "../../ffi/libc.ts";
import { commandExists, skipUnless, skipUnlessAll } from "../skip.ts";
import { Child } from "./child.ts";
import { attachOlder, pretendOlder } from "./older.ts";
import { canForce, Cgroup, cgroupSpec, countPrograms, OwnPlace, skipUnlessBpf } from "./place.ts";

const BPF = skipUnlessBpf();
const ACT = new URL("act.ts", import.meta.url).pathname;

function words(place: Place, verb: "attach" | "detach", specs: readonly TargetSpec[]): string[] {
  const deno = [Deno.execPath(), "run", "-qA", "--no-check", ACT];
  return [...deno, place.bpffs, `${place.force}`, verb, JSON.stringify(specs)];
}

async function run(command: readonly string[]): Promise<{ code: number; text: string }> {
  const { code, stdout } = await new Deno.Command(command[0]!, {
    args: command.slice(1),
    stderr: "inherit",
  }).output();
  return { code, text: new TextDecoder().decode(stdout) };
}

const CALLS = ["bpf", "mkdir", "rename", "renameat2", "unlink", "rmdir"];
/** Most calls of bpf(2) are libbpf asking what the kernel can do. */
const BPF_STRIDE = 3;
/** A step, such as the second `unlink`. */
type Step = readonly [call: string, count: number];

/** The steps of a change, each once; in emulation, where each takes half a minute, the given ones. */
function* listSteps(some: readonly Step[]): Generator<Step, void, boolean> {
  if (Deno.env.has("MPTCPIZE_LAB")) return yield* some;
  for (const call of CALLS) {
    for (let count = 1; yield [call, count]; count += call === "bpf" ? BPF_STRIDE : 1);
  }
}

/**
 * Runs a change once for each of its steps, and ends it with SIGKILL there.
 *
 * @param some the steps that emulation has time for
 */
async function endAtEachStep(
  act: string[],
  some: readonly Step[],
  prepare: () => void,
  after: (step: string) => void,
): Promise<void> {
  let ended = 0;
  const steps = listSteps(some);
  for (let next = steps.next(); !next.done;) {
    const [call, count] = next.value;
    prepare();
    const inject = `inject=${call}:signal=KILL:when=${count}`;
    const strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", `trace=${call}`, "-e", inject];
    const { code } = await run([...strace, ...act]);
    after(`${call} ${count}`);
    ok(code === 0 || code === 137, `${call} ${count}: ${code}`);
    if (code !== 0) ended++;
    next = steps.next(code !== 0);
  }
  ok(ended >= some.length, `${ended} steps`);
}

const STRACE = skipUnlessAll(BPF, skipUnless("strace", commandExists("strace")));

Deno.test({
  name: "attachTargets() that was killed at any step is mended by the next",
  ...STRACE,
  async fn() {
    using place = new OwnPlace();
    using one = new Cgroup("one");
    using two = new Cgroup("two");
    const specs = [cgroupSpec(one), cgroupSpec(two, true)];
    await endAtEachStep(words(place, "attach", specs), [["rename", 1]], () => {}, (step) => {
      const { added, kept } = attachAt(place, specs);
      strictEqual(added.length + kept.length, 2, step);
      strictEqual(readStateAt(place)!.targets.length, 2, step);
      deepStrictEqual([countPrograms(one.path), countPrograms(two.path)], [1, 0], step);
      deepStrictEqual(entriesOf(place), ["current"], step);
      strictEqual(detachAt(place, specs).unloaded, true, step);
      deepStrictEqual([countPrograms(one.path), place.entries()], [0, []], step);
    });
  },
});

Deno.test({
  name: "detachTargets() that was killed at any step is mended by the next",
  ...STRACE,
  async fn() {
    using place = new OwnPlace();
    using one = new Cgroup("one");
    const specs = [cgroupSpec(one), { kind: "comm", name: "nobody", strict: true }] as const;
    const act = words(place, "detach", specs);
    await endAtEachStep(
      act,
      [["rename", 1], ["unlink", 2]],
      () => attachAt(place, specs),
      (step) => {
        detachAt(place, specs);
        deepStrictEqual([countPrograms(one.path), place.entries()], [0, []], step);
      },
    );
  },
});

for (const layout of ["of this layout", "of an older layout"] as const) {
  Deno.test({
    name: `an upgrade of maps ${layout} that was killed at any step is mended by the next`,
    ...STRACE,
    async fn() {
      using place = new OwnPlace();
      using one = new Cgroup("one");
      const specs = [cgroupSpec(one)];
      const prepare = () => {
        if (layout === "of an older layout") {
          detachAt(place, specs);
          attachOlder(place, specs, 1n);
        } else pretendOlder(place);
      };
      attachOlder(place, specs, 1n);
      attachAt(place, specs);
      await endAtEachStep(
        words(place, "attach", specs),
        [["renameat2", 1], ["unlink", 2]],
        prepare,
        (step) => {
          attachAt(place, specs);
          const { current, targets } = readStateAt(place)!;
          // The targets are there still, with their counts.
          const counts = targets.map((target) => target.optionsSoftened);
          deepStrictEqual([current, counts], [true, [1n]], step);
          strictEqual(countPrograms(one.path), 1, step);
          deepStrictEqual(entriesOf(place), ["current"], step);
        },
      );
      strictEqual(detachAt(place, specs).unloaded, true);
      strictEqual(countPrograms(one.path), 0);
    },
  });
}

function entriesOf(place: Place): string[] {
  return [...Deno.readDirSync(folderOf(place.bpffs))].map(({ name }) => name);
}

Deno.test({
  name: "attachTargets() waits for who attaches or detaches already",
  ...BPF,
  async fn() {
    using place = new OwnPlace();
    using cgroup = new Cgroup("wait");
    const names = Array.from({ length: 4 }, (_, index) => cgroup.below(`${index}`));
    const held = PinFolder.lock(place.bpffs, true)!;
    const runs = names.map((name) => run(words(place, "attach", [cgroupSpec(name)])));
    // All of them wait: nobody has pinned a thing.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    deepStrictEqual(entriesOf(place), []);
    // It is empty: the folder goes, and who waited for it makes a new one.
    held[Symbol.dispose]();
    for (const { code, text } of await Promise.all(runs)) strictEqual(code, 0, text);
    strictEqual(readStateAt(place)!.targets.length, 4);
    const ended = await Promise.all(
      names.map((name) => run(words(place, "detach", [cgroupSpec(name)]))),
    );
    strictEqual(ended.filter(({ text }) => JSON.parse(text).unloaded).length, 1);
    strictEqual(readStateAt(place), undefined);
  },
});

Deno.test({
  name: "1,000 targets are attached, found and detached",
  ...BPF,
  async fn() {
    using place = new OwnPlace();
    using cgroup = new Cgroup("many");
    const specs = Array.from({ length: 1000 }, (_, index) => cgroupSpec(cgroup.below(`${index}`)));
    strictEqual(attachAt(place, specs).added.length, 1000);
    strictEqual(attachAt(place, specs).kept.length, 1000);
    await using first = Child.start(specs[0]!.path);
    await using last = Child.start(specs[999]!.path);
    for (const child of [first, last]) {
      await child.ask(`protocol(2, 1, ${canForce ? 0 : 262})`);
      strictEqual(await child.ask("option(6, 18, 1)"), "taken");
    }
    const softened = readStateAt(place)!.targets.filter((target) => target.optionsSoftened === 1n);
    deepStrictEqual(softened.map(({ path }) => path), [specs[0]!.path, specs[999]!.path]);
    deepStrictEqual(detachAt(place, specs.slice(1)).unloaded, false);
    strictEqual(countPrograms(specs[0]!.path), 1);
    strictEqual(detachAt(place, specs.slice(0, 1)).unloaded, true);
    strictEqual(specs.reduce((sum, { path }) => sum + countPrograms(path), 0), 0);
  },
});

Deno.test({
  name: "a target whose cgroup has vanished is told, does not become another's, and is forgotten",
  ...BPF,
  fn() {
    using place = new OwnPlace();
    using stays = new Cgroup("stays");
    const vanishes = new Cgroup("vanishes");
    attachAt(place, [cgroupSpec(stays), cgroupSpec(vanishes)]);
    vanishes[Symbol.dispose]();
    const gone = () => readStateAt(place)!.targets.map((target) => [target.path, target.gone]);
    deepStrictEqual(gone(), [[stays.path, false], [vanishes.path, true]]);
    using again = new Cgroup("vanishes");
    deepStrictEqual(gone(), [[stays.path, false], [again.path, true]]);
    const { added } = attachAt(place, [cgroupSpec(again)]);
    deepStrictEqual(added.map(({ path, gone }) => [path, gone]), [[again.path, false]]);
    deepStrictEqual(gone(), [[stays.path, false], [again.path, false]]);
    again[Symbol.dispose]();
    // By the path that it had.
    strictEqual(detachAt(place, [cgroupSpec(again)]).removed.length, 1);
    strictEqual(detachAt(place, [cgroupSpec(stays)]).unloaded, true);
  },
});

Deno.test({
  name: "attachTargets() takes all targets or none",
  ...BPF,
  fn() {
    using place = new OwnPlace();
    using one = new Cgroup("one");
    using two = new Cgroup("two");
    const absent = { kind: "cgroup", path: `${one.path}/absent`, strict: false } as const;
    throws(() => attachAt(place, [cgroupSpec(one), absent]), NotFoundError);
    deepStrictEqual([place.entries(), countPrograms(one.path)], [[], 0]);
    attachAt(place, [cgroupSpec(one)]);
    throws(() => attachAt(place, [cgroupSpec(two), absent]), NotFoundError);
    strictEqual(readStateAt(place)!.targets.length, 1);
    strictEqual(countPrograms(two.path), 0);
    deepStrictEqual(detachAt(place, [cgroupSpec(two)]).absent, [cgroupSpec(two)]);
    detachAt(place, [cgroupSpec(one)]);
    const nothing = detachAt(place, [cgroupSpec(one)]);
    deepStrictEqual([nothing.removed.length, nothing.absent.length, nothing.unloaded], [
      0,
      1,
      false,
    ]);
  },
});

Deno.test({
  name:
    "attachTargets() names the program that tolerates no other beside it, and takes what is strict",
  ...BPF,
  fn() {
    using place = new OwnPlace();
    using cgroup = new Cgroup("exclusive");
    using below = cgroup.below("below");
    using object = loadObject({ force: false, soften: true });
    const opened = openFolder(cgroup.path);
    ok(opened instanceof Fd);
    using fd = opened;
    // BPF_PROG_ATTACH of a setsockopt program without BPF_F_ALLOW_MULTI.
    const attribute = new Uint8Array(
      new Uint32Array([
        fd.number,
        object.programFd(PROGRAMS.soften),
        22,
        ...Array(29).fill(0),
      ]).buffer,
    );
    const number = Deno.build.arch === "aarch64" ? 280n : 321n;
    strictEqual(tryCall("syscall", number, 8n, addressOf(attribute), 128n).errno, 0);
    throws(() => attachAt(place, [cgroupSpec(below)]), (error) => {
      ok(error instanceof ConflictError, String(error));
      match(error.message, /below: a setsockopt program .* tolerates no other/);
      return true;
    });
    deepStrictEqual([place.entries(), countPrograms(below.path)], [[], 0]);
    attachAt(place, [cgroupSpec(below, true)]);
    throws(() => attachAt(place, [cgroupSpec(below)]), ConflictError);
    deepStrictEqual(readStateAt(place)!.targets.map(({ strict }) => strict), [true]);
    detachAt(place, [cgroupSpec(below)]);
  },
});

Deno.test({
  name: "attachTargets() refuses a cgroup that lies deeper than the program looks",
  ...BPF,
  async fn() {
    using place = new OwnPlace();
    using cgroup = new Cgroup("deep");
    let deepest = cgroup;
    for (let level = 2; level <= 63; level++) deepest = deepest.below("d");
    attachAt(place, [cgroupSpec(deepest)]);
    {
      await using child = Child.start(deepest.path);
      await child.ask(`protocol(2, 1, ${canForce ? 0 : 262})`);
      strictEqual(await child.ask("option(6, 18, 1)"), "taken");
    }
    const deeper = deepest.below("d");
    throws(() => attachAt(place, [cgroupSpec(deeper)]), (error) => {
      ok(error instanceof NotSupportedError);
      match(error.message, /it lies 64 levels deep, the program looks at 63$/);
      return true;
    });
    detachAt(place, [cgroupSpec(deepest)]);
  },
});

Deno.test({
  name: "attachTargets() refuses pins that somebody else could change",
  ...BPF,
  fn() {
    using place = new OwnPlace(canForce, "mode=1777");
    using cgroup = new Cgroup("owner");
    const folder = folderOf(place.bpffs);
    Deno.mkdirSync(folder, { mode: 0o700 });
    Deno.chownSync(folder, 65534, 65534);
    throws(() => attachAt(place, [cgroupSpec(cgroup)]), ConflictError);
    Deno.chownSync(folder, 0, 0);
    Deno.chmodSync(folder, 0o777);
    throws(() => attachAt(place, [cgroupSpec(cgroup)]), /mode 777/);
    Deno.chmodSync(folder, 0o700);
    attachAt(place, [cgroupSpec(cgroup)]);
    detachAt(place, [cgroupSpec(cgroup)]);
    Deno.chmodSync(place.bpffs, 0o777);
    throws(() => attachAt(place, [cgroupSpec(cgroup)]), /mode 777/);
  },
});

/** The words that run a command as root with nothing but some capabilities. */
function withOnly(...capabilities: string[]): string[] {
  const list = capabilities.map((name) => `,+${name}`).join("");
  return ["setpriv", `--bounding-set=-all${list}`, "--inh-caps=-all"];
}

Deno.test({
  name: "attachTargets() mounts a bpffs only when it is asked to, and may",
  ...skipUnlessAll(BPF, skipUnless("setpriv", commandExists("setpriv"))),
  async fn() {
    using cgroup = new Cgroup("mount");
    const place = { bpffs: Deno.makeTempDirSync(), force: canForce };
    const mounts = () => Deno.readTextFileSync("/proc/self/mountinfo").includes(place.bpffs);
    try {
      throws(() => attachAt(place, [cgroupSpec(cgroup)]), (error) => {
        ok(error instanceof NotSupportedError);
        match(error.hint ?? "", /^`mount -t bpf -o mode=0700 bpf /);
        return true;
      });
      const act = [...words(place, "attach", [cgroupSpec(cgroup)]), '{"mountBpffs":true}'];
      const { code, text } = await run([...withOnly("bpf", "perfmon", "net_admin"), ...act]);
      const { error, capability } = JSON.parse(text);
      deepStrictEqual([code, error, capability], [1, "NotPermittedError", "CAP_SYS_ADMIN"]);
      strictEqual(mounts(), false);
      attachAt(place, [cgroupSpec(cgroup)], { mountBpffs: true });
      strictEqual(mounts(), true);
      strictEqual(Deno.statSync(place.bpffs).mode! & 0o777, 0o700);
      detachAt(place, [cgroupSpec(cgroup)]);
    } finally {
      new Deno.Command("umount", { args: [place.bpffs] }).outputSync();
      Deno.removeSync(place.bpffs);
    }
  },
});

Deno.test({
  name:
    "attachTargets() takes CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN and no more, and names what is missing",
  ...skipUnlessAll(BPF, skipUnless("setpriv", commandExists("setpriv"))),
  async fn() {
    using place = new OwnPlace();
    using cgroup = new Cgroup("caps");
    const act = async (verb: "attach" | "detach", strict: boolean, ...capabilities: string[]) => {
      const command = words(place, verb, [cgroupSpec(cgroup, strict)]);
      const { code, text } = await run([...withOnly(...capabilities), ...command]);
      return { code, result: JSON.parse(text) };
    };
    const refused = await act("attach", false);
    const { error, capability } = refused.result;
    deepStrictEqual(
      [refused.code, error, capability],
      [1, "NotPermittedError", "CAP_BPF,CAP_PERFMON,CAP_NET_ADMIN"],
    );
    deepStrictEqual(place.entries(), []);
    const few = await act("attach", false, "bpf", "perfmon");
    deepStrictEqual([few.code, few.result.capability], [1, "CAP_NET_ADMIN"]);
    deepStrictEqual(place.entries(), []);
    const enough = await act("attach", false, "bpf", "perfmon", "net_admin");
    deepStrictEqual([enough.code, enough.result.added?.length], [0, 1], JSON.stringify(enough));
    strictEqual(countPrograms(cgroup.path), 1);
    // One that is strict needs no program on its cgroup.
    const strict = await act("attach", true, "bpf", "perfmon");
    strictEqual(strict.code, 0, JSON.stringify(strict));
    strictEqual((await act("detach", true, "bpf", "perfmon", "net_admin")).result.unloaded, true);
    deepStrictEqual([place.entries(), countPrograms(cgroup.path)], [[], 0]);
  },
});

for (
  const [what, hide, error, hint] of [
    [
      "libbpf",
      "mount --bind /dev/null \"$(ldconfig -p | sed -n 's/.*libbpf.so.1 .*=> //p' | xargs readlink -f)\"",
      /^Cannot load a BPF program: libbpf.so.1 could not be loaded$/,
      /`apt-get install libbpf1`/,
    ],
    [
      "the kernel's type information",
      "mount -t tmpfs none /sys/kernel/btf",
      /^Cannot load the BPF program: the kernel has no type information /,
      /CONFIG_DEBUG_INFO_BTF.*`mptcpize run`/,
    ],
  ] as const
) {
  Deno.test({
    name: `attachTargets() without ${what} says so, and leaves nothing`,
    ...BPF,
    async fn() {
      using place = new OwnPlace();
      using cgroup = new Cgroup("without");
      const act = words(place, "attach", [cgroupSpec(cgroup)]);
      const { code, text } = await run([
        "unshare",
        "-m",
        "sh",
        "-c",
        `${hide}; exec "$@"`,
        "sh",
        ...act,
      ]);
      strictEqual(code, 1, text);
      const told = JSON.parse(text);
      match(told.message, error);
      match(told.hint, hint);
      deepStrictEqual([place.entries(), countPrograms(cgroup.path)], [[], 0]);
    },
  });
}

Deno.test({
  name: "readBpfState() of pins that are not complete is that of nothing",
  ...BPF,
  fn() {
    using place = new OwnPlace();
    using cgroup = new Cgroup("part");
    attachAt(place, [cgroupSpec(cgroup)]);
    Deno.removeSync(`${folderOf(place.bpffs)}/current/names`);
    strictEqual(readStateAt(place), undefined);
    attachAt(place, [cgroupSpec(cgroup)]);
    strictEqual(readStateAt(place)!.targets.length, 1);
    strictEqual(countPrograms(cgroup.path), 1);
    detachAt(place, [cgroupSpec(cgroup)]);
    strictEqual(countPrograms(cgroup.path), 0);
    strictEqual(countPrograms(rootPath()), 0);
  },
});
