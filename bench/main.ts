/**
 * Measures ours, the C tool's and the kernel's own side by side, in one run.
 *
 * `deno task bench [--quick] [--rounds N] [--name NAME]`. Every round measures every subject of a group
 * once, beginning with another one each time; what is compared are neighbours. A full run is kept
 * under bench/runs/ with its setup; `--quick` only prints.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { quantile, type Ratio, ratio, renderDuration } from "./statistics.ts";
import { findParts, type Group, listGroups, type Subject } from "./subjects.ts";

const HERE = new URL("./", import.meta.url);
const IPPROTO_MPTCP = 262;
const decoder = new TextDecoder();

function readOutput(command: string, ...args: string[]): string | undefined {
  try {
    const { success, stdout } = new Deno.Command(command, { args, stderr: "null" }).outputSync();
    return success ? decoder.decode(stdout).trim() : undefined;
  } catch {
    return undefined;
  }
}

/** @throws {Error} when the subject does not do what it is to be measured at */
function measure(program: string, { name, args, preload }: Subject): number {
  const { success, stdout, stderr } = new Deno.Command(program, {
    args: [...args],
    env: preload ? { LD_PRELOAD: preload } : {},
  }).outputSync();
  if (!success) throw new Error(`Cannot measure ${name}: ${decoder.decode(stderr)}`);
  const [nanoseconds, protocol] = decoder.decode(stdout).split(" ").map(Number);
  if (protocol !== undefined && (protocol === IPPROTO_MPTCP) !== name.startsWith("MPTCP")) {
    throw new Error(`Cannot measure ${name}: its sockets have protocol ${protocol}`);
  }
  return nanoseconds ?? NaN;
}

/** The nanoseconds of each round, for each subject. */
type Measurements = Record<string, number[]>;

function measureGroup(program: string, { subjects }: Group, rounds: number): Measurements {
  const measurements: Measurements = {};
  for (const { name } of subjects) measurements[name] = [];
  for (let round = 0; round < rounds; round++) {
    for (let step = 0; step < subjects.length; step++) {
      const subject = subjects[(round + step) % subjects.length];
      if (subject) measurements[subject.name]?.push(measure(program, subject));
    }
  }
  return measurements;
}

function renderRatio({ median, p25, p75 }: Ratio): string {
  return `${median.toFixed(2)}  (${p25.toFixed(2)}–${p75.toFixed(2)})`;
}

function renderGroup({ title, reference }: Group, measurements: Measurements): string[] {
  const against = measurements[reference] ?? [];
  return [
    `${title.padEnd(38)}${"median".padStart(9)}  × ${reference}`,
    ...Object.entries(measurements).map(([name, values]) =>
      `  ${name.padEnd(36)}${renderDuration(quantile(values, 0.5)).padStart(9)}  ` +
      (name === reference ? "1" : renderRatio(ratio(values, against)))
    ),
    "",
  ];
}

async function readSetup(library: string): Promise<Record<string, string>> {
  const bytes = await Deno.readFile(library);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const cpu = /^model name\s*: (.*)$/m.exec(await Deno.readTextFile("/proc/cpuinfo"))?.[1];
  const systemName = await Deno.readTextFile("/etc/os-release").catch(() => "");
  return {
    date: new Date().toISOString().slice(0, 19).replace("T", " ") + " UTC",
    kernel: Deno.osRelease(),
    system: /^PRETTY_NAME="(.*)"$/m.exec(systemName)?.[1] ?? "unknown",
    cpu: `${navigator.hardwareConcurrency} × ${cpu ?? Deno.build.arch}`,
    deno: Deno.version.deno,
    peer: `mptcpize ${readOutput("dpkg-query", "-W", "-f=${Version}", "mptcpize") ?? "absent"}`,
    compiler: readOutput("cc", "--version")?.split("\n", 1)[0] ?? "unknown",
    library: `libmptcpize.so, sha256 ${digest.toHex().slice(0, 16)}`,
    commit: readOutput("git", "-C", HERE.pathname, "rev-parse", "--short", "HEAD") ?? "unknown",
  };
}

if (import.meta.main) {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      quick: { type: "boolean", default: false },
      rounds: { type: "string" },
      name: { type: "string", default: "side_by_side" },
    },
  });
  const rounds = Number(values.rounds ?? (values.quick ? 5 : 21));
  const parts = findParts();
  if (!parts.peerLibrary) console.log("The C mptcpize is not installed: `deno task setup`\n");
  const setup = await readSetup(parts.library);
  const folder = await Deno.makeTempDir({ prefix: "mptcpize-bench-" });
  const lines: string[] = [];
  const results: Record<string, Measurements> = {};
  const print = (...more: string[]) =>
    more.forEach((line) => (console.log(line), lines.push(line)));
  try {
    const program = `${folder}/sockets`;
    const source = new URL("sockets.c", HERE).pathname;
    const { success, stderr } = await new Deno.Command("cc", {
      args: ["-O2", "-Wall", "-pthread", "-o", program, source],
    }).output();
    if (!success) throw new Error(`Cannot build bench/sockets.c: ${decoder.decode(stderr)}`);
    for (const [key, value] of Object.entries(setup)) print(`${key.padEnd(9)} ${value}`);
    print(`rounds    ${rounds}, interleaved; ratios of neighbours: median (p25–p75)`, "");
    for (const group of listGroups(parts, values.quick ? 0.25 : 1)) {
      const measurements = measureGroup(program, group, rounds);
      results[group.title] = measurements;
      print(...renderGroup(group, measurements));
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  if (!values.quick) {
    const stem = `${setup.date?.slice(0, 10)}-${setup.kernel}-${values.name}`;
    await Deno.mkdir(new URL("runs/", HERE), { recursive: true });
    const write = (suffix: string, text: string) =>
      Deno.writeTextFile(new URL(`runs/${stem}.${suffix}`, HERE), text);
    await write("json", JSON.stringify({ setup, rounds, nanoseconds: results }) + "\n");
    await write("md", `# ${values.name}\n\n\`\`\`text\n${lines.join("\n").trimEnd()}\n\`\`\`\n`);
    console.log(`Kept as bench/runs/${stem}.md and .json`);
  }
}
