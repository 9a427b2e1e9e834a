/**
 * That `sockets` finds the sockets of each scope, and why their processes made them as they did.
 *
 * @module
 */

import { deepStrictEqual, match, ok, strictEqual } from "node:assert";
import { listSockets, type SeenSocket } from "../../mod.ts";
import { commandExists, skipUnless } from "../skip.ts";
import { end, MPTCP, needs, PORT } from "./ends.ts";
import { makeNetwork, mptcpizeIn, startPeer } from "./network.ts";
import { withTerminal } from "./terminal.ts";

Deno.test({
  name: "sockets --all lists a namespace by owner, and --listen its listeners alone",
  ...needs,
  fn: async () => {
    await using network = await makeNetwork();
    const address = network.addresses.IPv4;
    await using server = await startPeer(network.server, "serve", "MPTCP", address, PORT);
    await using _client = await startPeer(network.client, "connect", "MPTCP", address, PORT);
    const all = await mptcpizeIn(network.server, "sockets", "--all");
    strictEqual(all.status, 0);
    match(all.out, new RegExp(`^deno \\(${server.pid}\\)$`, "m"));
    match(all.out, /^this network namespace: 2 sockets \(2 MPTCP\)$/m);
    for (const line of all.out.split("\n")) ok(line.length <= 80, line);
    const listen = await mptcpizeIn(network.server, "sockets", "--all", "--listen", "--json");
    const { sockets }: { sockets: SeenSocket[] } = JSON.parse(listen.out);
    deepStrictEqual(sockets.map(({ state, verdict }) => [state, verdict]), [["LISTEN", "mptcp"]]);
    deepStrictEqual(sockets[0]?.owners.map(({ pid }) => pid), [server.pid]);
  },
});

Deno.test({
  name: "sockets shows an ordinary user what it may, and says what it could not see",
  ...needs,
  fn: async () => {
    await using network = await makeNetwork();
    const address = network.addresses.IPv4;
    await using _server = await startPeer(network.server, "serve", "TCP", address, PORT);
    await using _client = await startPeer(network.client, "connect", "MPTCP", address, PORT);
    const [program = "", ...args] = network.client.enter([
      // The files stay readable; no right is left over processes that have more.
      ...["setpriv", "--bounding-set=-all", "--inh-caps=-all"],
      ...[Deno.execPath(), "run", "-qA", "--no-check"],
      ...[new URL("../../cli/mptcpize.ts", import.meta.url).pathname, "sockets", "--all", "--json"],
    ]);
    const { stdout, stderr } = await new Deno.Command(program, { args }).output();
    const text = new TextDecoder().decode(stdout);
    ok(text !== "", new TextDecoder().decode(stderr));
    const { sockets, notes }: { sockets: SeenSocket[]; notes: string[] } = JSON.parse(text);
    const fallback = sockets.find(({ remote }) => remote !== undefined);
    deepStrictEqual([fallback?.verdict, fallback?.owners], ["fallback", []]);
    strictEqual(fallback?.reasons[0]?.code, "answered-as-tcp");
    match(notes.join("\n"), /could not be looked into/);
  },
});

/** Where cgroups of version 2 can be made; undefined where they cannot. */
function findCgroups(): string | undefined {
  return ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].find((mount) => {
    try {
      Deno.statSync(`${mount}/cgroup.controllers`);
      Deno.mkdirSync(`${mount}/mptcpize-test`);
      Deno.removeSync(`${mount}/mptcpize-test`);
      return true;
    } catch {
      return false;
    }
  });
}

const cgroups = Deno.uid() === 0 ? findCgroups() : undefined;

Deno.test({
  name: "sockets --cgroup lists what was made in a cgroup or below, and nothing else",
  ...needs,
  ignore: needs.ignore || skipUnless("cgroup v2", cgroups !== undefined).ignore,
  fn: async () => {
    await using network = await makeNetwork();
    const name = `mptcpize-test-${Deno.pid}`;
    const folder = `${cgroups}/${name}`;
    Deno.mkdirSync(`${folder}/below`, { recursive: true });
    try {
      const address = network.addresses.IPv4;
      await using outside = await startPeer(network.server, "serve", "MPTCP", address, PORT);
      // A process is in its cgroup before it makes sockets.
      const script = `echo $$ >${folder}/below/cgroup.procs && exec "$@"`;
      const enclosed = {
        ...network.client,
        enter: (words: readonly string[]) =>
          network.client.enter(["sh", "-c", script, "sh", ...words]),
      } as typeof network.client;
      {
        await using inside = await startPeer(enclosed, "connect", "MPTCP", address, PORT);
        const { out } = await mptcpizeIn(network.client, "sockets", "--json", "--cgroup", name);
        const { sockets }: { sockets: SeenSocket[] } = JSON.parse(out);
        const found = sockets.map(({ verdict, owners }) => [verdict, owners[0]?.pid]);
        deepStrictEqual(found, [["mptcp", inside.pid]], out);
        // From another network namespace, by the processes in it.
        const from = listSockets({ cgroup: folder }).sockets;
        deepStrictEqual(from.map(({ inode }) => inode), sockets.map(({ inode }) => inode));
      }
      ok(outside.pid > 0);
    } finally {
      Deno.removeSync(`${folder}/below`);
      Deno.removeSync(folder);
    }
  },
});

Deno.test({
  name: "sockets --watch refreshes in place, and ^C leaves the terminal as it was",
  ...skipUnless("script (bsdutils)", commandExists("script")),
  fn: () =>
    withTerminal("xterm", async ({ type, until }) => {
      const cli = new URL("../../cli/mptcpize.ts", import.meta.url).pathname;
      await type("stty rows 5 cols 60; echo si''zed\n");
      await until(/sized[^]*ready> /);
      await type(`${Deno.execPath()} run -qA ${cli} sockets --all --watch\n`);
      // deno-lint-ignore no-control-regex
      await until(/\x1b\[\?1049h\x1b\[\?25l\x1b\[H/);
      // deno-lint-ignore no-control-regex
      await until(/\x1b\[H/);
      await type("\x1a");
      // deno-lint-ignore no-control-regex
      match(await until(/Stopped/), /\x1b\[\?25h\x1b\[\?1049l/);
      await type("fg\n");
      // deno-lint-ignore no-control-regex
      await until(/\x1b\[\?1049h\x1b\[\?25l\x1b\[H/);
      await type("\x03");
      // deno-lint-ignore no-control-regex
      await until(/\x1b\[\?25h\x1b\[\?1049l/);
      await until(/ready> /);
      await type("echo status $?\n");
      await until(/status 0/);
    }),
});

/** Listens as descriptor 3, which it says to be passed in, and becomes another program. */
const PASSED_IN = `import os, socket
listener = socket.socket(); listener.bind(("127.0.0.1", 0)); listener.listen()
os.dup2(listener.fileno(), 3); os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execvp("sh", ["sh", "-c", "echo ready; read line"])`;

/** Listens twice: as the C library makes a socket, and by a system call of its own. */
const FORCED = `import ctypes, os, socket
listener = socket.socket(); listener.bind(("127.0.0.1", 0)); listener.listen()
raw = ctypes.CDLL(None).syscall({"x86_64": 41}.get(os.uname().machine, 198), 2, 1, 6)
print("ready", listener.fileno(), raw, flush=True); input()`;

async function sockets(words: readonly string[]): Promise<readonly SeenSocket[]> {
  const child = new Deno.Command(words[0]!, {
    args: words.slice(1),
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  try {
    await reader.read();
    return listSockets({ pid: child.pid }).sockets;
  } finally {
    await reader.cancel();
    await child.stdin.close();
    await child.status;
  }
}

const python = skipUnless("python3", commandExists("python3"));

Deno.test({
  name: "listSockets() sees that a service manager passed a listener in",
  ...python,
  fn: async () => {
    const [listener, ...more] = await sockets(["python3", "-c", PASSED_IN]);
    deepStrictEqual([listener?.owners[0]?.fds, more.length], [[3], 0]);
    deepStrictEqual(listener && end(listener), { verdict: "tcp", reasons: ["passed-in"] });
  },
});

Deno.test({
  name: "listSockets() tells a forced socket from one made past the library",
  ignore: python.ignore || needs.ignore,
  fn: async () => {
    const cli = new URL("../../cli/mptcpize.ts", import.meta.url).pathname;
    const run = [Deno.execPath(), "run", "-qA", cli, "run", "--"];
    const found = await sockets([...run, "python3", "-c", FORCED]);
    deepStrictEqual(found.map(end).sort((a, b) => a.verdict < b.verdict ? -1 : 1), [
      MPTCP,
      { verdict: "tcp", reasons: ["back-to-tcp", "past-the-library"] },
    ]);
    const plain = await sockets(["python3", "-c", FORCED]);
    deepStrictEqual(
      new Set(plain.flatMap(({ reasons }) => reasons.map(({ code }) => code))),
      new Set(["not-forced"]),
    );
  },
});
