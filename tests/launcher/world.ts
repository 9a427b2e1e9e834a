/**
 * A world for the launcher: an installation, another one whose Deno only tells that it was called, and
 * a folder with a program of every kind.
 *
 * @module
 */

import { applyInstall, collectFiles, fillLauncher, planInstall } from "../../install/mod.ts";
import { decodeByteString, encodeByteString } from "../../preload/mod.ts";
import { CACHE, exists, GO } from "../apps/build.ts";
import { commandExists } from "../skip.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

/** What a program is started with; all strings are byte strings. */
export interface Case {
  /** The words behind `mptcpize`. */
  readonly words: readonly string[];
  readonly environment: readonly string[];
  readonly cwd?: string;
  readonly uid?: number | undefined;
  readonly files?: number | undefined;
  readonly ignoreSigpipe?: boolean | undefined;
}

/** What came of it. */
export interface Outcome {
  readonly status: string;
  /** As a byte string. */
  readonly out: string;
  readonly err: string;
}

/** What HANDED_OVER prints when the launcher calls it in place of Deno. */
export const HANDED_OVER = "handed over\n";

async function compile(command: readonly string[], env: Record<string, string> = {}) {
  const { success, stderr } = await new Deno.Command(command[0]!, { args: command.slice(1), env })
    .output();
  if (!success) throw new Error(`${command.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

/** Whether the C compiler is here that the world is built with. */
export const hasCompiler = commandExists("gcc");

/** The world; disposed of, it is gone. */
export class World implements AsyncDisposable {
  /** The folder of all. */
  readonly root: string;
  /** The folder with the programs. */
  readonly programs: string;
  /** The folder of the installation's library, Deno and command line. */
  readonly folder: string;
  /** The launcher of the installation. */
  readonly launcher: string;
  /** A launcher that hands over to what prints {@linkcode HANDED_OVER}. */
  readonly telling: string;
  #cases = 0;

  private constructor(root: string) {
    this.root = root;
    this.programs = `${root}/programs`;
    this.folder = `${root}/prefix/lib/mptcpize`;
    this.launcher = `${root}/prefix/bin/mptcpize`;
    this.telling = `${root}/telling/mptcpize`;
  }

  /** Builds the world; takes seconds. */
  static async build(): Promise<World> {
    const root = Deno.makeTempDirSync({ prefix: "mptcpize-launcher-" });
    Deno.chmodSync(root, 0o755);
    const world = new World(Deno.realPathSync(root));
    try {
      const places = { prefix: `${world.root}/prefix`, folder: world.folder };
      await applyInstall(await planInstall(places, "0.0.0", await collectFiles(places, {})));
      await world.#buildPrograms();
      world.#buildTelling();
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
    return world;
  }

  /** The library that the launcher and the command line both take. */
  get library(): string {
    return `${this.folder}/lib/${Deno.build.arch}/libmptcpize.so`;
  }

  /** The path of a program of the world. */
  path(name: string): string {
    return `${this.programs}/${name}`;
  }

  async #buildPrograms(): Promise<void> {
    const source = `${ROOT}tests/launcher/programs`;
    Deno.mkdirSync(this.programs);
    Deno.chmodSync(this.programs, 0o755);
    const gcc = (name: string, file: string, ...flags: string[]) =>
      compile(["gcc", "-O1", "-w", ...flags, "-o", this.path(name), `${source}/${file}`]);
    await Promise.all([
      gcc("start", "start.c"),
      gcc("show", "show.c"),
      gcc("static", "show.c", "-static"),
      gcc("static-pie", "show.c", "-static-pie"),
      gcc("fixed", "show.c", "-no-pie"),
      gcc("symbols", "show.c", "-g3"),
    ]);
    const copy = (name: string, mode: number, change: (bytes: Uint8Array) => void = () => {}) => {
      const bytes = Deno.readFileSync(this.path("show"));
      change(bytes);
      Deno.writeFileSync(this.path(name), bytes);
      Deno.chmodSync(this.path(name), mode);
    };
    const script = (name: string, text: string, mode = 0o755) => {
      Deno.writeFileSync(this.path(name), encodeByteString(text));
      Deno.chmodSync(this.path(name), mode);
    };
    copy("closed", 0o711);
    copy("noexec", 0o644);
    copy("setuid", 0o4755);
    copy("setgid", 0o2755);
    copy("setgid-noexec", 0o2745);
    copy("sudo", 0o755);
    copy("docker", 0o755);
    copy("sudoer", 0o755);
    copy("spa ce\xff".replace("\xff", "é"), 0o755);
    copy("foreign", 0o755, (bytes) => bytes[18] = 243);
    copy("thirty-two", 0o755, (bytes) => bytes[4] = 1);
    copy("big-endian", 0o755, (bytes) => bytes[5] = 2);
    copy("relocatable", 0o755, (bytes) => bytes[16] = 1);
    copy("no-sections", 0o755, (bytes) => bytes.fill(0, 40, 48).fill(0, 58, 64));
    copy("bad-sections", 0o755, (bytes) => bytes.fill(0xff, 40, 48));
    copy("bad-names", 0o755, (bytes) => bytes.fill(0xff, 62, 64));
    copy("no-loader", 0o755, (bytes) => {
      const at = decodeByteString(bytes).indexOf("/lib");
      bytes[at + 1] = 0x58;
    });
    copy("truncated", 0o755);
    Deno.truncateSync(this.path("truncated"), 1000);
    copy("headless", 0o755);
    Deno.truncateSync(this.path("headless"), 40);
    copy("capable", 0o755);
    if (commandExists("setcap") && Deno.uid() === 0) {
      await compile(["setcap", "cap_net_raw+ep", this.path("capable")]);
    }
    Deno.writeFileSync(this.path("empty"), new Uint8Array());
    Deno.chmodSync(this.path("empty"), 0o755);
    script("text", `exec ${this.path("show")} "$@"\n`);
    script("script", `#!${this.path("show")}\n`);
    script("script-argument", `#! \t${this.path("show")}  one  two \t\nrest`);
    script("script-script", `#!${this.path("script")}\n`);
    script("script-env", `#!/usr/bin/env ${this.path("show")}\n`);
    script("script-static", `#!${this.path("static")}\n`);
    script("script-missing", "#!/no/such/interpreter\n");
    script("script-noexec", `#!${this.path("noexec")}\n`);
    script("script-folder", "#!/usr\n");
    script("script-relative", "#!programs/show\n");
    script("script-empty", "#!\n");
    script("script-endless", `#!${this.path("show")}`);
    script("script-nul", `#!${this.path("show")}\0\n`);
    script("script-long", `#!${this.path("show")} ${"x".repeat(300)}\n`);
    script("script-closed", `#!${this.path("show")}\n`, 0o711);
    script("script-setuid", `#!${this.path("show")}\n`, 0o4755);
    script("script-of-sudo", `#!${this.path("sudo")}\n`);
    script("script-carriage", `#!${this.path("show")}\r\n`);
    let before = "show";
    for (let depth = 1; depth <= 7; depth++) {
      script(`deep-${depth}`, `#!${this.path(before)}\n`);
      before = `deep-${depth}`;
    }
    script("deep-self", `#!${this.path("deep-self")}\n`);
    Deno.symlinkSync("show", this.path("link"));
    Deno.symlinkSync("show", this.path("su"));
    Deno.symlinkSync("gone", this.path("dangling"));
    Deno.symlinkSync("loop", this.path("loop"));
    Deno.mkdirSync(this.path("folder"));
    Deno.mkdirSync(this.path("shadow"));
    Deno.mkdirSync(this.path("shadow/show"));
    Deno.mkdirSync(this.path("dull"));
    Deno.writeFileSync(this.path("dull/show"), new Uint8Array([1]), { mode: 0o644 });
    await compile(["mkfifo", "-m", "755", this.path("fifo")]);
    await this.#buildGo();
  }

  async #buildGo(): Promise<void> {
    Deno.writeTextFileSync(this.path("go.go"), "package main\nfunc main() { println(1) }\n");
    for (const [version, go] of Object.entries(GO)) {
      if (!exists(go)) continue;
      for (const mode of ["exe", "pie"]) {
        await compile(
          [go, "build", `-buildmode=${mode}`, "-o", this.path(`go-${version}-${mode}`)]
            .concat(this.path("go.go")),
          {
            CGO_ENABLED: "0",
            GO111MODULE: "off",
            GOCACHE: `${CACHE}/go-build`,
            GOTOOLCHAIN: "local",
          },
        );
      }
      // Without its record, it is still known by its table of lines.
      const bytes = Deno.readFileSync(this.path(`go-${version}-pie`));
      const name = decodeByteString(bytes).lastIndexOf("\0.go.buildinfo\0");
      bytes[name + 2] = 0x78;
      Deno.writeFileSync(this.path(`go-${version}-bare`), bytes, { mode: 0o755 });
    }
  }

  /** A launcher as installed, but for its Deno. */
  #buildTelling(): void {
    const folder = `${this.root}/telling`;
    Deno.mkdirSync(`${folder}/lib/${Deno.build.arch}`, { recursive: true });
    Deno.chmodSync(folder, 0o755);
    Deno.copyFileSync(this.library, `${folder}/lib/${Deno.build.arch}/libmptcpize.so`);
    Deno.writeTextFileSync(`${folder}/deno`, `#!/bin/sh\nprintf '${HANDED_OVER}'\n`);
    Deno.chmodSync(`${folder}/deno`, 0o755);
    Deno.writeTextFileSync(`${folder}/mptcpize.js`, "");
    const plain = Deno.readFileSync(`${this.folder}/launcher/${Deno.build.arch}/mptcpize`);
    Deno.writeFileSync(this.telling, fillLauncher(plain, folder));
    Deno.chmodSync(this.telling, 0o755);
  }

  /** Executes words exactly as they are, with exactly that environment. */
  async start(words: readonly string[], given: Omit<Case, "words">): Promise<Outcome> {
    const { environment, cwd = this.root, uid = "", files = "", ignoreSigpipe = false } = given;
    const file = `${this.root}/case-${this.#cases++}`;
    const strings = [
      `${uid}`,
      `${files}`,
      ignoreSigpipe ? "ignore" : "",
      cwd,
      words[0]!,
      `${words.length}`,
      ...words,
      ...environment,
    ];
    Deno.writeFileSync(file, encodeByteString(strings.map((string) => `${string}\0`).join("")));
    try {
      const output = await new Deno.Command(this.path("start"), { args: [file], stdin: "null" })
        .output();
      return {
        status: output.signal ?? String(output.code),
        out: decodeByteString(output.stdout),
        err: decodeByteString(output.stderr),
      };
    } finally {
      Deno.removeSync(file);
    }
  }

  /** What the launcher makes of a case. */
  byLauncher(given: Case): Promise<Outcome> {
    return this.start([this.launcher, ...given.words], given);
  }

  /** What the command line makes of a case, started without the launcher. */
  byCommandLine(given: Case): Promise<Outcome> {
    const deno = [`${this.folder}/deno`, "run", "-qA", "--no-config"];
    return this.start([...deno, `${this.folder}/mptcpize.js`, ...given.words], given);
  }

  /** Whether the launcher serves a case itself. */
  async isServed(given: Case): Promise<boolean> {
    return (await this.start([this.telling, ...given.words], given)).out !== HANDED_OVER;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.root, { recursive: true });
  }
}

/** Takes cases in turn, a few at once. */
export async function forEach<Item>(
  items: readonly Item[],
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  await Promise.all([worker(), worker(), worker()]);
}
