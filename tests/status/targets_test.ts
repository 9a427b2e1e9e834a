/**
 * That `status` tells of the targets of the BPF program, and what became of their sockets; and that `sockets`
 * says the same of them.
 *
 * @module
 */

import { deepStrictEqual, match, ok, strictEqual } from "node:assert";
import { attachTargets, detachTargets, probeBpf } from "../../bpf/mod.ts";
import type { SeenSocket, SubjectStatus } from "../../mod.ts";
import { isRoot, skipUnless, skipUnlessAll } from "../skip.ts";
import { mptcpize, readStatus, TestCgroup } from "./world.ts";

const BUSYBOX = "/bin/busybox";

/** Listens in a cgroup; the static program is the one that the kernel forces. */
async function listenIn(cgroup: TestCgroup, port: number) {
  const child = new Deno.Command("sh", {
    args: [
      "-c",
      `echo $$ >${cgroup.path}/cgroup.procs && exec ${BUSYBOX} httpd -f -p 127.0.0.1:${port} -h /proc/self/fdinfo`,
    ],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const listens = () =>
    Deno.readTextFileSync("/proc/net/tcp").includes(
      `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")} 00000000:0000 0A`,
    );
  while (!listens()) await new Promise((resolve) => setTimeout(resolve, 50));
  return {
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch {
        // It was disposed of before.
      }
      await child.status;
    },
  };
}

Deno.test({
  name: "status shows a cgroup and a name that are attached, what they counted, and what is lost",
  ...skipUnlessAll(
    skipUnless("root", isRoot),
    skipUnless(
      "update_socket_protocol",
      () => isRoot() && probeBpf().state === "yes",
      "`deno task lab`",
    ),
  ),
  fn: async () => {
    using cgroup = new TestCgroup("attached");
    using other = new TestCgroup("other");
    const specs = [
      { kind: "cgroup", path: cgroup.path, strict: false },
      { kind: "comm", name: "no-such-name", strict: true },
    ] as const;
    await using early = await listenIn(cgroup, 8300);
    attachTargets(specs);
    try {
      await using inside = await listenIn(cgroup, 8301);
      await using outside = await listenIn(other, 8302);
      const { status, code } = await readStatus();
      strictEqual(code, 0);
      strictEqual(status.forced, true);
      deepStrictEqual(status.bpfSupport, { state: "yes" });
      ok(status.bpf?.current && status.bpf.programs.length > 0 && status.bpf.maps.length > 0);
      const target = status.targets.find(({ path }) => path === cgroup.path);
      deepStrictEqual([target?.kind, target?.gone, Number(target?.socketsForced) > 0], [
        "cgroup",
        false,
        true,
      ]);
      deepStrictEqual([target?.sockets.mptcp, target?.sockets.tcp], [1, 1]);
      deepStrictEqual(
        target?.sockets.reasons.map(({ count, reason }) => [count, reason.code]),
        [[1, "before-attach"]],
      );
      const named = status.targets.find(({ name }) => name === "no-such-name");
      deepStrictEqual([named?.strict, named?.sockets.mptcp], [true, 0]);

      const text = (await mptcpize("status")).out;
      match(text, /attached-\d+ +bpf +[\d:]+ +1 +- +1\n {2}1 TCP socket asked for, all made MPTCP/);
      match(text, /^processes named no-such-name +bpf/m);
      match(text, /^loaded into the kernel: mptcpize_force \(id \d+, tag [\da-f]{16}\)/m);
      for (const line of text.split("\n")) ok(line.length <= 80, line);

      const subjects = await mptcpize("status", `${inside.pid}`, cgroup.path, "--json");
      strictEqual(subjects.code, 0, subjects.err);
      const told: { subjects: SubjectStatus[] } = JSON.parse(subjects.out);
      deepStrictEqual(told.subjects.map(({ kind, targets }) => [kind, targets[0]?.path]), [
        ["process", cgroup.path],
        ["cgroup", cgroup.path],
      ]);
      for (const scope of [["--pid", `${early.pid}`], ["--cgroup", cgroup.path]]) {
        const { out, err } = await mptcpize("sockets", ...scope, "--json");
        strictEqual(err, "");
        const { sockets }: { sockets: SeenSocket[] } = JSON.parse(out);
        const tcp = sockets.filter(({ verdict }) => verdict === "tcp");
        deepStrictEqual(tcp.map(({ reasons }) => reasons.map(({ code }) => code)), [
          ["before-attach"],
        ]);
      }
      const free = await mptcpize("status", `${outside.pid}`);
      strictEqual(free.code, 1);
      match(free.out, /forced {4}no: [^]*1 TCP/);
    } finally {
      await early[Symbol.asyncDispose]();
      cgroup[Symbol.dispose]();
      const gone = (await mptcpize("status")).out;
      detachTargets(specs);
      match(gone, /its cgroup is gone/);
    }
    const { status } = await readStatus();
    deepStrictEqual([status.bpf, status.targets], [undefined, []]);
  },
});
