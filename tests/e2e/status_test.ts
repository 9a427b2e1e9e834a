/**
 * That `status` finds the processes that are forced, by which method, and what became of their sockets.
 *
 * @module
 */

import { deepStrictEqual, match, ok, strictEqual } from "node:assert";
import { type ProcessStatus, readProgram, type Status, type SubjectStatus } from "../../mod.ts";
import { commandExists, skipUnless, skipUnlessAll } from "../skip.ts";
import { hasMptcp } from "../live_sockets.ts";

const CLI = new URL("../../cli/mptcpize.ts", import.meta.url).pathname;

async function mptcpize(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-qA", "--no-check", CLI, ...words],
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder();
  return { code, out: text.decode(stdout), err: text.decode(stderr) };
}

/** A program that runs until it is disposed of. */
interface Running extends AsyncDisposable {
  readonly pid: number;
}

/** Starts a program, forced or not, that says a word when it is ready. */
async function start(words: readonly string[]): Promise<Running> {
  const child = new Deno.Command(words[0]!, {
    args: words.slice(1),
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  return {
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      await child.stdin.close();
      await reader.cancel();
      await child.status;
    },
  };
}

function force(...words: string[]): string[] {
  return [Deno.execPath(), "run", "-qA", "--no-check", CLI, "run", ...words];
}

/** Listens twice: as the C library makes a socket, and by a system call of its own; in two processes. */
const TWICE = `import ctypes, os, socket
listener = socket.socket(); listener.bind(("127.0.0.1", 0)); listener.listen()
raw = ctypes.CDLL(None).syscall({"x86_64": 41}.get(os.uname().machine, 198), 2, 1, 6)
if os.fork() == 0: os.read(0, 1); os._exit(0)
print("ready", flush=True); os.read(0, 1); os.wait()`;

async function readStatus(): Promise<Status> {
  const { out, err } = await mptcpize("status", "--json");
  ok(out !== "", err);
  return JSON.parse(out);
}

function find({ processes }: Pick<Status, "processes">, pid: number): ProcessStatus | undefined {
  return processes.find(({ pids }) => pids.includes(pid));
}

const mptcp = skipUnless("MPTCP", hasMptcp);
const python = skipUnlessAll(mptcp, skipUnless("python3", commandExists("python3")));

Deno.test({
  name: "status shows a process with our library, with its forks and its sockets",
  ...python,
  fn: async () => {
    await using forced = await start(force("python3", "-c", TWICE));
    await using plain = await start(["python3", "-c", TWICE]);
    const status = await readStatus();
    const found = find(status, forced.pid);
    deepStrictEqual([found?.method, found?.obstacle, found?.pids.length], [
      "preload",
      undefined,
      2,
    ]);
    const { mptcp, fallback, tcp, reasons } = found!.sockets;
    deepStrictEqual([mptcp, fallback, tcp], [1, 0, 1]);
    strictEqual(reasons[0]?.reason.code, "back-to-tcp");
    strictEqual(find(status, plain.pid), undefined);
    ok(Math.abs(Date.parse(String(found!.since)) - Date.now()) < 3600_000);

    const detail = await mptcpize("status", `${forced.pid}`);
    strictEqual(detail.code, 0);
    match(detail.out, /^ {2}forced {4}by preload\n {2}sockets {3}1 MPTCP, 1 TCP\n/m);
    match(detail.out, /^ {4}why: |^ {4}possible: /m);
    const other = await mptcpize("status", `${plain.pid}`);
    strictEqual(other.code, 1);
    match(other.out, /forced {4}no: `mptcpize run COMMAND`[^]*2 TCP/);
    const text = await mptcpize("status");
    match(text.out, new RegExp(`^\\S+ \\(${forced.pid}\\) and 1 more +preload .* 1 +- +1$`, "m"));
    for (const line of text.out.split("\n")) ok(line.length <= 80, line);
  },
});

function isStatic(path: string): boolean {
  try {
    const { elf } = readProgram(path);
    return elf !== undefined && elf.interpreter === undefined;
  } catch {
    return false;
  }
}

const BUSYBOX = "/bin/busybox";

Deno.test({
  name: "status tells a static program that was patched from one that the library does not reach",
  ...skipUnlessAll(mptcp, skipUnless("busybox-static", isStatic(BUSYBOX))),
  fn: async () => {
    const script = ["sh", "-c", `echo ready; exec ${BUSYBOX} sh -c 'read line'`];
    const unreached = force(BUSYBOX, "sh", "-c", "echo ready; read line");
    await using patched = await start(unreached.toSpliced(-4, 0, "--method", "patch"));
    await using asked = await start(force(...script));
    const until = async () => {
      for (;;) {
        const status = await readStatus();
        // The shell says that it is ready before it becomes the other program.
        if (find(status, asked.pid)?.obstacle !== undefined) return status;
      }
    };
    const status = await until();
    deepStrictEqual(
      [find(status, patched.pid)?.method, find(status, patched.pid)?.obstacle],
      ["patch", undefined],
    );
    strictEqual(find(status, asked.pid)?.obstacle?.code, "static");
    strictEqual((await mptcpize("status", `${patched.pid}`)).code, 0);
    const { code, out } = await mptcpize("status", `${asked.pid}`);
    strictEqual(code, 1);
    match(out, /not reached: it is statically linked/);
  },
});

/** Where cgroups of version 2 can be made; undefined where they cannot. */
function findCgroups(): string | undefined {
  return ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].find((mount) => {
    try {
      Deno.statSync(`${mount}/cgroup.controllers`);
      Deno.mkdirSync(`${mount}/mptcpize-status`);
      Deno.removeSync(`${mount}/mptcpize-status`);
      return true;
    } catch {
      return false;
    }
  });
}

const cgroups = Deno.uid() === 0 ? findCgroups() : undefined;

Deno.test({
  name: "status of a cgroup tells which of its processes are forced",
  ...skipUnlessAll(python, skipUnless("cgroup v2", cgroups !== undefined)),
  fn: async () => {
    const name = `mptcpize-status-${Deno.pid}`;
    const folder = `${cgroups}/${name}`;
    Deno.mkdirSync(folder);
    try {
      const enter = ["sh", "-c", `echo $$ >${folder}/cgroup.procs && exec "$@"`, "sh"];
      await using forced = await start([...enter, ...force("python3", "-c", TWICE)]);
      await using _plain = await start([...enter, "python3", "-c", TWICE]);
      const { code, out, err } = await mptcpize("status", `/${name}`, "--json");
      strictEqual(code, 0, err);
      const { subjects: [subject] }: { subjects: SubjectStatus[] } = JSON.parse(out);
      deepStrictEqual([subject?.kind, subject?.cgroup], ["cgroup", folder]);
      deepStrictEqual(subject?.processes.map(({ pid }) => pid), [forced.pid]);
      const { mptcp, tcp, reasons } = subject!.sockets;
      deepStrictEqual([mptcp, tcp], [1, 3]);
      deepStrictEqual(reasons.map(({ count, reason }) => [count, reason.code]), [
        [2, "not-forced"],
        [1, "back-to-tcp"],
      ]);
    } finally {
      Deno.removeSync(folder);
    }
  },
});

Deno.test("status of what is not there is one error, and status 1", async () => {
  for (const word of ["2147483646", "/no/such/cgroup"]) {
    const { code, out, err } = await mptcpize("status", word);
    deepStrictEqual([code, out], [1, ""]);
    match(err, /^mptcpize: Cannot [^\n]+\n/);
  }
});
