/**
 * How long `run` takes before its command starts: our launcher, the C tool and our command line, in one
 * run, each start next to a bare one.
 *
 * `deno run -A bench/start.ts [--rounds N] [--name NAME]`. Installs into a temporary folder. What is
 * compared is what is added to the bare command in the same round. A run with a name is kept under
 * bench/runs/.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { applyInstall, collectFiles, planInstall } from "../install/mod.ts";
import { exists, GO } from "../tests/apps/build.ts";
import { quantile } from "./statistics.ts";

const HERE = new URL("./", import.meta.url);
const PEER = "/usr/bin/mptcpize";

async function capture(
  words: readonly string[],
  env: Record<string, string> = {},
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(words[0]!, {
    args: words.slice(1),
    clearEnv: true,
    env: { PATH: "/usr/bin:/bin", LANG: "C", ...env },
  }).output();
  if (!success) throw new Error(`${words.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

/** The programs that are started, built where they must be. */
async function buildPrograms(folder: string): Promise<Record<string, string>> {
  const programs: Record<string, string> = { "/bin/true, dynamic": "/bin/true" };
  Deno.writeTextFileSync(`${folder}/script`, "#!/bin/sh\nexit 0\n", { mode: 0o755 });
  programs["script of sh"] = `${folder}/script`;
  if (exists(GO["1.23"])) {
    Deno.writeTextFileSync(`${folder}/none.go`, "package main\nfunc main() {}\n");
    await capture([GO["1.23"], "build", "-o", `${folder}/go`, `${folder}/none.go`], {
      ...{ CGO_ENABLED: "0", GO111MODULE: "off", GOCACHE: `${folder}/cache`, GOTOOLCHAIN: "local" },
      HOME: folder,
    });
    programs["Go 1.23, static"] = `${folder}/go`;
  }
  return programs;
}

/** Microseconds of each round, for each of some commands that take turns. */
async function measure(starter: string, rounds: number, commands: string[][]): Promise<number[][]> {
  const words = commands.flatMap((command) => ["--", ...command]);
  const times: number[][] = commands.map(() => []);
  for (const line of (await capture([starter, `${rounds}`, ...words])).trim().split("\n")) {
    const [which, time] = line.split(" ").map(Number);
    times[which!]!.push(time!);
  }
  return times;
}

/** How many system calls a command makes up to the start of its own. */
async function countCalls(words: readonly string[]): Promise<string> {
  try {
    const { stderr } = await new Deno.Command("strace", { args: [...words] }).output();
    const lines = new TextDecoder().decode(stderr).split("\n");
    return `${lines.findLastIndex((line) => line.startsWith("execve("))}`;
  } catch {
    return "unknown (no strace)";
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    args: Deno.args,
    options: { rounds: { type: "string", default: "1000" }, name: { type: "string" } },
  });
  const rounds = Number(values.rounds);
  const folder = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "mptcpize-bench-" }));
  Deno.chmodSync(folder, 0o755);
  const lines: string[] = [];
  const print = (line: string) => (console.log(line), lines.push(line));
  const results: Record<string, Record<string, number[]>> = {};
  try {
    const places = { prefix: `${folder}/prefix`, folder: `${folder}/prefix/lib/mptcpize` };
    await applyInstall(await planInstall(places, "0.0.0", await collectFiles(places, {})));
    const own = `${places.prefix}/bin/mptcpize`;
    const starter = `${folder}/start`;
    await capture(["cc", "-O2", "-Wall", "-o", starter, new URL("start.c", HERE).pathname]);
    const floor = `${folder}/floor`;
    await capture([
      ...[
        "cc",
        "-O2",
        "-ffreestanding",
        "-fno-stack-protector",
        "-fcf-protection=none",
        "-nostdlib",
      ],
      ...["-static", "-Wl,--build-id=none", "-o", floor, new URL("floor.c", HERE).pathname],
    ]);
    const entry = `LD_PRELOAD=${places.folder}/lib/${Deno.build.arch}/libmptcpize.so`;
    const peer = exists(PEER) ? PEER : undefined;
    print(`kernel ${Deno.osRelease()}, ${navigator.hardwareConcurrency} CPUs`);
    print(`load ${Deno.loadavg().map((load) => load.toFixed(2)).join(" ")}`);
    print(`${rounds} rounds, interleaved; added: median of the differences to bare in each round`);
    const calls = (command: string) => countCalls([command, "run", "/bin/true"]);
    print(
      `system calls before the command's execve: launcher ${await calls(own)}, ` +
        `C mptcpize ${peer === undefined ? "absent" : await calls(peer)}`,
    );
    for (const [title, program] of Object.entries(await buildPrograms(folder))) {
      const ways: Record<string, string[]> = {
        "bare": [program],
        "launcher": [own, "run", program],
        ...(peer === undefined ? {} : { "C mptcpize": [peer, "run", program] }),
        "least possible": [floor, entry, program],
      };
      // Handed over each takes 30 ms: a tenth of the rounds tells as much.
      const handed = title.startsWith("Go");
      const times = await measure(starter, handed ? rounds / 10 : rounds, Object.values(ways));
      results[title] = Object.fromEntries(Object.keys(ways).map((name, at) => [name, times[at]!]));
      const added = times.map((list) =>
        quantile(list.map((time, round) => time - times[0]![round]!), 0.5)
      );
      print("");
      print(
        `${title.padEnd(24)}${"median".padStart(10)}${
          "added".padStart(10)
        }   / added by the C tool`,
      );
      Object.keys(ways).forEach((name, at) => {
        const share = peer === undefined || at === 0 ? "" : (added[at]! / added[2]!).toFixed(2);
        print(
          `  ${name.padEnd(22)}${quantile(times[at]!, 0.5).toFixed(0).padStart(7)} µs` +
            `${added[at]!.toFixed(0).padStart(7)} µs   ${share}`,
        );
      });
    }
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
  if (values.name !== undefined) {
    const stem = `${new Date().toISOString().slice(0, 10)}-${Deno.osRelease()}-${values.name}`;
    const write = (suffix: string, text: string) =>
      Deno.writeTextFileSync(new URL(`runs/${stem}.${suffix}`, HERE), text);
    write("json", JSON.stringify({ lines: lines.slice(0, 4), microseconds: results }) + "\n");
    write("md", `# ${values.name}\n\n\`\`\`text\n${lines.join("\n").trimEnd()}\n\`\`\`\n`);
  }
}
