/**
 * Measures what patching costs: a socket in a patched static program against native MPTCP and TCP,
 * and the start of programs against bare.
 *
 * `deno run -A bench/patch.ts [--quick]`. Every round measures every subject of a group once, beginning
 * with another one each time; what is compared are neighbours. A full run is kept under bench/runs/.
 *
 * @module
 */

import { findPatcher } from "../patch/mod.ts";
import { quantile, ratio, renderDuration } from "./statistics.ts";

const HERE = new URL("./", import.meta.url);
const decoder = new TextDecoder();

interface Group {
  readonly title: string;
  readonly reference: string;
  readonly subjects: Readonly<Record<string, readonly string[]>>;
}

function output(command: string, ...args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command(command, { args }).outputSync();
  if (!success) throw new Error(`Cannot run ${command}: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout).trim();
}

/** The nanoseconds that a subject tells; its sockets must be what its name says. */
function measure(name: string, words: readonly string[]): number {
  const [nanoseconds, protocol] = output(words[0]!, ...words.slice(1)).split(" ").map(Number);
  if (protocol !== undefined && (protocol === 262) !== name.startsWith("MPTCP")) {
    throw new Error(`Cannot measure ${name}: its sockets have protocol ${protocol}`);
  }
  return nanoseconds!;
}

function measureGroup({ title, reference, subjects }: Group, rounds: number) {
  const names = Object.keys(subjects);
  const values: Record<string, number[]> = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (let step = 0; step < names.length; step++) {
      const name = names[(round + step) % names.length]!;
      values[name]!.push(measure(name, subjects[name]!));
    }
  }
  const lines = names.map((name) => {
    const { median, p25, p75 } = ratio(values[name]!, values[reference]!);
    const spread = `${median.toFixed(2)}  (${p25.toFixed(2)}–${p75.toFixed(2)})`;
    return `  ${name.padEnd(34)}${renderDuration(quantile(values[name]!, 0.5)).padStart(9)}  ${
      name === reference ? "1" : spread
    }`;
  });
  return { values, lines: [`${title.padEnd(36)}   median  × ${reference}`, ...lines, ""] };
}

const quick = Deno.args.includes("--quick");
const rounds = quick ? 3 : 21;
const folder = await Deno.makeTempDir({ prefix: "mptcpize-bench-" });
const lines: string[] = [];
const kept: Record<string, unknown> = {};
try {
  const source = new URL("sockets.c", HERE).pathname;
  const [glibc, musl, none, go] = ["glibc", "musl", "none", "go"].map((name) =>
    `${folder}/${name}`
  );
  output("gcc", "-static", "-O2", "-pthread", "-o", glibc!, source);
  output("musl-gcc", "-static", "-O2", "-pthread", "-o", musl!, source);
  const nothing = "#include <sys/socket.h>\n" +
    "int main(int c,char**v){(void)v;return c>9?socket(2,1,0):0;}\n";
  await Deno.writeTextFile(`${folder}/none.c`, nothing);
  output("musl-gcc", "-static", "-O2", "-o", none!, `${folder}/none.c`);
  await Deno.writeTextFile(
    `${folder}/go.go`,
    'package main\nimport ("net"; "os")\nfunc main() { if len(os.Args) > 9 { net.Listen("tcp", "") } }\n',
  );
  output(
    "env",
    "CGO_ENABLED=0",
    "GO111MODULE=off",
    "/usr/lib/go-1.19/bin/go",
    "build",
    "-o",
    go!,
    `${folder}/go.go`,
  );
  const patched = (path: string, ...args: string[]) => [findPatcher(), path, path, path, ...args];
  const spawn = (count: number, ...words: string[]) => [glibc!, "spawn", String(count), ...words];
  const socket = (title: string, ...test: [string, string, string]): Group[] =>
    [["glibc", glibc!], ["musl", musl!]].map(([name, path]) => {
      const [what, threads, count] = test;
      // One thread on one CPU: where it moves, it measures the machine's other work.
      const pin = threads === "1" && what === "socket" ? ["taskset", "-c", "0"] : [];
      return {
        title: `${title}, static ${name}`,
        reference: "MPTCP, native",
        subjects: {
          "TCP": [...pin, path!, what, "tcp", threads, count],
          "MPTCP, native": [...pin, path!, what, "mptcp", threads, count],
          "MPTCP, patched": [...pin, ...patched(path!, what, "tcp", threads, count)],
        },
      };
    });
  const start = (title: string, path: string, count: number, ...args: string[]): Group => ({
    title: `start: ${title}`,
    reference: "bare",
    subjects: {
      "bare": spawn(count, path, ...args),
      "patched": spawn(count, ...patched(path, ...args)),
      "C mptcpize run (stays TCP)": spawn(count, "/usr/bin/mptcpize", "run", path, ...args),
    },
  });
  const groups: Group[] = [
    ...socket("socket()+close(), one CPU", "socket", "1", "8000"),
    ...socket("the same, 8 threads", "socket", "8", "4000"),
    ...socket("connect+accept+close", "connect", "1", "1000"),
    start("static musl, 20 kB", none!, 100),
    start("busybox true, 2 MB", "/bin/busybox", 60, "true"),
    start("Go 1.19, 3 MB", go!, 40),
  ];
  lines.push(
    `date     ${new Date().toISOString().slice(0, 19).replace("T", " ")} UTC`,
    `kernel   ${Deno.osRelease()}`,
    `cpu      ${navigator.hardwareConcurrency} × ${
      /^model name\s*: (.*)$/m.exec(await Deno.readTextFile("/proc/cpuinfo"))?.[1]
    }`,
    `commit   ${output("git", "-C", HERE.pathname, "rev-parse", "--short", "HEAD")}`,
    `rounds   ${rounds}, interleaved; ratios of neighbours: median (p25–p75)`,
    "",
  );
  for (const group of groups) {
    const measured = measureGroup(group, rounds);
    kept[group.title] = measured.values;
    lines.push(...measured.lines);
    console.log(measured.lines.join("\n"));
  }
} finally {
  await Deno.remove(folder, { recursive: true });
}
if (!quick) {
  const stem = `${new Date().toISOString().slice(0, 10)}-${Deno.osRelease()}-patch`;
  const write = (suffix: string, text: string) =>
    Deno.writeTextFile(new URL(`runs/${stem}.${suffix}`, HERE), text);
  await write("json", JSON.stringify({ rounds, nanoseconds: kept }) + "\n");
  await write("md", `# patch\n\n\`\`\`text\n${lines.join("\n").trimEnd()}\n\`\`\`\n`);
}
