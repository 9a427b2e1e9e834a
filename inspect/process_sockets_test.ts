import { strict as assert } from "node:assert";
import { errnoWords } from "../ffi/errno.ts";
import { Fd, openFds } from "../ffi/fd.ts";
import { openPidfd, takePidfdFd } from "../ffi/libc.ts";
import { hasMptcp, makeSockets, startHolder } from "../tests/live_sockets.ts";
import { skipUnless } from "../tests/skip.ts";
import type { Subflow } from "./full_info.ts";
import { readProcessSockets, takeSocket } from "./process_sockets.ts";
import {
  connectionState,
  readFullInfo,
  readMptcpInfo,
  readSubflowArrays,
} from "./stream_socket.ts";
import { parseTcpInfo } from "./tcp_info.ts";

// Opens, for the life of this process, the library that knows the words; no test is to seem to leak it.
errnoWords(0);

/** Whether the kernel, and a container's seccomp filter, let descriptors be taken. */
function hasPidfdGetfd(): boolean {
  const pidfd = openPidfd(Deno.pid);
  if (!(pidfd instanceof Fd)) return false;
  using own = pidfd;
  const copy = takePidfdFd(own, own.number);
  if (copy instanceof Fd) copy[Symbol.dispose]();
  return copy instanceof Fd;
}

const MPTCP = skipUnless("MPTCP", hasMptcp);
const PIDFD_GETFD = skipUnless("pidfd_getfd", hasPidfdGetfd, "Linux 5.6, outside of a container");

Deno.test({
  name: "readProcessSockets() is right about every socket when a process holds all kinds",
  ignore: MPTCP.ignore || PIDFD_GETFD.ignore,
  async fn() {
    await using holder = await startHolder();
    const { command, pid, sockets, unseen } = readProcessSockets(holder.pid);
    const name = Deno.execPath().split("/").pop()?.slice(0, 15);
    assert.deepEqual([command, pid, unseen], [name, holder.pid, 0]);
    const get = (name: string) => {
      const found = sockets.find(({ fd }) => fd === holder.fds[name]);
      assert.ok(found, name);
      return found;
    };
    const { unix, udp, raw, dup, ...streams } = holder.fds;
    assert.deepEqual(
      sockets.map(({ fd }) => fd),
      Object.values(streams).sort((a, b) => a - b),
    );
    const others = [unix, udp, raw];
    assert.ok(sockets.every(({ fds }) => !fds.some((fd) => others.includes(fd))));
    assert.deepEqual(get("v4 client").fds, [streams["v4 client"], dup]);

    const addresses = { v4: "127.0.0.1", v6: "::1", mapped: "::ffff:127.0.0.1" };
    for (const [name, address] of Object.entries(addresses)) {
      const verdicts: Record<string, [verdict: string, state: string]> = {
        listener: ["mptcp", "LISTEN"],
        tcpListener: ["tcp", "LISTEN"],
        unconnected: ["mptcp", "CLOSE"],
        client: ["mptcp", "ESTABLISHED"],
        accepted: ["mptcp", "ESTABLISHED"],
        fallback: ["fallback", "ESTABLISHED"],
        fallbackPeer: ["tcp", "ESTABLISHED"],
        tcp: ["tcp", "ESTABLISHED"],
        acceptedTcp: ["tcp", "ESTABLISHED"],
        half: ["tcp", "CLOSE_WAIT"],
      };
      for (const [role, expected] of Object.entries(verdicts)) {
        const socket = get(`${name} ${role}`);
        assert.deepEqual([socket.verdict, socket.state], expected, `${name} ${role}`);
        assert.equal(socket.family, name === "v4" ? "IPv4" : "IPv6");
        assert.equal(socket.mptcp !== undefined, socket.verdict === "mptcp", role);
        const connected = role === "client" || role === "accepted";
        assert.equal(socket.subflows !== undefined, connected, role);
        assert.equal(socket.local?.address, role === "unconnected" ? undefined : address, role);
        const remote = /istener|unconnected/.test(role) ? undefined : address;
        assert.equal(socket.remote?.address, remote, role);
      }
      const [client, accepted] = [get(`${name} client`), get(`${name} accepted`)];
      assert.deepEqual([client.local, client.remote], [accepted.remote, accepted.local]);
      assert.equal(client.remote?.port, get(`${name} listener`).local?.port);
      const [subflow] = client.subflows ?? [];
      assert.equal(client.subflows?.length, 1);
      assert.deepEqual([subflow?.local, subflow?.remote], [client.local, client.remote]);
      assert.deepEqual([subflow?.tcp?.state, subflow?.tcp?.bytesSent], ["ESTABLISHED", 5]);
      assert.equal(accepted.subflows?.[0]?.tcp?.bytesReceived, 5);
      assert.notEqual(client.mptcp?.token, accepted.mptcp?.token);
      assert.match(client.evidence, /^SO_PROTOCOL 262, MPTCP_INFO \d+ bytes, token 0x[0-9a-f]{8}$/);
      const refusal = name === "v4" ? "EOPNOTSUPP" : "ENOPROTOOPT";
      assert.equal(
        get(`${name} fallback`).evidence,
        `SO_PROTOCOL 262, MPTCP_INFO: ${refusal}, TCP_USER_TIMEOUT: 0`,
      );
      assert.equal(get(`${name} tcp`).evidence, "SO_PROTOCOL 6");
    }
    assert.deepEqual(openFds(), []);
  },
});

Deno.test({
  name: "readMptcpInfo() and both ways to the subflows agree when the sockets are this process's",
  ignore: MPTCP.ignore || PIDFD_GETFD.ignore,
  fn() {
    const fds = makeSockets();
    try {
      const { sockets } = readProcessSockets(Deno.pid);
      for (const name of Object.keys(fds)) {
        if (fds[name] === -1) continue; // What this user may not open.
        const info = readMptcpInfo(fds[name] ?? -1);
        const mptcp = /listener|unconnected|client|accepted$|dup/.test(name);
        assert.equal(info !== undefined, mptcp, name);
        const socket = sockets.find((one) => one.fds.includes(fds[name] ?? -1));
        assert.equal(socket?.mptcp?.token, info?.token, name);
      }
      const client = fds["mapped client"] ?? -1;
      const full = readFullInfo(client);
      const arrays = readSubflowArrays(client);
      assert.equal(arrays.length, 1);
      assert.equal(arrays[0]?.tcp?.state, "ESTABLISHED");
      if (full) assert.deepEqual(full.map((subflow) => ({ ...subflow, id: undefined })), arrays);
      const socket = sockets.find(({ fd }) => fd === client);
      assert.equal(socket?.subflows?.[0]?.id !== undefined, full !== undefined);
      // With no room at first, the kernel's count makes it.
      assert.deepEqual(readFullInfo(client, 0), full);
      assert.deepEqual(readSubflowArrays(client, 0), arrays);
    } finally {
      for (const fd of Object.values(fds)) new Fd(fd)[Symbol.dispose]();
    }
  },
});

Deno.test({
  name: "takeSocket() takes nothing when the number has become another socket",
  ...PIDFD_GETFD,
  fn() {
    using _listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    using pidfd = openPidfd(Deno.pid) as Fd;
    const { sockets } = readProcessSockets(Deno.pid);
    const { fd = -1, inode = -1 } = sockets.find(({ state }) => state === "LISTEN") ?? {};
    const before = openFds().length;
    assert.deepEqual(takeSocket(pidfd, [fd, pidfd.number], inode + 1), { errno: 9 });
    assert.equal(openFds().length, before);
    using copy = takeSocket(pidfd, [pidfd.number, fd], inode) as Fd;
    assert.ok(copy instanceof Fd);
  },
});

Deno.test("connectionState() is of the first subflow that is open when others are closed", () => {
  const subflow = (state: string): Subflow => ({
    id: undefined,
    local: undefined,
    remote: undefined,
    tcp: { ...parseTcpInfo(new Uint8Array()), state },
  });
  const closed = subflow("CLOSE");
  assert.equal(connectionState([closed, subflow("SYN_SENT"), subflow("ESTABLISHED")]), "SYN_SENT");
  assert.equal(connectionState([closed, { ...closed, tcp: undefined }]), "CLOSE");
  assert.equal(connectionState([]), "CLOSE");
});

Deno.test("readMptcpInfo() throws when the descriptor is closed or no socket", () => {
  assert.throws(() => readMptcpInfo(1_000_000), {
    name: "SyscallError",
    message:
      "Cannot read MPTCP_INFO of descriptor 1000000: Bad file descriptor (getsockopt: EBADF)",
  });
  using pidfd = openPidfd(Deno.pid) as Fd;
  assert.throws(() => readMptcpInfo(pidfd.number), { name: "SyscallError", code: "ENOTSOCK" });
});

Deno.test("readProcessSockets() throws NotFoundError when there is no such process", async () => {
  const ended = new Deno.Command("true").spawn();
  await ended.status;
  for (const pid of [ended.pid, 0, -1, 1.5, NaN, 2 ** 40]) {
    assert.throws(() => readProcessSockets(pid), { name: "NotFoundError" }, `${pid}`);
  }
  assert.throws(() => readProcessSockets(ended.pid), {
    message: `Cannot read the sockets of process ${ended.pid}: no such process (pidfd_open: ESRCH)`,
  });
});

Deno.test("readProcessSockets() throws NotFoundError when the id is of a thread", () => {
  const thread = [...Deno.readDirSync("/proc/self/task")].map(({ name }) => Number(name))
    .find((id) => id !== Deno.pid);
  assert.ok(thread);
  assert.throws(() => readProcessSockets(thread), {
    name: "NotFoundError",
    message: /a thread or no id at all/,
  });
});

Deno.test("readProcessSockets() finds nothing when the process is a zombie", async () => {
  // The child ends and its parent, which became sleep, never asks for its status.
  const parent = new Deno.Command("sh", {
    args: ["-c", "sleep 0.02 & echo $!; exec sleep 30"],
    stdout: "piped",
  }).spawn();
  try {
    const reader = parent.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const pid = Number((await reader.read()).value);
    for (let waited = 0; !/^\d+ \(.*\) Z/.test(Deno.readTextFileSync(`/proc/${pid}/stat`));) {
      assert.ok(waited++ < 200, "it is no zombie after 2 s");
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const { sockets, unseen } = readProcessSockets(pid);
    assert.deepEqual([sockets, unseen], [[], 0]);
    await reader.cancel();
  } finally {
    parent.kill();
    await parent.status;
  }
});

Deno.test({
  name: "readProcessSockets() does not fail when sockets and the process vanish",
  ...PIDFD_GETFD,
  async fn() {
    const process = new Deno.Command(Deno.execPath(), {
      args: [
        "eval",
        `console.log("ready");
       for (;;) {
         const opened = Array.from({ length: 20 }, () => Deno.listen({ hostname: "127.0.0.1", port: 0 }));
         for (const one of opened) one.close();
       }`,
      ],
      stdout: "piped",
    }).spawn();
    const reader = process.stdout.getReader();
    await reader.read();
    let seen = 0;
    let unseen = 0;
    const read = () => {
      const { sockets, unseen: gone } = readProcessSockets(process.pid);
      seen += sockets.length;
      unseen += gone;
      for (const { state } of sockets) assert.match(state, /^(LISTEN|CLOSE)$/);
    };
    const deadline = Date.now() + 5000;
    while ((seen === 0 || unseen === 0) && Date.now() < deadline) read();
    process.kill("SIGKILL");
    for (let round = 0; round < 20; round++) read();
    await reader.cancel();
    await process.status;
    assert.ok(seen > 0 && unseen > 0, `${seen} seen, ${unseen} unseen`);
    assert.deepEqual(openFds(), []);
    assert.throws(() => readProcessSockets(process.pid), { name: "NotFoundError" });
  },
});
