/**
 * Where one app is played: a network namespace and a folder of its own, programs that are started in
 * it, forced or not, and the kernel's verdict at the end.
 *
 * @module
 */

import { strict as assert } from "node:assert";
import { NotFoundError } from "../../errors.ts";
import { readProcessSockets, type Verdict } from "../../inspect/mod.ts";
import { force } from "./force.ts";
import type { Output, Program, ProgramOptions } from "./program.ts";
import { type Counters, kill, NetworkNamespace } from "./netns.ts";

/** How the programs are started: bare, forced, or forced where the kernel refuses MPTCP. */
export type Situation = "plain" | "forced" | "off";

/** What each side of an app's connections is to be by the kernel's counters, once forced. */
export interface Sides {
  readonly client: "MPTCP" | "TCP";
  readonly server: "MPTCP" | "TCP";
}

/** What a forced program and the mptcpize before it wrote to stderr. */
interface Log {
  readonly command: string;
  readonly warning: RegExp | undefined;
  stderr: string;
}

const DENO_DIR = Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`;
/** The one warning where the kernel refuses MPTCP. */
const OFF_WARNING = /^mptcpize: .*net\.mptcp\.enabled.*: \S+ runs as TCP$/;
const decoder = new TextDecoder();

/** One app's stage; `await using` ends every program and removes everything. */
export class Scene implements AsyncDisposable {
  readonly situation: Situation;
  /** A folder of its own that everybody may read. */
  readonly folder: string;
  readonly #namespace: NetworkNamespace;
  readonly #programs: Program[] = [];
  /** Each ends with the last process that writes to it, which may not be the program itself. */
  readonly #streams: Promise<void>[] = [];
  readonly #logs: Log[] = [];
  #nextPort = 8001;

  private constructor(situation: Situation, namespace: NetworkNamespace, folder: string) {
    this.situation = situation;
    this.#namespace = namespace;
    this.folder = folder;
  }

  /** Sets the stage. */
  static async open(situation: Situation): Promise<Scene> {
    const namespace = await NetworkNamespace.open(situation !== "off");
    const folder = Deno.makeTempDirSync({ prefix: "mptcpize-app-" });
    Deno.chmodSync(folder, 0o755);
    return new Scene(situation, namespace, folder);
  }

  /** A port that nothing in the namespace uses. */
  port(): number {
    return this.#nextPort++;
  }

  /** A path in the folder. */
  path(name: string): string {
    return `${this.folder}/${name}`;
  }

  /** Writes a file in the folder and gives its path. */
  write(name: string, content: string | Uint8Array, mode = 0o644): string {
    const path = this.path(name);
    if (typeof content === "string") Deno.writeTextFileSync(path, content);
    else Deno.writeFileSync(path, content);
    Deno.chmodSync(path, mode);
    return path;
  }

  /** Writes a file of random bytes, that no text conversion survives, and gives them. */
  payload(name = "payload", size = 2 << 20): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; at += 65536) {
      crypto.getRandomValues(bytes.subarray(at, at + 65536));
    }
    this.write(name, bytes);
    return bytes;
  }

  /** Starts a server and waits until it listens on the port. */
  async start(
    port: number,
    command: readonly string[],
    options: ProgramOptions = {},
  ): Promise<Program> {
    const child = this.#spawn(command, options);
    let output = "";
    const log = this.#log(command, options);
    const streams = [child.stdout, child.stderr].map(async (stream) => {
      for await (const chunk of stream) {
        const text = decoder.decode(chunk);
        output += text;
        if (stream === child.stderr) log.stderr += text;
      }
    });
    let ended: Deno.CommandStatus | undefined;
    const end = child.status.then((status) => {
      ended = status;
    });
    const program: Program = {
      pid: child.pid,
      output: () => output,
      stop: async () => {
        if (ended !== undefined) return;
        kill(child.pid, "SIGTERM");
        const timer = setTimeout(() => kill(child.pid, "SIGKILL"), 5000);
        await end;
        clearTimeout(timer);
      },
    };
    this.#programs.push(program);
    this.#streams.push(...streams);
    const deadline = Date.now() + (options.timeoutMs ?? 30_000);
    while (!this.#namespace.listens(port)) {
      if (ended !== undefined || Date.now() > deadline) {
        const state = ended === undefined ? "does not listen" : `has ended (${ended.code})`;
        assert.fail(`${command.join(" ")} ${state} on port ${port}:\n${output}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const multipath = this.situation === "forced" && options.warning === undefined &&
      options.force !== false && options.listens !== "TCP";
    assert.equal(
      this.#listener(port),
      multipath ? "mptcp" : "tcp",
      `the listening socket of ${command.join(" ")}:\n${output}`,
    );
    return program;
  }

  /** Runs a program to its end and insists on its exit status. */
  async run(command: readonly string[], options: ProgramOptions = {}): Promise<Output> {
    const child = this.#spawn(command, options);
    // All of them, since what it has started may hold its streams open.
    const timer = setTimeout(() => this.#namespace.kill(), options.timeoutMs ?? 30_000);
    try {
      if (options.stdin !== undefined) {
        // A program that ends without reading its input says so in its exit status.
        await new Blob([options.stdin]).stream().pipeTo(child.stdin).catch(() => {});
      }
      const { code, stdout, stderr } = await child.output();
      const output = { code, stdout, text: decoder.decode(stdout), stderr: decoder.decode(stderr) };
      this.#log(command, options).stderr = output.stderr;
      assert.equal(
        code,
        options.code ?? 0,
        `${command.join(" ")} ended with ${code}:\n${output.stderr}\n` +
          // Not the binary data that some programs write.
          output.text.slice(-2000).replace(/[^\x20-\x7e\n]/g, "?") +
          this.#programs.map((server) => `\nserver:\n${server.output()}`).join(""),
      );
      return output;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Insists that `mptcpize run` refuses a command, says why, and what would do. */
  async refuse(
    command: readonly string[],
    reason: RegExp,
    ways: RegExp,
    options: ProgramOptions = {},
  ): Promise<void> {
    const { before = [], ...rest } = options;
    const words = [...before, ...force(command)];
    const { stdout, stderr } = await this.run(words, { ...rest, force: false, code: 125 });
    assert.equal(stdout.length, 0, "nothing but the refusal is written");
    assert.match(stderr, reason);
    assert.match(stderr, new RegExp(`^hint: .*(?:${ways.source})`, "m"));
  }

  /** The kernel's counters as they are now. */
  counters(): Counters {
    return this.#namespace.counters();
  }

  /** Insists that the connections were what they are to be, and that mptcpize said so. */
  judge(sides: Sides): void {
    const counters = this.counters();
    const { activeOpens, passiveOpens } = counters;
    const multipath = (side: keyof Sides) => this.situation === "forced" && sides[side] === "MPTCP";
    assert.ok(activeOpens > 0 && passiveOpens > 0, `no connection: ${JSON.stringify(counters)}`);
    assert.deepEqual(counters, {
      activeOpens,
      passiveOpens,
      mptcpActiveOpens: multipath("client") ? activeOpens : 0,
      mptcpPassiveOpens: multipath("server") ? passiveOpens : 0,
      fallbacks: multipath("client") && !multipath("server")
        ? { MPTcpExtMPCapableFallbackSYNACK: activeOpens }
        : {},
    });
    for (const { command, warning, stderr } of this.#logs) {
      const lines = stderr.split("\n").filter((line) => line.startsWith("mptcpize: "));
      const wanted = [
        ...(this.situation === "off" ? [OFF_WARNING] : []),
        ...(warning === undefined ? [] : [warning]),
      ];
      assert.equal(lines.length, wanted.length, `lines of mptcpize for ${command}:\n${stderr}`);
      lines.forEach((line, index) => assert.match(line, wanted[index]!));
    }
  }

  /** Ends every program, removes the namespace and the folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await Promise.all(this.#programs.map((program) => program.stop()));
    } finally {
      await this.#namespace[Symbol.asyncDispose]();
      await Promise.all(this.#streams);
      Deno.removeSync(this.folder, { recursive: true });
    }
  }

  #spawn(command: readonly string[], options: ProgramOptions): Deno.ChildProcess {
    const forced = this.#forces(options) ? force(command, options.force || {}) : command;
    const [file, ...args] = this.#namespace.enter([...options.before ?? [], ...forced]);
    return new Deno.Command(file!, {
      args,
      cwd: options.cwd ?? this.folder,
      clearEnv: true,
      env: {
        PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        LANG: "C.UTF-8",
        HOME: this.folder,
        TMPDIR: this.folder,
        DENO_DIR,
        DENO_NO_UPDATE_CHECK: "1",
        ...options.env,
      },
      stdin: options.stdin === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }

  /** What the kernel says of the socket that listens on a port, whichever process has it. */
  #listener(port: number): Verdict | undefined {
    return this.#namespace.processes()
      .flatMap((pid) => {
        try {
          return readProcessSockets(pid).sockets;
        } catch (error) {
          if (error instanceof NotFoundError) return [];
          throw error;
        }
      })
      .find(({ state, local }) => state === "LISTEN" && local?.port === port)?.verdict;
  }

  /** Whether mptcpize stands before a program that is started with these options. */
  #forces(options: ProgramOptions): boolean {
    return this.situation !== "plain" && options.force !== false;
  }

  /** Keeps what a forced program writes to stderr, for the verdict. */
  #log(command: readonly string[], options: ProgramOptions): Log {
    const log = { command: command.join(" "), warning: options.warning, stderr: "" };
    if (this.#forces(options)) this.#logs.push(log);
    return log;
  }
}
