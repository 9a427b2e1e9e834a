/**
 * That `run` by BPF makes one command and its children speak MPTCP, in the same process, that its cgroup
 * goes with it, and that a report has what the kernel counted.
 *
 * @module
 */

import { deepStrictEqual, match, strictEqual } from "node:assert";
import {
  BPF,
  BUSYBOX,
  leftovers,
  MPTCPIZE,
  mptcpize,
  mustAttach,
  RAW_SOCKET,
  Running,
  say,
  socketIn,
  startServer,
  TestCgroup,
  until,
} from "./scene.ts";

function cgroupOf(pid: number): string {
  return /^0::(.*)$/m.exec(Deno.readTextFileSync(`/proc/${pid}/cgroup`))?.[1] ?? "";
}

const NAME = /^mptcpize-run-\d+-[0-9a-f]{8}(\.scope)?$/;

for (
  const [place, before, expected] of [
    ["a folder in a service", [], /\/mptcpize-run-[^/]*[0-9a-f]$/],
    [
      "a scope elsewhere",
      ["systemd-run", "--quiet", "--scope", "--"],
      /\/mptcpize-run-[^/]*\.scope$/,
    ],
  ] as const
) {
  Deno.test({
    name: `run --method bpf forces a command and its children, in ${place}`,
    ...BPF,
    async fn() {
      await using servers = new TestCgroup("mptcpize-test-servers");
      await mustAttach("attach", servers.path);
      await using server = await startServer(servers);
      const client = [RAW_SOCKET, "connect", server.port];
      const run = [...before, ...MPTCPIZE, "run", "--method", "bpf"];
      {
        await using running = new Running([...run, ...client]);
        const { verdict } = await socketIn(running.pid, "ESTABLISHED");
        strictEqual(verdict, "mptcp", "in the very process that was started");
        match(cgroupOf(running.pid), expected);
      }
      const shell = ["sh", "-c", 'exec 3<&0; "$@" <&3 & wait', "sh", ...client];
      await using running = new Running([...run, ...shell]);
      let ended: Deno.CommandStatus | undefined;
      running.status.then((status) => ended = status);
      const child = await until("a child", () => {
        if (ended !== undefined) throw new Error(`it has ended: ${JSON.stringify(ended)}`);
        try {
          const path = `/proc/${running.pid}/task/${running.pid}/children`;
          const pid = Deno.readTextFileSync(path).trim();
          const isShell = Deno.readTextFileSync(`/proc/${running.pid}/comm`) === "sh\n";
          return isShell && /^\d+$/.test(pid) ? Number(pid) : undefined;
        } catch (error) {
          if (error instanceof Deno.errors.NotFound) return undefined;
          throw error;
        }
      });
      strictEqual((await socketIn(child, "ESTABLISHED")).verdict, "mptcp");
      const path = `/sys/fs/cgroup${cgroupOf(child)}`;
      Deno.writeTextFileSync(`${path}/cgroup.kill`, "1");
      await running.status;
      // The next call forgets both.
      await until("the cgroup to be empty", () => {
        try {
          return /populated 0/.test(Deno.readTextFileSync(`${path}/cgroup.events`)) || undefined;
        } catch {
          return true; // systemd has removed it.
        }
      });
      await mustAttach("detach", servers.path);
      deepStrictEqual(await leftovers(), []);
      deepStrictEqual(
        [...Deno.readDirSync(path.replace(/\/[^/]*$/, ""))].filter(({ name }) => NAME.test(name)),
        [],
      );
    },
  });
}

Deno.test({
  name: "run takes bpf by itself for what no environment reaches, and for nothing else",
  ...BPF,
  async fn() {
    const plan = async (...words: string[]) =>
      JSON.parse(await mustAttach("run", "--dry-run", "--json", ...words));
    const folder = Deno.makeTempDirSync();
    try {
      const setId = `${folder}/curl`;
      Deno.copyFileSync("/usr/bin/curl", setId);
      Deno.chownSync(setId, 65534, 65534);
      Deno.chmodSync(setId, 0o4755);
      deepStrictEqual(
        [(await plan(BUSYBOX)).method, (await plan(setId)).method, (await plan("curl")).method],
        ["bpf", "bpf", "preload"],
      );
      strictEqual((await plan("--allow-patch", BUSYBOX)).method, "bpf");
      const { environment, cgroup } = await plan(BUSYBOX);
      deepStrictEqual([environment, cgroup], [{}, "folder"]);
      match((await mptcpize("explain", BUSYBOX)).out, /^bpf +yes +the kernel makes its sockets/m);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: "run --method bpf gives the command's own status, and puts all back when there is none",
  ...BPF,
  async fn() {
    const run = (...words: string[]) => mptcpize("run", "--method", "bpf", ...words);
    strictEqual((await run("sh", "-c", "exit 7")).status, 7);
    const folder = Deno.makeTempDirSync();
    try {
      // Found, and refused by the kernel when it is executed.
      const broken = `${folder}/broken`;
      Deno.writeTextFileSync(broken, "#!/no/such/interpreter\n", { mode: 0o755 });
      const { status } = await run(broken);
      strictEqual([126, 127].includes(status), true, `${status}`);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
    await mptcpize("detach", "/mptcpize-test-never");
    deepStrictEqual(await leftovers(), []);
    const own = `/sys/fs/cgroup${cgroupOf(Deno.pid)}`;
    deepStrictEqual([...Deno.readDirSync(own)].filter(({ name }) => NAME.test(name)), []);
    const { err } = await say([...MPTCPIZE, "run", "--method", "bpf", "no-such-program"]);
    match(err, /no-such-program/);
  },
});

Deno.test({
  name: "run --report has what the kernel counted of programs that load no library",
  ...BPF,
  async fn() {
    await using servers = new TestCgroup("mptcpize-test-servers");
    await mustAttach("attach", servers.path);
    await using server = await startServer(servers);
    const report = async (words: readonly string[], ...flags: readonly string[]) => {
      const file = Deno.makeTempFileSync();
      try {
        await mustAttach("run", ...flags, `--report=${file}`, "--", ...words);
        return JSON.parse(Deno.readTextFileSync(file));
      } finally {
        Deno.removeSync(file);
      }
    };
    const one = { countedBy: "kernel", made: 1, forced: 1, returned: 0, softened: 0 };
    const client = [RAW_SOCKET, "connect", server.port];
    const busybox = [BUSYBOX, "nc", "127.0.0.1", server.port];
    const shell = ["sh", "-c", '"$@"; exec "$@"', "sh", ...busybox];
    const bpf = ["--method", "bpf"];
    deepStrictEqual((await report(busybox)).sockets, one, "auto");
    deepStrictEqual((await report(client, ...bpf)).sockets, one);
    deepStrictEqual((await report(shell, ...bpf)).sockets, { ...one, made: 2, forced: 2 });
    const off = `echo 0 >/proc/sys/net/mptcp/enabled; ${BUSYBOX} nc 127.0.0.1 1 || true`;
    deepStrictEqual(
      (await report(["unshare", "--net", "sh", "-c", off], ...bpf)).sockets,
      { ...one, forced: 0 },
    );
    // TCP_SYNCNT, which MPTCP refuses.
    const option = "import socket; socket.socket().setsockopt(6, 7, 6)";
    deepStrictEqual(
      (await report(["python3", "-c", option], ...bpf)).sockets,
      { ...one, softened: 1 },
    );
    const { err } = await mptcpize("run", ...bpf, "--report", ...client);
    match(err, /^ +sockets +1 made, 1 forced$/m);
    match(err, /^ +note +No library reports where the kernel forces/m);
    // Forgets what the ended commands left.
    await mustAttach("detach", servers.path);
    deepStrictEqual(await leftovers(), []);
  },
});
