/**
 * That what runs in an attached target speaks MPTCP, whatever program it is, and nothing else does: by
 * MPTCP_INFO, asked for from outside.
 *
 * @module
 */

import { deepStrictEqual, match, ok, strictEqual } from "node:assert";
import { readCgroup } from "../../inspect/mod.ts";
import {
  BPF,
  BUSYBOX,
  leftovers,
  MPTCPIZE,
  mptcpize,
  must,
  mustAttach,
  RAW_SOCKET,
  say,
  socketIn,
  startServer,
  TestCgroup,
  until,
} from "./scene.ts";

const NGINX = (port: string) =>
  `daemon off; master_process off; pid nginx.pid; error_log stderr;
events {}
http { access_log off; server { listen 127.0.0.1:${port}; root .; } }
`;

/** Starts a client and asks what its connection is. */
async function verdictOf(cgroup: TestCgroup, words: readonly string[], below = "") {
  await using client = cgroup.start(words, below);
  return (await socketIn(client.pid, "ESTABLISHED")).verdict;
}

/** A copy of curl that becomes another user, whom the loader ignores LD_PRELOAD for. */
function makeSetId(folder: string): string {
  const path = `${folder}/curl-nobody`;
  Deno.copyFileSync("/usr/bin/curl", path);
  Deno.chownSync(path, 65534, 65534);
  Deno.chmodSync(path, 0o4755);
  Deno.chmodSync(folder, 0o755);
  return path;
}

Deno.test({
  name: "attach makes each kind of program speak MPTCP in a cgroup and below, and none outside",
  ...BPF,
  async fn() {
    const folder = Deno.makeTempDirSync();
    await using inside = new TestCgroup("mptcpize-test-inside");
    await using outside = new TestCgroup("mptcpize-test-outside");
    try {
      // One by its path, one by its name below the mount.
      match(await mustAttach("attach", inside.path), /^attached +\/mptcpize-test-inside \(0 proc/);
      await using server = await startServer(inside);
      strictEqual(server.listener.verdict, "mptcp");
      const url = `http://127.0.0.1:${server.port}/`;
      const programs: Record<string, readonly string[]> = {
        "static C": [BUSYBOX, "wget", "-q", "-O", "/dev/null", url],
        "static Go": [RAW_SOCKET, "connect", server.port],
        "set-user-ID": [makeSetId(folder), "-s", url],
        "dynamic": ["curl", "-s", url],
      };
      const verdicts = async (cgroup: TestCgroup, below = "") =>
        Object.fromEntries(
          await Promise.all(
            Object.entries(programs).map(async ([kind, words]) =>
              [kind, await verdictOf(cgroup, words, below)] as const
            ),
          ),
        );
      const all = (verdict: string) =>
        Object.fromEntries(Object.keys(programs).map((kind) => [kind, verdict]));
      deepStrictEqual(await verdicts(inside), all("mptcp"));
      deepStrictEqual(await verdicts(inside, "below/it"), all("mptcp"));
      deepStrictEqual(await verdicts(outside), all("tcp"));
      const forced = [...MPTCPIZE, "run", "curl", "-s", url];
      strictEqual(await verdictOf(inside, forced), "mptcp", "with the preload library as well");
      Deno.writeTextFileSync(`${folder}/nginx.conf`, NGINX("9299"));
      await using nginx = inside.start(["nginx", "-p", folder, "-c", "nginx.conf"]);
      strictEqual((await socketIn(nginx.pid, "LISTEN")).verdict, "mptcp");
      match(await mustAttach("detach", "/mptcpize-test-inside"), /^detached .*\nNothing of mptcpi/);
      deepStrictEqual(await verdicts(inside), all("tcp"), "detached again");
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
    deepStrictEqual(await leftovers(), []);
  },
});

Deno.test({
  name: "attach and detach can be repeated, tell what was there, and leave nothing",
  ...BPF,
  async fn() {
    await using cgroup = new TestCgroup("mptcpize-test-again");
    const name = `/${cgroup.name}`;
    deepStrictEqual(
      JSON.parse(await mustAttach("attach", "--dry-run", "--json", name)).done,
      false,
    );
    deepStrictEqual(await leftovers(), [], "--dry-run does nothing");
    match(await mustAttach("attach", name), /^attached /);
    match(await mustAttach("attach", name), /^kept /);
    const { targets } = JSON.parse(await mustAttach("attach", "--strict", "--json", name));
    deepStrictEqual([targets[0].attachedBefore, targets[0].strict], [false, true]);
    match(await mustAttach("detach", "--dry-run", name), /^detach /);
    match(await mustAttach("detach", name, "/mptcpize-test-never"), /^detached .*\nabsent .*never/);
    match(await mustAttach("detach", name), /^absent +\/mptcpize-test-again is not attached\n$/);
    match(await mustAttach("attach", "--quiet", name), /^$/);
    await cgroup.remove();
    match(await mustAttach("detach", name), /^detached /, "one that is gone can be named");
    deepStrictEqual(await leftovers(), []);
  },
});

Deno.test({
  name: "attach does all or nothing",
  ...BPF,
  async fn() {
    await using cgroup = new TestCgroup("mptcpize-test-all-or-nothing");
    const { status, err } = await mptcpize("attach", cgroup.path, "/mptcpize-test-never");
    strictEqual(status, 1);
    match(err, /^mptcpize: Cannot find cgroup \/mptcpize-test-never: [^\n]+\n\nhint: [^\n]+\n$/);
    deepStrictEqual(await leftovers(), []);
  },
});

Deno.test({
  name: "attach and detach name the right that an ordinary user lacks, and change nothing",
  ...BPF,
  async fn() {
    await using cgroup = new TestCgroup("mptcpize-test-user");
    const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    const said = await say([...nobody, ...MPTCPIZE, "attach", "--json", cgroup.path]);
    strictEqual(said.status, 1, said.err);
    const error = JSON.parse(said.err);
    strictEqual(error.error, "NotPermittedError");
    match(error.message, /: it takes CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN$/);
    strictEqual(error.capability, "CAP_BPF,CAP_PERFMON,CAP_NET_ADMIN");
    deepStrictEqual(await leftovers(), []);
    const run = await say([...nobody, ...MPTCPIZE, "run", "--method", "bpf", "true"]);
    strictEqual(run.status, 125);
    match(run.err, /Cannot force \S+true by BPF: .*\n\nhint: run it as root/);
  },
});

Deno.test({
  name: "attach --comm takes programs by their names, and --all everything",
  ...BPF,
  async fn() {
    await using cgroup = new TestCgroup("mptcpize-test-names");
    await using servers = new TestCgroup("mptcpize-test-servers");
    await mustAttach("attach", servers.path);
    await using server = await startServer(servers);
    const raw = [RAW_SOCKET, "connect", server.port];
    const nc = [BUSYBOX, "nc", "127.0.0.1", server.port];
    match(await mustAttach("attach", "--comm", "raw_socket"), /programs named raw_socket/);
    deepStrictEqual([await verdictOf(cgroup, raw), await verdictOf(cgroup, nc)], ["mptcp", "tcp"]);
    match(await mustAttach("attach", "--all"), /^attached +everything/);
    strictEqual(await verdictOf(cgroup, nc), "mptcp");
    await mustAttach("detach", "--all", "--comm", "raw_socket", servers.path);
    strictEqual(await verdictOf(cgroup, raw), "tcp");
    deepStrictEqual(await leftovers(), []);
  },
});

Deno.test({
  name: "attach takes a service, a slice, and the cgroup of a process, by systemd's own names",
  ...BPF,
  async fn() {
    await using servers = new TestCgroup("mptcpize-test-servers");
    await mustAttach("attach", servers.path);
    await using server = await startServer(servers);
    const client = [RAW_SOCKET, "connect", server.port];
    const units = ["mptcpize-test-a.service", "mptcpize-test-b.service"] as const;
    const path = (name: string) => `/sys/fs/cgroup/mptcpizetest.slice/${name}`;
    const inUnit = async (name: string) => {
      const cgroup = Object.create(TestCgroup.prototype, { path: { value: path(name) } });
      return await verdictOf(cgroup as TestCgroup, client);
    };
    try {
      for (const name of units) {
        const words = [`--unit=${name}`, "--slice=mptcpizetest", "sleep", "infinity"];
        await must("systemd-run", "--quiet", ...words);
      }
      match(
        await mustAttach("attach", units[0]),
        /^attached +mptcpize-test-a\.service \(1 process\)\nhint: /,
      );
      deepStrictEqual([await inUnit(units[0]), await inUnit(units[1])], ["mptcp", "tcp"]);
      match(await mustAttach("detach", units[0]), /^detached +mptcpize-test-a\.service\n$/);
      match(await mustAttach("attach", "mptcpizetest.slice"), /mptcpizetest\.slice \(2 processes/);
      deepStrictEqual([await inUnit(units[0]), await inUnit(units[1])], ["mptcp", "mptcp"]);
      await mustAttach("detach", "mptcpizetest.slice");
      const pid = (await must("systemctl", "show", "-P", "MainPID", units[1])).trim();
      match(await mustAttach("attach", "--pid", pid), new RegExp(`process ${pid} \\(.*test-b`));
      deepStrictEqual([await inUnit(units[0]), await inUnit(units[1])], ["tcp", "mptcp"]);
      await must("systemctl", "stop", units[1]);
      await until("its cgroup to go", () => {
        try {
          Deno.statSync(path(units[1]));
          return undefined;
        } catch {
          return true;
        }
      });
      const stopped = await mptcpize("attach", units[1]);
      match(stopped.err, /mptcpize-test-b\.service as a target: /);
      await mustAttach("detach", units[1], servers.path);
    } finally {
      // Not `must`: what is transient and has ended is not known any more.
      await say(["systemctl", "stop", ...units, "mptcpizetest.slice"]);
    }
    deepStrictEqual(await leftovers(), []);
  },
});

Deno.test({
  name: "attach --container takes a container of podman by the start of its id",
  ...BPF,
  async fn() {
    const root = Deno.makeTempDirSync();
    const podman = ["podman", "--storage-driver=vfs"];
    await using servers = new TestCgroup("mptcpize-test-servers");
    await mustAttach("attach", servers.path);
    await using server = await startServer(servers);
    let id = "";
    try {
      Deno.mkdirSync(`${root}/bin`);
      Deno.copyFileSync(BUSYBOX, `${root}/bin/busybox`);
      await must("tar", "-C", root, "-cf", `${root}.tar`, ".");
      await must(...podman, "import", "-q", `${root}.tar`, "mptcpize-test");
      const run = [...podman, "run", "-d", "--network=host", "--security-opt=seccomp=unconfined"];
      id = (await must(...run, "mptcpize-test", "/bin/busybox", "sleep", "1000000")).trim();
      match(id, /^[0-9a-f]{64}$/);
      const url = `http://127.0.0.1:${server.port}/`;
      const client = ["/bin/busybox", "wget", "-q", "-O", "/dev/null", url];
      const verdict = async () => {
        await must(...podman, "exec", "-d", id, ...client);
        const pid = await until("wget in the container", () => findWget(id));
        const { verdict } = await socketIn(pid, "ESTABLISHED");
        Deno.kill(pid, "SIGKILL");
        await until("wget to end", () => findWget(id) === undefined || undefined);
        return verdict;
      };
      strictEqual(await verdict(), "tcp");
      const said = await mustAttach("attach", "--container", id.slice(0, 12));
      match(said, new RegExp(`^attached +container ${id.slice(0, 12)} \\(1 process`));
      strictEqual(await verdict(), "mptcp");
      match(await mustAttach("detach", "--container", id.slice(0, 6)), /^detached /);
      strictEqual(await verdict(), "tcp");
    } finally {
      if (id !== "") await must(...podman, "rm", "-f", "-t", "0", id);
      await say([...podman, "rmi", "mptcpize-test"]);
      await mustAttach("detach", servers.path);
      Deno.removeSync(root, { recursive: true });
      await say(["rm", "-f", `${root}.tar`]);
    }
    deepStrictEqual(await leftovers(), []);
  },
});

/** The process of wget in a container. */
function findWget(id: string): number | undefined {
  return readCgroup(`/machine.slice/libpod-${id}.scope`).pids.find((pid) => {
    try {
      return Deno.readTextFileSync(`/proc/${pid}/cmdline`).includes("\0wget\0");
    } catch {
      return false; // It has ended.
    }
  });
}

Deno.test({
  name: "attach refuses wrong words before it changes anything",
  ...BPF,
  async fn() {
    for (
      const [words, status] of [
        [[], 2],
        [["--pid", "1x"], 2],
        [["--container", "zz"], 2],
        [["--comm", "a-name-that-is-too-long"], 2],
        [["no-such-unit"], 1],
        [["/"], 2],
        [["--pid", "2"], 2], // a kernel thread is in the uppermost cgroup
      ] as const
    ) {
      const { status: seen, err } = await mptcpize("attach", ...words);
      strictEqual(seen, status, `${words.join(" ")}: ${err}`);
      match(err, /^mptcpize: Cannot [^\n]+\n\nhint: [^\n]+\n$/);
    }
    ok((await leftovers()).length === 0);
  },
});
