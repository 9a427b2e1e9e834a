/**
 * That the kernel forces what is enrolled and nothing else, by the kernel's own answers.
 *
 * @module
 */

import { deepStrictEqual, match, ok, strictEqual, throws } from "node:assert";
import { attachTargets, detachTargets, probeBpf, readBpfState } from "../../bpf/mod.ts";
import { attachAt, detachAt } from "../../bpf/attach.ts";
import { readStateAt } from "../../bpf/state.ts";
import { NotSupportedError } from "../../errors.ts";
import { attachTracing, updateElement } from "../../ffi/bpf.ts";
import { BpfObject } from "../../ffi/libbpf.ts";
import { readProcessSockets } from "../../inspect/mod.ts";
import { Child } from "./child.ts";
import { canForce, Cgroup, OwnPlace, skipUnlessBpf, skipUnlessForce } from "./place.ts";

const FORCE = skipUnlessForce();
const [TCP, MPTCP] = ["6", "262"];
const cgroupSpec = (
  { path }: Cgroup,
  strict = false,
) => ({ kind: "cgroup", path, strict } as const);

Deno.test({
  name:
    "attachTargets() forces each TCP socket of a cgroup and of those below it, and nothing else",
  ...FORCE,
  async fn() {
    using cgroup = new Cgroup("force");
    using below = cgroup.below("one").below("two");
    using beside = new Cgroup("beside");
    const { added, kept, upgraded, guarded } = attachTargets([cgroupSpec(cgroup)]);
    try {
      deepStrictEqual([added.length, kept.length, upgraded, guarded], [1, 0, false, true]);
      await using outside = Child.start(beside.path);
      strictEqual(await outside.protocol(), TCP);
      for (const path of [cgroup.path, below.path]) {
        await using child = Child.start(path);
        strictEqual(await child.ask("protocol(2, 1, 0)"), MPTCP);
        strictEqual(await child.ask("protocol(10, 1, 6)"), MPTCP);
        strictEqual(await child.ask("protocol(2, 1 | 0o4000 | 0o2000000, 6)"), MPTCP);
        strictEqual(await child.ask("protocol(2, 1, 262)"), MPTCP);
        strictEqual(await child.ask("protocol(2, 2, 0)"), "17");
        strictEqual(await child.ask("protocol(1, 1, 0)"), "0");
        strictEqual(await child.ask("protocol(2, 3, 6)"), TCP);
        match(await child.ask("protocol(2, 1, 132)"), /^(132|errno 93)$/); // SCTP, or no SCTP
        strictEqual(await child.ask("protocol(2, 1, 7)"), "errno 93");
        // From outside, a connection.
        await child.ask(
          "[s := socket.create_server(('127.0.0.1', 0)), kept.append(s), kept.append(socket.create_connection(s.getsockname())), kept.append(s.accept()[0])]",
        );
        const { sockets } = readProcessSockets(child.pid);
        const connected = sockets.filter(({ state }) => state === "ESTABLISHED");
        deepStrictEqual(connected.map(({ verdict }) => verdict), ["mptcp", "mptcp"]);
        match(connected[0]!.evidence, /MPTCP_INFO/);
      }
      const state = readBpfState()!;
      deepStrictEqual(
        state.targets.map(({ socketsSeen, socketsForced }) => [socketsSeen, socketsForced]),
        [[10n, 10n]],
      );
      deepStrictEqual(state.programs.map(({ name }) => name), [
        "mptcpize_force",
        "mptcpize_soften",
      ]);
      ok(state.current);
    } finally {
      const { removed, unloaded } = detachTargets([cgroupSpec(cgroup)]);
      deepStrictEqual([removed.length, unloaded], [1, true]);
    }
    strictEqual(readBpfState(), undefined);
    await using after = Child.start(cgroup.path);
    strictEqual(await after.protocol(), TCP);
  },
});

Deno.test({
  name: "attachTargets() goes by the name of a thread group's leader, not of a thread",
  ...FORCE,
  async fn() {
    using place = new OwnPlace();
    const spec = { kind: "comm", name: "mptcpize-leader", strict: true } as const;
    attachAt(place, [spec]);
    try {
      await using child = Child.start();
      strictEqual(await child.protocol(), TCP);
      strictEqual(await child.ask("in_thread('mptcpize-leader', lambda: protocol(2, 1, 0))"), TCP);
      await child.ask("write('/proc/self/comm', 'mptcpize-leader')");
      strictEqual(await child.protocol(), MPTCP);
      strictEqual(await child.ask("in_thread('worker', lambda: protocol(2, 1, 0))"), MPTCP);
      deepStrictEqual(readStateAt(place)!.targets.map(({ socketsSeen }) => socketsSeen), [2n]);
    } finally {
      detachAt(place, [spec]);
    }
  },
});

Deno.test({
  name: "attachTargets() of all forces processes anywhere",
  ...FORCE,
  async fn() {
    using place = new OwnPlace();
    using cgroup = new Cgroup("all");
    attachAt(place, [{ kind: "all", strict: false }]);
    try {
      await using one = Child.start();
      await using other = Child.start(cgroup.path);
      deepStrictEqual([await one.protocol(), await other.protocol()], [MPTCP, MPTCP]);
      // TCP_USER_TIMEOUT
      strictEqual(await other.ask("option(6, 18, 1000)"), "taken");
    } finally {
      detachAt(place, [{ kind: "all", strict: true }]);
    }
  },
});

Deno.test({
  name: "a network namespace with MPTCP off has TCP, and the program follows the setting",
  ...FORCE,
  async fn() {
    using place = new OwnPlace();
    using cgroup = new Cgroup("netns");
    attachAt(place, [cgroupSpec(cgroup)]);
    try {
      await using own = Child.start(cgroup.path, "unshare", "-n");
      await using other = Child.start(cgroup.path);
      const set = (value: number) => own.ask(`write('/proc/sys/net/mptcp/enabled', '${value}')`);
      strictEqual(await own.protocol(), MPTCP);
      await set(0);
      deepStrictEqual([await own.protocol(), await other.protocol()], [TCP, MPTCP]);
      await set(1);
      strictEqual(await own.protocol(), MPTCP);
      const [target] = readStateAt(place)!.targets;
      deepStrictEqual([target!.socketsSeen, target!.socketsForced], [4n, 3n]);
    } finally {
      detachAt(place, [cgroupSpec(cgroup)]);
    }
  },
});

/** Attaches a program of peer.bpf.c that forces one process. */
function attachPeer(program: "polite" | "selftest", pid: number): Disposable {
  const file = Deno.readFileSync(new URL("lib/peer.bpf.o", import.meta.url));
  using stack = new DisposableStack();
  const object = stack.use(new BpfObject(file, "peer"));
  object.leaveOut(program === "polite" ? "selftest" : "polite");
  const { errno, log } = object.load();
  strictEqual(errno, 0, log);
  updateElement(
    object.mapFd(".bss"),
    new Uint8Array(4),
    new Uint8Array(new BigUint64Array([BigInt(pid)]).buffer),
  );
  stack.use(attachTracing(object.programFd(program)));
  return stack.move();
}

for (const order of ["before", "after"]) {
  Deno.test({
    name: `another program on the same kernel function, attached ${order} ours, gets its turn`,
    ...FORCE,
    async fn() {
      using place = new OwnPlace();
      using cgroup = new Cgroup("turn");
      await using enrolled = Child.start(cgroup.path);
      await using theirs = Child.start();
      await using nobodys = Child.start();
      using stack = new DisposableStack();
      const attachOther = () => stack.use(attachPeer("polite", theirs.pid));
      if (order === "before") attachOther();
      attachAt(place, [cgroupSpec(cgroup)]);
      try {
        if (order === "after") attachOther();
        for (const number of [0, 6]) {
          const ask = `protocol(2, 1, ${number})`;
          const answers = await Promise.all(
            [enrolled, theirs, nobodys].map((child) => child.ask(ask)),
          );
          deepStrictEqual(answers, [MPTCP, MPTCP, TCP]);
        }
      } finally {
        detachAt(place, [cgroupSpec(cgroup)]);
      }
    },
  });
}

Deno.test({
  name: "attachTargets() where the kernel cannot says why, and leaves nothing",
  ...skipUnlessBpf(),
  ignore: skipUnlessBpf().ignore || canForce,
  fn() {
    using place = new OwnPlace(true);
    using cgroup = new Cgroup("refused");
    throws(() => attachAt(place, [cgroupSpec(cgroup)]), (error) => {
      ok(error instanceof NotSupportedError, String(error));
      match(error.message, /^Cannot load the BPF program: /);
      match(error.hint ?? "", /`mptcpize run`.*`--method patch`/);
      return true;
    });
    deepStrictEqual(place.entries(), []);
    strictEqual(probeBpf().state, "no");
    strictEqual(readStateAt(place), undefined);
  },
});
