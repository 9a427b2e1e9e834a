/**
 * Runs CPython's own network tests plain and forced, and says which results differ.
 *
 * `deno task cpython [MODULE…]`; each run has a network namespace of its own. Ends non-zero if a test
 * fails forced that does not fail plain and is not known to be the kernel's doing.
 *
 * @module
 */

import { compareRuns, parseJunit, type TestResult } from "./junit.ts";
import { KNOWN_FAILURES } from "./known.ts";

const PYTHON = "/usr/bin/python3.11";
const MODULES = [
  "test_socket",
  "test_selectors",
  "test_ssl",
  "test_httplib",
  "test_smtplib",
  "test_ftplib",
  "test_asyncio",
  "test_asyncore",
  "test_asynchat",
];

const HERE = new URL("./", import.meta.url);
const CLI = new URL("../../cli/mptcpize.ts", HERE).pathname;

interface Run {
  readonly results: Map<string, TestResult>;
  readonly seconds: number;
  /** Connections opened, and how many of them asked for MPTCP, by the kernel's own count. */
  readonly active: number;
  readonly capable: number;
}

/** A counter of the files in /proc/net that have a line of names above a line of numbers. */
function readCounter(text: string, group: string, name: string): number {
  const [names = [], numbers = []] = text.split("\n")
    .filter((line) => line.startsWith(`${group}:`)).map((line) => line.split(" "));
  return Number(numbers[names.indexOf(name)] ?? 0);
}

/** @throws {Error} with what the run said, when it wrote no results */
async function runModule(module: string, prefix: readonly string[]): Promise<Run> {
  const folder = await Deno.makeTempDir({ prefix: "mptcpize-cpython-" });
  try {
    const script = 'ip link set lo up; out=$1; shift; "$@"; ' +
      'cat /proc/net/netstat /proc/net/snmp >"$out/counters"';
    const tests = ["-m", "test", "-u", "all,-network", "-i", "*VSOCK*", "--tempdir", folder];
    const started = performance.now();
    const { stdout, stderr } = await new Deno.Command("unshare", {
      args: [
        ...["--net", "--kill-child", "sh", "-c", script, "sh", folder],
        ...prefix,
        ...[PYTHON, ...tests, "--junit-xml", `${folder}/junit.xml`, module],
      ],
      cwd: folder,
      env: { LC_ALL: "C.UTF-8", NO_COLOR: "1" },
      stdin: "null",
      signal: AbortSignal.timeout(20 * 60_000),
    }).output();
    const seconds = (performance.now() - started) / 1000;
    const read = (name: string) => Deno.readTextFile(`${folder}/${name}`).catch(() => "");
    const counters = await read("counters");
    const results = parseJunit(await read("junit.xml"));
    if (results.size === 0) {
      const said = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
      throw new Error(`Cannot read results of ${module}: the run wrote none and said\n${said}`);
    }
    return {
      results,
      seconds,
      active: readCounter(counters, "Tcp", "ActiveOpens"),
      capable: readCounter(counters, "MPTcpExt", "MPCapableSYNTX"),
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function countFailed({ results }: Run): number {
  return [...results.values()].filter(({ outcome }) => outcome === "failed").length;
}

function readFirstLine(command: string, ...args: string[]): string {
  const { stdout } = new Deno.Command(command, { args, stderr: "null" }).outputSync();
  return new TextDecoder().decode(stdout).split("\n", 1)[0] ?? "";
}

if (import.meta.main) {
  const modules = Deno.args.length > 0 ? Deno.args : MODULES;
  const reasons = new Map(
    KNOWN_FAILURES.flatMap(({ tests, reason }) => tests.map((test) => [test, reason] as const)),
  );
  const lines = [
    "# CPython's network tests, plain against forced",
    "",
    `Linux ${Deno.osRelease()}, ${
      readFirstLine(PYTHON, "-V")
    }, ${navigator.hardwareConcurrency} CPUs, ` +
    new Date().toISOString().slice(0, 10),
    "",
    "MPTCP: of the connections that the forced run opened, how many asked for MPTCP. Lost: passed plain, but not run forced.",
    "",
    "| module | tests | fails plain | forced | known | new | lost | MPTCP | plain | forced |",
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
  ];
  const notes: string[] = [];
  let bad = 0;
  for (const line of lines) console.log(line);
  for (const module of modules) {
    const plain = await runModule(module, []);
    const forced = await runModule(module, [Deno.execPath(), "run", "-qA", CLI, "run"]);
    const { worse, lost } = compareRuns(plain.results, forced.results);
    const known = worse.filter((test) => reasons.has(test));
    const fresh = worse.filter((test) => !reasons.has(test));
    bad += fresh.length + lost.length + +(forced.active > 0 && forced.capable === 0);
    for (const test of worse) {
      const message = forced.results.get(test)?.message ?? "";
      notes.push(`- ${test}: ${reasons.get(test) ?? `NEW: ${message}`}`);
    }
    for (const test of lost) notes.push(`- ${test}: LOST`);
    for (const test of reasons.keys()) {
      if (forced.results.get(test)?.outcome === "passed") {
        notes.push(`- ${test}: passes now: take it out of the known failures`);
      }
    }
    const line = "| " + [
      module,
      plain.results.size,
      countFailed(plain),
      countFailed(forced),
      known.length,
      fresh.length,
      lost.length,
      `${forced.capable}/${forced.active}`,
      `${plain.seconds.toFixed(0)} s`,
      `${forced.seconds.toFixed(0)} s`,
    ].join(" | ") + " |";
    console.log(line);
    lines.push(line);
  }
  const closing = bad === 0
    ? "No test fails forced that does not fail plain, but for those known to be the kernel's."
    : `${bad} results are worse forced than plain.`;
  for (const line of ["", ...notes, "", closing]) {
    console.log(line);
    lines.push(line);
  }
  if (modules === MODULES) {
    await Deno.mkdir(new URL("results/", HERE), { recursive: true });
    const file = new URL(`results/linux_${Deno.osRelease()}.md`, HERE);
    await Deno.writeTextFile(file, lines.join("\n") + "\n");
  }
  Deno.exitCode = bad === 0 ? 0 : 1;
}
