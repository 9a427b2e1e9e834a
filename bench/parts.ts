/**
 * What is measured: an installation of ours, the C tool, and the programs that both start.
 *
 * @module
 */

import { applyInstall, collectFiles, planInstall } from "../install/mod.ts";
import { findPatcher } from "../patch/mod.ts";
import { CACHE, exists, GO } from "../tests/apps/build.ts";

const HERE = new URL("./", import.meta.url).pathname;

/** The parts by path, in a folder that is removed at the end. */
export interface Parts extends Disposable {
  readonly folder: string;
  /** The installed launcher. */
  readonly launcher: string;
  /** The words of the command line without a launcher. */
  readonly deno: readonly string[];
  /** Our library, and the C tool's. */
  readonly library: string;
  readonly peerLibrary: string;
  /** The C tool. */
  readonly peer: string;
  /** The least that a launcher can do, and the entry that it is to set. */
  readonly floor: readonly string[];
  /** The words that start a program patched, by the patcher alone. */
  patched(path: string, ...args: string[]): string[];
  /** bench/start.c. */
  readonly starter: string;
  /** bench/sockets.c, dynamic and static. */
  readonly sockets: string;
  readonly staticSockets: string;
  /** bench/listen.c, bench/server.go. */
  readonly listen: string;
  readonly server: string;
  /** Programs that only end. */
  readonly script: string;
  readonly staticTrue: string;
  readonly goTrue: string;
}

/** Runs a command to its end and gives what it wrote. */
export async function capture(
  words: readonly string[],
  env: Record<string, string> = {},
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(words[0]!, {
    args: words.slice(1),
    clearEnv: true,
    env: {
      PATH: "/usr/local/bin:/usr/bin:/usr/sbin:/bin",
      LANG: "C",
      HOME: "/nonexistent",
      ...env,
    },
    stdin: "null",
  }).output();
  if (!success) throw new Error(`${words.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

/** Builds and installs all. */
export async function makeParts(): Promise<Parts> {
  const folder = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "mptcpize-bench-" }));
  Deno.chmodSync(folder, 0o755);
  const triplet = `${Deno.build.arch}-linux-gnu`;
  const needed = {
    peer: "/usr/bin/mptcpize",
    peerLibrary: `/usr/lib/${triplet}/mptcpize/libmptcpwrap.so.0`,
    go: GO["1.23"],
  };
  try {
    for (const path of Object.values(needed)) {
      if (!exists(path)) {
        throw new Error(`Cannot measure: ${path} is missing (\`deno task setup\`)`);
      }
    }
    const places = { prefix: `${folder}/prefix`, folder: `${folder}/prefix/lib/mptcpize` };
    await applyInstall(await planInstall(places, "0.0.0", await collectFiles(places, {})));
    const build = async (name: string, compiler: string[], source: string) => {
      await capture([...compiler, "-O2", "-o", `${folder}/${name}`, source]);
      return `${folder}/${name}`;
    };
    const go = async (name: string, source: string) => {
      await capture([needed.go, "build", "-o", `${folder}/${name}`, source], {
        ...{ CGO_ENABLED: "0", GO111MODULE: "off", GOTOOLCHAIN: "local", GOFLAGS: "" },
        GOCACHE: `${CACHE}/go-build`,
      });
      return `${folder}/${name}`;
    };
    const write = (name: string, text: string, mode = 0o644) => {
      Deno.writeTextFileSync(`${folder}/${name}`, text, { mode });
      return `${folder}/${name}`;
    };
    // A call of socket(), for the patcher to find.
    const nothing = write(
      "true.c",
      "#include <sys/socket.h>\nint main(int c,char**v){(void)v;return c>9?socket(2,1,0):0;}\n",
    );
    const goNothing = write(
      "true.go",
      'package main\nimport ("net"; "os")\nfunc main() { if len(os.Args) > 9 { net.Listen("tcp", "") } }\n',
    );
    const bare = ["-ffreestanding", "-fno-stack-protector", "-fcf-protection=none", "-nostdlib"];
    const library = `${places.folder}/lib/${Deno.build.arch}/libmptcpize.so`;
    const floor = await build("floor", ["cc", ...bare, "-static"], `${HERE}floor.c`);
    const patcher = findPatcher();
    return {
      folder,
      launcher: `${places.prefix}/bin/mptcpize`,
      deno: [
        Deno.execPath(),
        "run",
        "-qA",
        new URL("../cli/mptcpize.ts", import.meta.url).pathname,
      ],
      library,
      peer: needed.peer,
      peerLibrary: needed.peerLibrary,
      floor: [floor, `LD_PRELOAD=${library}`],
      patched: (path, ...args) => [patcher, path, path, path, ...args],
      starter: await build("start", ["cc"], `${HERE}start.c`),
      sockets: await build("sockets", ["cc", "-pthread"], `${HERE}sockets.c`),
      staticSockets: await build("static", ["cc", "-static", "-pthread"], `${HERE}sockets.c`),
      listen: await build("listen", ["cc"], `${HERE}listen.c`),
      server: await go("server", `${HERE}server.go`),
      script: write("script", "#!/bin/sh\nexit 0\n", 0o755),
      staticTrue: await build("static_true", ["cc", "-static"], nothing),
      goTrue: await go("go_true", goNothing),
      [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }),
    };
  } catch (error) {
    Deno.removeSync(folder, { recursive: true });
    throw error;
  }
}
