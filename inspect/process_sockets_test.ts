import { strict as assert } from "node:assert";
import { errnoWords } from "../ffi/errno.ts";
import { Fd, openFds } from "../ffi/fd.ts";
import { openPidfd, openSocket, takePidfdFd } from "../ffi/libc.ts";
import { skipUnless } from "../tests/skip.ts";
import { readProcessSockets } from "./process_sockets.ts";
import { readFullInfo, readMptcpInfo, readSubflowArrays } from "./stream_socket.ts";

/**
 * Opens sockets of all kinds in this process and gives their descriptors by name.
 *
 * Stands alone, so that its text can be run by another process.
 */
function makeSockets(): Record<string, number> {
  const library = Deno.dlopen("libc.so.6", {
    socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
    bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
    listen: { parameters: ["i32", "i32"], result: "i32" },
    connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
    accept: { parameters: ["i32", "pointer", "pointer"], result: "i32" },
    getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
    send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
    recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
    dup: { parameters: ["i32"], result: "i32" },
    close: { parameters: ["i32"], result: "i32" },
  });
  const libc = library.symbols;
  const check = (value: number | bigint) => {
    if (Number(value) < 0) throw new Error("a socket call failed");
    return Number(value);
  };
  const [AF_UNIX, AF_INET, AF_INET6, TCP, MPTCP] = [1, 2, 10, 6, 262];
  const listen = (family: number, protocol: number, host: readonly number[]) => {
    const address = new Uint8Array(family === AF_INET ? 16 : 28);
    address.set([family, 0]);
    address.set(host, family === AF_INET ? 4 : 24 - host.length);
    const fd = check(libc.socket(family, 1, protocol));
    check(libc.bind(fd, address, address.length));
    check(libc.listen(fd, 8));
    check(libc.getsockname(fd, address, new Uint32Array([address.length])));
    return { fd, address };
  };
  const connect = (protocol: number, to: { fd: number; address: Uint8Array<ArrayBuffer> }) => {
    const client = check(libc.socket(to.address[0] ?? 0, 1, protocol));
    check(libc.connect(client, to.address, to.address.length));
    const accepted = check(libc.accept(to.fd, null, null));
    check(libc.send(client, new Uint8Array(5), 5n, 0));
    check(libc.recv(accepted, new Uint8Array(5), 5n, 0));
    return [client, accepted] as const;
  };
  const fds: Record<string, number> = {
    unix: check(libc.socket(AF_UNIX, 1, 0)),
    udp: check(libc.socket(AF_INET, 2, 0)),
  };
  const hosts = {
    v4: [AF_INET, [127, 0, 0, 1]],
    v6: [AF_INET6, [1]],
    mapped: [AF_INET6, [255, 255, 127, 0, 0, 1]],
  } as const;
  for (const [name, [family, host]] of Object.entries(hosts)) {
    const listener = listen(family, MPTCP, host);
    const tcpListener = listen(family, TCP, host);
    const [client, accepted] = connect(MPTCP, listener);
    const [fallback, fallbackPeer] = connect(MPTCP, tcpListener);
    const [tcp, acceptedTcp] = connect(TCP, listener);
    const [half, closed] = connect(TCP, tcpListener);
    libc.close(closed);
    Object.assign(fds, {
      [`${name} listener`]: listener.fd,
      [`${name} tcpListener`]: tcpListener.fd,
      [`${name} unconnected`]: check(libc.socket(family, 1, MPTCP)),
      [`${name} client`]: client,
      [`${name} accepted`]: accepted,
      [`${name} fallback`]: fallback,
      [`${name} fallbackPeer`]: fallbackPeer,
      [`${name} tcp`]: tcp,
      [`${name} acceptedTcp`]: acceptedTcp,
      [`${name} half`]: half,
    });
  }
  fds["dup"] = check(libc.dup(fds["v4 client"] ?? -1));
  library.close();
  return fds;
}

function hasMptcp(): boolean {
  try {
    using _socket = openSocket(2, 1, 262);
    return true;
  } catch {
    return false;
  }
}

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

/** Starts a process that holds sockets until it is disposed of. */
async function startHolder() {
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      `const fds = (${makeSockets})();
       console.log(JSON.stringify(fds));
       Deno.stdin.readSync(new Uint8Array(1));`,
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const lines = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value = "{}" } = await lines.read();
  const fds: Record<string, number> = JSON.parse(value);
  return {
    pid: process.pid,
    fds,
    async [Symbol.asyncDispose]() {
      await process.stdin.close();
      await lines.cancel();
      await process.status;
    },
  };
}

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
    const { unix, udp, dup, ...streams } = holder.fds;
    assert.deepEqual(
      sockets.map(({ fd }) => fd),
      Object.values(streams).sort((a, b) => a - b),
    );
    assert.ok(sockets.every(({ fds }) => !fds.includes(unix ?? -1) && !fds.includes(udp ?? -1)));
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
    } finally {
      for (const fd of Object.values(fds)) new Fd(fd)[Symbol.dispose]();
    }
  },
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
    args: ["-c", "true & echo $!; exec sleep 30"],
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
