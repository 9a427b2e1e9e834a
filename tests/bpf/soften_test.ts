/**
 * That advisory options are answered as TCP answers them, for enrolled MPTCP sockets alone.
 *
 * @module
 */

import { deepStrictEqual, match, ok, strictEqual } from "node:assert";
import { attachAt, detachAt } from "../../bpf/attach.ts";
import options from "../../bpf/options.json" with { type: "json" };
import { findRefused } from "../../bpf/softening.ts";
import { readStateAt } from "../../bpf/state.ts";
import { socketOptionLevels, socketOptions } from "../../preload/options.ts";
import { Child } from "./child.ts";
import { Cgroup, OwnPlace, skipUnlessBpf } from "./place.ts";

const BPF = skipUnlessBpf();
const TCP_USER_TIMEOUT = "option(6, 18, 1000)";
const spec = ({ path }: Cgroup, strict = false) => ({ kind: "cgroup", path, strict } as const);
const refused = options.filter((_, index) => (findRefused() >> BigInt(index) & 1n) === 1n);

/** Arguments of setsockopt() in Python: lengths around that of an int, values around each bound. */
const ARGUMENTS = [
  ...["b''", "b'\\1'", "b'\\1\\0'", "b'\\377\\377\\377'", "(64).to_bytes(8, 'little')"],
  ...[-2147483648, -2, -1, 0, 1, 2, 5, 6, 64, 127, 128, 255, 256, 2147483647].map(String),
];

Deno.test({
  name: "an enrolled MPTCP socket answers to each advisory option as a TCP socket does",
  ...BPF,
  async fn() {
    using place = new OwnPlace(false);
    using cgroup = new Cgroup("soften");
    ok(refused.length >= 10, `${refused.length} options are refused here`);
    attachAt(place, [spec(cgroup)]);
    try {
      await using enrolled = Child.start(cgroup.path);
      await using free = Child.start();
      const ask = async (child: Child, number: number, ready: string) => {
        const answers: string[] = [];
        for (const { level, number: name } of refused) {
          await child.ask(`protocol(${level === 41 ? 10 : 2}, 1, ${number})`);
          await child.ask(ready);
          for (const argument of ARGUMENTS) {
            const answer = await child.ask(`option(${level}, ${name}, ${argument})`);
            answers.push(`${level} ${name} ${argument}: ${answer}`);
          }
        }
        return answers;
      };
      for (const ready of ["0", "kept[-1].listen()"]) {
        deepStrictEqual(await ask(enrolled, 262, ready), await ask(free, 6, ready));
      }
      const [target] = readStateAt(place)!.targets;
      ok(target!.optionsSoftened > 100n, `${target!.optionsSoftened}`);
    } finally {
      detachAt(place, [spec(cgroup)]);
    }
  },
});

Deno.test({
  name: "no essential option is pretended, and what MPTCP takes is really set",
  ...BPF,
  async fn() {
    using place = new OwnPlace(false);
    using cgroup = new Cgroup("essential");
    await using child = Child.start(cgroup.path);
    const others = socketOptions.filter(({ level, number }) =>
      !refused.some((option) =>
        option.level === socketOptionLevels[level] && option.number === number
      )
    );
    ok(others.some(({ name }) => name === "TCP_ULP"));
    const ask = async () => {
      await child.ask("protocol(10, 1, 262)");
      const answers: string[] = [];
      for (const { level, number, name } of others) {
        answers.push(
          `${name} ${await child.ask(`option(${socketOptionLevels[level]}, ${number}, 1)`)}`,
        );
      }
      return answers;
    };
    const before = await ask();
    attachAt(place, [spec(cgroup)]);
    try {
      deepStrictEqual(await ask(), before);
      // TCP_NODELAY, TCP_CONGESTION, SO_KEEPALIVE
      strictEqual(await child.ask("[option(6, 1, 1), kept[-1].getsockopt(6, 1)]"), "['taken', 1]");
      strictEqual(await child.ask("[option(1, 9, 1), kept[-1].getsockopt(1, 9)]"), "['taken', 1]");
      strictEqual(readStateAt(place)!.targets[0]!.optionsSoftened, 0n);
    } finally {
      detachAt(place, [spec(cgroup)]);
    }
  },
});

Deno.test({
  name: "options are softened for whom the nearest target is not strict, and for nobody else",
  ...BPF,
  async fn() {
    using place = new OwnPlace(false);
    using cgroup = new Cgroup("nearest");
    using strict = cgroup.below("strict");
    using below = strict.below("below");
    await using nearest = Child.start(cgroup.path);
    await using under = Child.start(below.path);
    await using outside = Child.start();
    const ask = async (child: Child, number = 262) => {
      await child.ask(`protocol(2, 1, ${number})`);
      return child.ask(TCP_USER_TIMEOUT);
    };
    const all = async () => [await ask(nearest), await ask(under), await ask(outside)];
    const no = "errno 92";
    deepStrictEqual(await all(), [no, no, no]);
    attachAt(place, [spec(cgroup), spec(strict, true)]);
    try {
      deepStrictEqual(await all(), ["taken", no, no]);
      // A TCP socket keeps what it is told.
      strictEqual(await ask(nearest, 6), "taken");
      strictEqual(await nearest.ask("kept[-1].getsockopt(6, 18)"), "1000");
      // The same targets, otherwise strict.
      const { added, kept } = attachAt(place, [spec(cgroup, true), spec(strict)]);
      deepStrictEqual([added.length, kept.length], [2, 0]);
      deepStrictEqual(await all(), [no, "taken", no]);
      detachAt(place, [spec(strict)]);
      deepStrictEqual(await all(), [no, no, no]);
    } finally {
      detachAt(place, [spec(cgroup), spec(strict)]);
    }
    deepStrictEqual(await all(), [no, no, no]);
  },
});

Deno.test({
  name: "attachTargets() finds out which options the kernel refuses, even from inside a target",
  ...BPF,
  async fn() {
    using place = new OwnPlace(false);
    const everything = { kind: "all", strict: false } as const;
    const before = findRefused();
    attachAt(place, [everything]);
    try {
      strictEqual(findRefused(), before);
      await using child = Child.start();
      await child.ask("protocol(2, 1, 262)");
      match(await child.ask(TCP_USER_TIMEOUT), /^taken$/);
    } finally {
      detachAt(place, [everything]);
    }
  },
});

Deno.test({
  name: "the first target that is not strict brings the program that softens along",
  ...BPF,
  async fn() {
    using place = new OwnPlace();
    using one = new Cgroup("strict");
    using two = new Cgroup("lenient");
    await using child = Child.start(two.path);
    const programs = () => readStateAt(place)!.programs.map(({ name }) => name);
    attachAt(place, [spec(one, true)]);
    ok(!programs().includes("mptcpize_soften"));
    const { added, upgraded } = attachAt(place, [spec(two)]);
    deepStrictEqual([added.length, upgraded], [1, false]);
    ok(programs().includes("mptcpize_soften"));
    deepStrictEqual(readStateAt(place)!.targets.map(({ strict }) => strict).sort(), [false, true]);
    await child.ask("protocol(2, 1, 262)");
    strictEqual(await child.ask(TCP_USER_TIMEOUT), "taken");
    detachAt(place, [spec(one), spec(two)]);
  },
});
