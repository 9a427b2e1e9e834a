/**
 * That `run --report` tells what became of a command's sockets, and that the command does not notice.
 *
 * @module
 */

import { deepStrictEqual, match, ok, strictEqual } from "node:assert";
import type { RunReport } from "../../mod.ts";
import { NetworkNamespace } from "../apps/netns.ts";
import { hasMptcp } from "../live_sockets.ts";
import { commandExists, skipUnless, skipUnlessAll } from "../skip.ts";
import { addBackup, needs, PORT } from "./ends.ts";
import { type Ended, makeNetwork, mptcpizeIn, runIn, setUp, startPeer } from "./network.ts";
import { withTerminal } from "./terminal.ts";

const CLI = new URL("../../cli/mptcpize.ts", import.meta.url).pathname;
const RUN = [Deno.execPath(), "run", "-qA", CLI, "run", "--report"];

const python = skipUnlessAll(
  skipUnless("MPTCP", hasMptcp),
  skipUnless("python3", commandExists("python3")),
);
const networked = skipUnlessAll(python, needs);

/** What the library counts besides. */
const COUNTED = { countedBy: "library", returned: 0 };

/** Runs a command and gives its report; with `flags`, in a namespace. */
async function report(
  words: readonly string[],
  namespace?: NetworkNamespace,
): Promise<RunReport & { readonly ended: Ended }> {
  const file = await Deno.makeTempFile();
  try {
    const [run = "", ...flags] = [...RUN.slice(0, -1), `--report=${file}`, "--", ...words];
    const ended = namespace === undefined
      ? await runHere([run, ...flags])
      : await runIn(namespace, [run, ...flags]);
    return { ...JSON.parse(await Deno.readTextFile(file)), ended };
  } finally {
    await Deno.remove(file);
  }
}

async function runHere([program = "", ...args]: readonly string[]): Promise<Ended> {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args,
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder();
  return { status: code, out: text.decode(stdout), err: text.decode(stderr) };
}

/** A client in Python: connects, lets bytes be echoed, and does what else it is told to. */
function client(address: string, then: string): string[] {
  return [
    "python3",
    "-c",
    `
import ctypes, encodings.idna, os, socket, sys, threading, time
def connect():
    s = socket.create_connection(("${address}", ${PORT}))
    s.sendall(bytes(1000))
    got = 0
    while got < 1000: got += len(s.recv(1000))
    return s
${then}`,
  ];
}

/** Connects and closes in less time than any look from outside takes. */
const SHORT = "connect().close()";

Deno.test({
  name:
    "run --report shows a connection of a few milliseconds, with its bytes, in text and as JSON",
  ...networked,
  fn: async () => {
    await using network = await makeNetwork();
    const address = network.addresses.IPv4;
    await using _server = await startPeer(network.server, "serve", "MPTCP", address, PORT);
    const seen = await report(client(address, SHORT), network.client);
    deepStrictEqual(seen.sockets, { ...COUNTED, made: 1, forced: 1 });
    deepStrictEqual(seen.connections, { mptcp: 1, fallback: 0, tcp: 0 });
    deepStrictEqual(seen.paths, [{
      local: "10.9.0.1",
      remote: address,
      verdict: "mptcp",
      flows: 1,
      bytesSent: 1000,
      bytesReceived: 1000,
    }]);
    deepStrictEqual([seen.end, seen.lost, seen.notes], [{ kind: "exited", status: 0 }, 0, []]);

    const { status, out, err } = await mptcpizeIn(
      network.client,
      ...["run", "--report", ...client(address, `${SHORT}; print("own"); sys.exit(3)`)],
    );
    deepStrictEqual([status, out], [3, "own\n"]);
    match(err, /^\nmptcpize: python3, \d+\.\d\d s, exit status 3$/m);
    match(err, /^ +sockets +1 made, 1 forced$/m);
    match(err, /^ +connections +1 MPTCP, 1 subflow$/m);
    match(err, /^ +paths +10\.9\.0\.1 to 10\.9\.1\.1 +1 subflow +sent 1\.0 kB, received 1\.0 kB$/m);
    for (const line of err.split("\n")) ok(line.length <= 80, line);
  },
});

Deno.test({
  name: "run --report tells the bytes of each path when there are two",
  ...networked,
  fn: async () => {
    await using network = await makeNetwork();
    await addBackup(network);
    const address = network.addresses.IPv4;
    await setUp(
      network.client,
      `
      ip mptcp endpoint add 10.8.0.1 dev spare subflow
      ip route add 10.9.1.0/24 via 10.8.0.2 table 100; ip rule add from 10.8.0.1 table 100
      `,
    );
    await using _server = await startPeer(network.server, "serve", "MPTCP", address, PORT);
    const then = "s = connect(); time.sleep(2); s.close()";
    const { subflows, paths } = await report(client(address, then), network.client);
    strictEqual(subflows, 2);
    deepStrictEqual(paths.map(({ local, flows }) => [local, flows]).sort(), [
      ["10.8.0.1", 1],
      ["10.9.0.1", 1],
    ]);
  },
});

Deno.test({
  name: "run --report tells why connections fell back, and of those that were never MPTCP",
  ...networked,
  fn: async () => {
    await using network = await makeNetwork();
    const address = network.addresses.IPv4;
    await using _server = await startPeer(network.server, "serve", "TCP", address, PORT);
    const fallen = await report(client(address, `${SHORT}; ${SHORT}`), network.client);
    deepStrictEqual(fallen.connections, { mptcp: 0, fallback: 2, tcp: 0 });
    strictEqual(fallen.fallbackReasons[0]?.code, "answered-as-tcp");
    deepStrictEqual(
      fallen.paths.map(({ verdict, flows, bytesReceived }) => [verdict, flows, bytesReceived]),
      [["fallback", 2, 2000]],
    );
    await setUp(network.client, "echo 0 >/proc/sys/net/mptcp/enabled");
    const off = await report(client(address, SHORT), network.client);
    deepStrictEqual(off.sockets, { ...COUNTED, made: 1, forced: 0, refusal: "ENOPROTOOPT" });
    deepStrictEqual(off.connections, { mptcp: 0, fallback: 0, tcp: 1 });
  },
});

/** A filter that ends the process for getsockopt(2), as a sandbox does; without a right. */
const SANDBOX = `
s = connect()
import platform, struct
libc = ctypes.CDLL(None, use_errno=True)
number = {"x86_64": 55}.get(platform.machine(), 209)
code = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (6, 0, 0, 0x80000000), (6, 0, 0, 0x7fff0000)]
program = b"".join(struct.pack("HBBI", *each) for each in code)
buffer = ctypes.create_string_buffer(program)
class Prog(ctypes.Structure): _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
prog = Prog(len(code), ctypes.addressof(buffer))
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(prog), 0, 0) == 0
s.close(); print("survived")`;

Deno.test({
  name:
    "run --report sees forks, threads, left users, sandboxes and what is left open, and harms none",
  ...networked,
  fn: async () => {
    await using network = await makeNetwork();
    const address = network.addresses.IPv4;
    await using _server = await startPeer(network.server, "serve", "MPTCP", address, PORT);
    const cases: Record<string, readonly [then: string, connections: number]> = {
      "left open at the end": ["held = connect(); os._exit(0)", 1],
      "a fork that closes its copy": [
        "s = connect()\nif os.fork() == 0: s.close(); os._exit(0)\nos.wait(); s.send(b'x'); s.close()",
        1,
      ],
      "a child that becomes another program": [
        `import subprocess; subprocess.run([sys.executable, "-c", "import socket; ` +
        `socket.create_connection(('${address}', ${PORT})).close()"], check=True); ${SHORT}`,
        2,
      ],
      "threads": [
        `ts = [threading.Thread(target=lambda: ${SHORT}) for _ in range(20)]\n` +
        "for t in ts: t.start()\nfor t in ts: t.join()",
        20,
      ],
      "another user": [`os.setgid(65534); os.setuid(65534); ${SHORT}`, 1],
      "a root folder without anything": [`os.chroot("/proc/self/fdinfo"); ${SHORT}`, 1],
      "all descriptors closed": ["s = connect(); os.closerange(3, 1000)", 1],
    };
    for (const [name, [then, connections]] of Object.entries(cases)) {
      const seen = await report(client(address, then), network.client);
      deepStrictEqual([seen.end, seen.ended.err], [{ kind: "exited", status: 0 }, ""], name);
      deepStrictEqual(seen.connections, { mptcp: connections, fallback: 0, tcp: 0 }, name);
      deepStrictEqual(seen.sockets, { ...COUNTED, made: connections, forced: connections }, name);
    }
    // In it nothing is asked that the program does not ask itself.
    const { ended } = await report(client(address, SANDBOX), network.client);
    deepStrictEqual([ended.status, ended.out], [0, "survived\n"]);
  },
});

Deno.test({
  name: "run --report has what was open when a signal ended the command",
  ...networked,
  fn: async () => {
    await using network = await makeNetwork();
    const address = network.addresses.IPv4;
    await using _server = await startPeer(network.server, "serve", "MPTCP", address, PORT);
    // Looks are at most a second apart, or take a twentieth of the time.
    const then = "s = connect(); time.sleep(5); os.kill(os.getpid(), 9)";
    const seen = await report(client(address, then), network.client);
    deepStrictEqual(seen.end, { kind: "killed", signal: 9 });
    deepStrictEqual(seen.connections, { mptcp: 1, fallback: 0, tcp: 0 });
    deepStrictEqual(seen.paths.map(({ bytesSent }) => bytesSent), [1000]);
  },
});

Deno.test({
  name: "run --report counts what it could not read when thousands close at once",
  ...python,
  fn: async () => {
    const then = `
import socket
all = [socket.socket() for _ in range(1500)]
for s in all: s.bind(("127.0.0.1", 0)); s.listen()
for s in all: s.close()`;
    const words = ["sh", "-c", 'ulimit -n 4096; exec "$@"', "sh", "python3", "-c", then];
    const { listeners, sockets, lost, ended } = await report(words);
    strictEqual(ended.err, "");
    deepStrictEqual(sockets, { ...COUNTED, made: 1500, forced: 1500 });
    ok(listeners.mptcp + lost >= 1500, `${listeners.mptcp} seen, ${lost} lost`);
    ok(listeners.mptcp >= 1000, `${listeners.mptcp} seen`);
  },
});

Deno.test({
  name: "run --report says that a static program does not report, and what the counters say",
  ...skipUnlessAll(networked, skipUnless("busybox", commandExists("busybox"))),
  fn: async () => {
    await using network = await makeNetwork();
    const words = ["--method", "preload", "busybox", "true"];
    const { status, err } = await mptcpizeIn(network.client, "run", "--report", ...words);
    strictEqual(status, 0);
    match(err, /^ +sockets +not counted$/m);
    match(err, /^ +note +No program of it loaded the library/m);
    // Its shell does, which makes none; looks are at most a second apart, or take a twentieth of the time.
    const listening = "busybox nc -l -p 8090 & sleep 5; kill $!";
    const { sockets, listeners, notes } = await report(["sh", "-c", listening], network.client);
    deepStrictEqual(sockets, { ...COUNTED, made: 0, forced: 0 });
    deepStrictEqual(listeners, { mptcp: 0, fallback: 0, tcp: 1 });
    match(notes.join(), /What made its sockets did not load the library/);
  },
});

Deno.test({
  name:
    "run --report ends as the command ends, and finds it descriptors, signals and group as they were",
  ...python,
  fn: async () => {
    const status = async (...words: string[]) => (await runHere(words)).status;
    for (
      const script of [
        "exit 0",
        "exit 7",
        "exit 255",
        ...["INT", "HUP", "QUIT", "KILL", "SEGV", "USR2"].map((name) => `kill -${name} $$`),
      ]
    ) {
      const direct = await status("bash", "-c", script);
      strictEqual(await status(...RUN, "--", "bash", "-c", script), direct, script);
    }
    // The two signals of the C library's own are ignored by whom posix_spawn() starts.
    const world = "ulimit -n; ulimit -Sc; " +
      "sed -nE 's/^(Sig(Blk|Ign|Cgt).*)[0-9a-f]{8}(.{8})$/\\1 \\3/p' /proc/self/status; " +
      "ls -l /proc/self/fd | sed -n 's/.* \\([0-9]*\\) -> .*/\\1/p' | tr '\\n' ' '; pwd; umask";
    const through = [...RUN.slice(0, 5), "--", "bash", "-c", world];
    const [direct, reported] = [
      await runHere(through),
      await runHere([...RUN, ...through.slice(6)]),
    ];
    strictEqual(reported.out, direct.out);
    const group = 'test "$(ps -o pgid= $$)" = "$(ps -o pgid= $PPID)"';
    strictEqual(await status(...RUN, "--", "bash", "-c", group), 0);
  },
});

Deno.test({
  name: "run --report passes signals on once, and stops and continues with the command",
  ...python,
  fn: async () => {
    const program = `
import os, signal, sys, time
got = []
signal.signal(signal.SIGTERM, lambda number, frame: got.append(number))
signal.signal(signal.SIGCONT, lambda number, frame: None)
print(os.getpid(), flush=True)
while not got: time.sleep(0.01)
os.kill(os.getpid(), signal.SIGSTOP)
time.sleep(0.2)
sys.exit(len(got))`;
    const [run = "", ...args] = [...RUN, "--", "python3", "-c", program];
    const child = new Deno.Command(run, { args, stdout: "piped", stderr: "null" }).spawn();
    const reader = child.stdout.getReader();
    await reader.read();
    const state = () =>
      /^State:\s+(\w)/m.exec(Deno.readTextFileSync(`/proc/${child.pid}/status`))?.[1];
    child.kill("SIGTERM");
    const deadline = performance.now() + 20_000;
    while (state() !== "T" && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    strictEqual(state(), "T");
    child.kill("SIGCONT");
    await reader.cancel();
    strictEqual((await child.status).code, 1);
  },
});

Deno.test({
  name: "run --report lets a terminal stop, continue and interrupt the command as its job",
  ...skipUnlessAll(python, skipUnless("script (bsdutils)", commandExists("script"))),
  fn: () =>
    withTerminal("xterm", async ({ type, until }) => {
      const program = "import signal,time\\n" +
        "n=0\\n" +
        "def f(*a):\\n global n\\n n+=1\\n print(\\'in\\'+\\'terrupt\\',n,flush=True)\\n" +
        "signal.signal(signal.SIGINT,f)\\n" +
        "signal.signal(signal.SIGCONT,lambda *a:print(\\'con\\'+\\'tinued\\',flush=True))\\n" +
        "print(\\'go\\'+\\'ing\\',flush=True)\\n" +
        "while n<2: time.sleep(0.05)";
      await type(`${RUN.join(" ")} -- python3 -c $'${program}'\n`);
      await until(/going/);
      await type("\x1a");
      await until(/Stopped/);
      await type("fg\n");
      await until(/continued/);
      await type("\x03");
      await until(/interrupt 1/);
      // One ^C is one signal: the second one comes of the second ^C.
      await new Promise((resolve) => setTimeout(resolve, 500));
      await type("\x03");
      await until(/interrupt 2/);
      await until(/mptcpize: python3, [^\n]* exit status 0/);
      await until(/ready> /);
      await type("echo status $?\n");
      await until(/status 0/);
    }),
});

Deno.test({
  name: "run --report refuses a file that it cannot write, before the command starts",
  ...python,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    const file = `${folder}/none/report`;
    const words = [...RUN.slice(0, -1), `--report=${file}`, "--", "echo", "started"];
    const { status, out, err } = await runHere(words);
    await Deno.remove(folder);
    deepStrictEqual([status, out], [125, ""]);
    ok(err.startsWith(`mptcpize: Cannot write the report to ${file}: `), err);
  },
});
