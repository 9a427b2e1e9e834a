/**
 * Cgroups, programs in them, and the command line, for the tests of attach.
 *
 * @module
 */

import { detachTargets, probeBpf, readBpfState, type TargetSpec } from "../../bpf/mod.ts";
import {
  findCgroup,
  listCgroups,
  type ProcessSockets,
  readProcessSockets,
  type StreamSocket,
} from "../../inspect/mod.ts";
import { skipUnless } from "../skip.ts";

/** For tests that want the kernel to load the BPF program. */
export const BPF = skipUnless(
  "update_socket_protocol",
  () => probeBpf().state === "yes",
  "`deno task lab`",
);

/** A static Go program that makes its sockets itself: GODEBUG does not reach it. */
export const RAW_SOCKET = "/usr/local/lib/lab/raw_socket";
/** A static C program. */
export const BUSYBOX = "/bin/busybox";

const CLI = new URL("../../cli/mptcpize.ts", import.meta.url).pathname;
/** The words that start the command line of this checkout. */
export const MPTCPIZE = [Deno.execPath(), "run", "-qA", "--no-config", CLI];

/** What a command said. */
export interface Said {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command to its end. */
export async function say(
  words: readonly string[],
  env: Record<string, string> = {},
): Promise<Said> {
  const { code, stdout, stderr } = await new Deno.Command(words[0]!, {
    args: words.slice(1),
    stdin: "null",
    env,
  }).output();
  const decoder = new TextDecoder();
  return { status: code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

/** Runs the command line of this checkout. */
export function mptcpize(...words: readonly string[]): Promise<Said> {
  return say([...MPTCPIZE, ...words]);
}

/** Runs a command that must succeed, and gives what it printed. */
export async function must(...words: readonly string[]): Promise<string> {
  const { status, out, err } = await say(words);
  if (status !== 0) throw new Error(`${words.join(" ")}: status ${status}\n${out}${err}`);
  return out;
}

/** Runs the command line of this checkout, which must succeed. */
export function mustAttach(...words: readonly string[]): Promise<string> {
  return must(...MPTCPIZE, ...words);
}

/** Asks until an answer is there. */
export async function until<T>(what: string, ask: () => T | undefined): Promise<T> {
  const deadline = performance.now() + 120_000;
  for (;;) {
    const answer = ask();
    if (answer !== undefined) return answer;
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function socketsOf(pid: number): ProcessSockets["sockets"] {
  try {
    return readProcessSockets(pid).sockets;
  } catch {
    return []; // It has ended.
  }
}

/** The socket of a process in a state, when there is one. */
export function socketIn(pid: number, state: string): Promise<StreamSocket> {
  return until(
    `a socket of process ${pid} in ${state}`,
    () => socketsOf(pid).find((socket) => socket.state === state),
  );
}

function kill(path: string): void {
  Deno.writeTextFileSync(`${path}/cgroup.kill`, "1");
}

/** A cgroup for tests, killed and removed when it is disposed of. */
export class TestCgroup implements AsyncDisposable {
  /** Its folder. */
  readonly path: string;

  constructor(readonly name: string) {
    this.path = `${findCgroup("/")}/${name}`;
    Deno.mkdirSync(this.path);
  }

  /** Starts a program in it, or in a cgroup below, which is made. */
  start(words: readonly string[], below = ""): Running {
    const path = `${this.path}${below && `/${below}`}`;
    Deno.mkdirSync(path, { recursive: true });
    return new Running([
      ...["sh", "-c", 'echo 0 >"$0/cgroup.procs" && exec "$@"', path],
      ...words,
    ]);
  }

  /** Removes the cgroup as systemd does when a unit ends. */
  async remove(): Promise<void> {
    try {
      kill(this.path);
    } catch {
      return; // It is gone.
    }
    await until(`${this.path} to be empty`, () => {
      const events = Deno.readTextFileSync(`${this.path}/cgroup.events`);
      return /^populated 0$/m.test(events) || undefined;
    });
    for (const path of listCgroups(this.path).reverse()) Deno.removeSync(path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.remove();
  }
}

/** A program that runs, with an open stdin; killed when it is disposed of. */
export class Running implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;

  constructor(words: readonly string[]) {
    this.#child = new Deno.Command(words[0]!, {
      args: words.slice(1),
      stdin: "piped",
      stdout: "null",
      stderr: "inherit",
    }).spawn();
  }

  get pid(): number {
    return this.#child.pid;
  }

  get status(): Promise<Deno.CommandStatus> {
    return this.#child.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#child.stdin.close().catch(() => {});
    await this.#child.status;
  }
}

let nextPort = 9300;

/** A server in a cgroup: it takes connections and keeps them. */
export async function startServer(
  cgroup: TestCgroup,
): Promise<AsyncDisposable & { readonly port: string; readonly listener: StreamSocket }> {
  const port = `${nextPort++}`;
  const running = cgroup.start([RAW_SOCKET, "listen", port]);
  const listener = await socketIn(running.pid, "LISTEN");
  return { port, listener, [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]() };
}

/** Takes all targets out of the kernel, as a reboot does. */
export function forgetTargets(): void {
  const targets = readBpfState()?.targets ?? [];
  detachTargets(targets.map(({ kind, path = "", name = "", strict }): TargetSpec => {
    if (kind === "cgroup") return { kind, path, strict };
    return kind === "comm" ? { kind, name, strict } : { kind, strict };
  }));
}

/** A property of a unit. */
export async function property(unit: string, name: string): Promise<string> {
  return (await must("systemctl", "show", "-P", name, unit)).trim();
}

/** What of ours is in the kernel: pins, and programs by their names. */
export async function leftovers(): Promise<string[]> {
  const pins: string[] = [];
  try {
    for (const { name } of Deno.readDirSync("/sys/fs/bpf/mptcpize")) pins.push(name);
  } catch {
    // None.
  }
  const programs = await must("bpftool", "prog", "show");
  const ours = programs.split("\n").filter((line) => /name mptcpize/.test(line));
  return [...pins.filter((name) => name !== "lock"), ...ours];
}
