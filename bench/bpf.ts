/**
 * Measures what a socket costs with the BPF program in the kernel: for who is not enrolled, at several
 * depths of cgroups, and for who is, beside the kernel's own example and no program at all.
 *
 * `deno run -A bench/bpf.ts [--quick] [--rounds=N] [--no-decision]`, as root. The decision alone is measured on any kernel with BPF;
 * `socket()` and the kernel's own account (kernel.bpf_stats_enabled) where the program can be attached,
 * as in `deno task lab --shell`. Every round measures every subject once, beginning with another one each
 * time; what is compared are neighbours. A full run is kept under bench/runs/.
 *
 * @module
 */

import { loadObject, MAPS, PROGRAMS } from "../bpf/object.ts";
import { encodeId, encodeName, encodeSettings, encodeTarget } from "../bpf/layout.ts";
import { probeBpf } from "../bpf/mod.ts";
import { readId, rootPath } from "../bpf/cgroups.ts";
import {
  attachSetsockopt,
  attachTracing,
  deleteElement,
  detachSetsockopt,
  listKeys,
  updateElement,
} from "../ffi/bpf.ts";
import { tryCall } from "../ffi/call.ts";
import { Fd } from "../ffi/fd.ts";
import { openFolder } from "../ffi/files.ts";
import { BpfObject } from "../ffi/libbpf.ts";
import { addressOf } from "../ffi/libc.ts";
import { quantile, ratio, renderDuration } from "./statistics.ts";

const HERE = new URL("./", import.meta.url);
const decoder = new TextDecoder();
const quick = Deno.args.includes("--quick");
const asked = Deno.args.find((word) => word.startsWith("--rounds="))?.slice("--rounds=".length);
const ROUNDS = Number(asked ?? (quick ? 3 : 21));
const SOCKETS = quick ? 200 : 2000;
/** ROUNDS of bpf_decide.bpf.c. */
const DECISIONS = 100_000;

function output(command: string, ...args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command(command, { args }).outputSync();
  if (!success) throw new Error(`Cannot run ${command}: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout).trim();
}

function bpf(command: number, fill: (view: DataView<ArrayBuffer>) => void): DataView<ArrayBuffer> {
  const attribute = new Uint8Array(128);
  const view = new DataView(attribute.buffer);
  fill(view);
  const number = Deno.build.arch === "aarch64" ? 280n : 321n;
  const { errno } = tryCall("syscall", number, BigInt(command), addressOf(attribute), 128n);
  if (errno !== 0) throw new Error(`bpf(${command}): errno ${errno}`);
  return view;
}

/** Runs a program of type raw_tp (BPF_PROG_TEST_RUN); gives its result. */
function runOnce(program: number): number {
  return bpf(10, (view) => view.setUint32(0, program, true)).getUint32(4, true);
}

/** What the kernel counted for a program (run_time_ns and run_cnt of BPF_OBJ_GET_INFO_BY_FD). */
function readAccount(program: number): { nanoseconds: number; runs: number } {
  const info = new Uint8Array(208);
  bpf(15, (view) => {
    view.setUint32(0, program, true);
    view.setUint32(4, info.length, true);
    view.setBigUint64(8, addressOf(info), true);
  });
  const view = new DataView(info.buffer);
  return {
    nanoseconds: Number(view.getBigUint64(192, true)),
    runs: Number(view.getBigUint64(200, true)),
  };
}

/** The cgroups of a measurement: a chain to be in, and others to enrol. */
class Tree implements Disposable {
  readonly #made: string[] = [];
  /** The chain, by depth; the first is the root. */
  readonly chain: string[] = [];
  /** Beside the chain: as many targets as are asked for. */
  readonly others: string[] = [];

  constructor(depth: number, others: number) {
    const top = `${rootPath()}/mptcpize-bench-${Deno.pid}`;
    const make = (path: string) => (Deno.mkdirSync(path), this.#made.push(path), path);
    this.chain.push(rootPath(), make(top));
    while (this.chain.length <= depth) this.chain.push(make(`${this.chain.at(-1)}/d`));
    while (this.others.length < others) this.others.push(make(`${top}/${this.others.length}`));
  }

  [Symbol.dispose](): void {
    Deno.writeTextFileSync(`${rootPath()}/cgroup.procs`, `${Deno.pid}`);
    for (const path of this.#made.reverse()) Deno.removeSync(path);
  }
}

interface Case {
  readonly name: string;
  /** The cgroup to be in. */
  readonly within: string;
  readonly targets: readonly { readonly path: string; readonly level: number }[];
  readonly names?: readonly string[];
}

/** What is enrolled in each case; the bench is at a depth of the tree's chain. */
function listCases({ chain, others }: Tree): Case[] {
  const beside = others.map((path) => ({ path, level: 2 }));
  const enrolled = chain.slice(1, 2).map((path) => ({ path, level: 1 }));
  const one = beside.slice(0, 1);
  return [
    { name: "no target", within: chain[1]!, targets: [] },
    ...[1, 5, 10].map((depth) => ({
      name: `not enrolled, depth ${depth}`,
      within: chain[depth]!,
      targets: one,
    })),
    { name: "not enrolled, depth 10, 1,000 targets", within: chain[10]!, targets: beside },
    {
      name: "not enrolled, depth 10, targets at 5 levels",
      within: chain[10]!,
      targets: [2, 4, 6, 8, 10].map((level) => ({ path: others[level]!, level })),
    },
    {
      name: "not enrolled, depth 10, a name is",
      within: chain[10]!,
      targets: [],
      names: ["nobody"],
    },
    ...[1, 5, 10].map((depth) => ({
      name: `enrolled, depth ${depth}`,
      within: chain[depth]!,
      targets: enrolled,
    })),
  ];
}

const VALUE = { seen: 0n, forced: 0n, softened: 0n, sinceMs: 0n, strict: true, level: 0, path: "" };

let changes = 0;

function enrol(object: BpfObject, { targets, names = [] }: Case): void {
  const map = object.mapFd(MAPS.targets);
  for (const key of listKeys(map, 8)) deleteElement(map, key);
  const keys = targets.map(({ path, level }) => ({ id: readId(path)!, level }));
  for (const { id } of keys) updateElement(map, encodeId(id), encodeTarget(VALUE));
  for (const name of names) {
    updateElement(object.mapFd(MAPS.names), encodeName(name), encodeTarget(VALUE));
  }
  const token = keys.length + names.length === 0 ? 0n : BigInt(++changes);
  const settings = { version: 1n, digest: 0n, pernetId: 0n, refused: 0n, token, device: 0n };
  const bytes = encodeSettings(settings, keys.map(({ level }) => level), names);
  updateElement(object.mapFd(MAPS.settings), new Uint8Array(4), bytes);
}

interface Subject {
  readonly name: string;
  readonly measure: () => number;
}

function measureAll(title: string, reference: string, subjects: readonly Subject[]) {
  const values: Record<string, number[]> = {};
  for (let round = 0; round < ROUNDS; round++) {
    for (let step = 0; step < subjects.length; step++) {
      const { name, measure } = subjects[(round + step) % subjects.length]!;
      (values[name] ??= []).push(measure());
    }
  }
  const lines = subjects.map(({ name }) => {
    const { median, p25, p75 } = ratio(values[name]!, values[reference]!);
    const spread = `${median.toFixed(2)}  (${p25.toFixed(2)}–${p75.toFixed(2)})`;
    return `  ${name.padEnd(46)}${renderDuration(quantile(values[name]!, 0.5)).padStart(9)}  ${
      name === reference ? "1" : spread
    }`;
  });
  lines.unshift(`${title.padEnd(48)}   median  × ${reference}`);
  console.log(`${lines.join("\n")}\n`);
  return { title, values, lines };
}

function compile(folder: string): BpfObject {
  const file = `${folder}/decide.o`;
  const flags = "-target bpf -mcpu=v3 -g -O2 -std=c11 -ffreestanding -nostdlibinc -c -o".split(" ");
  output("clang-14", ...flags, file, new URL("bpf_decide.bpf.c", HERE).pathname);
  const object = new BpfObject(Deno.readFileSync(file), "decide");
  for (const program of Object.values(PROGRAMS)) object.leaveOut(program);
  const { errno, log } = object.load();
  if (errno !== 0) throw new Error(`Cannot load bpf_decide.bpf.c: ${errno} ${log}`);
  return object;
}

/** The decision, without the round itself, in nanoseconds. */
function measureDecision(tree: Tree, object: BpfObject) {
  const time = (program: string) => runOnce(object.programFd(program)) / DECISIONS;
  const own = (program: string) => Math.max(time(program) - time("time_nothing"), 0.01);
  return measureAll("the decision alone", "selftest, not its process", [
    { name: "selftest, not its process", measure: () => own("time_selftest_decision") },
    ...listCases(tree).map((one) => ({
      name: one.name,
      measure: () => {
        enrol(object, one);
        Deno.writeTextFileSync(`${one.within}/cgroup.procs`, `${Deno.pid}`);
        return own("time_our_decision");
      },
    })),
  ]);
}

/** `socket()` and `close()`, or another case of a small C program, in nanoseconds. */
function timeSockets(program: string, within: string, protocol: string, what = "socket"): number {
  const enter = 'echo $$ > "$0/cgroup.procs"; exec "$@"';
  const words = [program, what, protocol, "1", String(SOCKETS)];
  return Number(output("sh", "-c", enter, within, "taskset", "-c", "0", ...words).split(" ")[0]);
}

function attachSelftest(): { readonly object: BpfObject; readonly program: number } {
  const file = Deno.readFileSync(new URL("../tests/bpf/lib/peer.bpf.o", HERE));
  const object = new BpfObject(file, "peer");
  object.leaveOut("polite");
  if (object.load().errno !== 0) throw new Error("Cannot load peer.bpf.o");
  return { object, program: object.programFd("selftest") };
}

/** `setsockopt()` and `getsockopt()` of TCP_NODELAY, with the program that softens in between. */
function measureOptions(tree: Tree, program: string) {
  using object = loadObject({ force: false, soften: true });
  const soften = object.programFd(PROGRAMS.soften);
  const within = tree.chain[1]!;
  const time = (protocol: string) => timeSockets(program, within, protocol, "option");
  const softened = (protocol: string) => {
    const opened = openFolder(within);
    if (!(opened instanceof Fd)) throw new Error(`Cannot open ${within}`);
    using cgroup = opened;
    attachSetsockopt(cgroup, soften);
    try {
      return time(protocol);
    } finally {
      detachSetsockopt(cgroup, soften);
    }
  };
  return measureAll("setsockopt()+getsockopt()", "MPTCP, outside a target", [
    { name: "TCP, outside a target", measure: () => time("tcp") },
    { name: "TCP, in a target that is not strict", measure: () => softened("tcp") },
    { name: "MPTCP, outside a target", measure: () => time("mptcp") },
    { name: "MPTCP, in a target that is not strict", measure: () => softened("mptcp") },
  ]);
}

/** With the programs attached, one at a time. */
function* measureSockets(tree: Tree, program: string) {
  using ours = loadObject({ force: true, soften: false });
  const force = ours.programFd(PROGRAMS.force);
  const selftest = attachSelftest();
  using _peer = selftest.object;
  const cases = listCases(tree);
  const forced = (name: string) => name.startsWith("enrolled");
  const withLink = (attached: number, measure: () => number) => {
    using _link: Fd = attachTracing(attached);
    return measure();
  };
  const subject = (one: Case, measure: () => number): Subject => ({
    name: one.name,
    measure: () => {
      enrol(ours, one);
      return withLink(force, measure);
    },
  });
  const time = (within: string, protocol = "tcp") => timeSockets(program, within, protocol);
  const free = cases.filter(({ name }) => !forced(name));
  const deep = tree.chain[10]!;
  yield measureAll("socket()+close(), TCP", "no program", [
    { name: "no program", measure: () => time(deep) },
    {
      name: "selftest, not its process",
      measure: () => withLink(selftest.program, () => time(deep)),
    },
    ...free.map((one) => subject(one, () => time(one.within))),
  ]);
  yield measureAll("socket()+close(), MPTCP", "no program, asked for by the process", [
    { name: "no program, asked for by the process", measure: () => time(deep, "mptcp") },
    ...cases.filter(({ name }) => forced(name)).map((one) => subject(one, () => time(one.within))),
  ]);
  Deno.writeTextFileSync("/proc/sys/kernel/bpf_stats_enabled", "1");
  try {
    const account = (attached: number, within: string) => {
      const before = readAccount(attached);
      time(within);
      const after = readAccount(attached);
      return (after.nanoseconds - before.nanoseconds) / (after.runs - before.runs);
    };
    yield measureAll("the program alone, by bpf_stats", "selftest, not its process", [
      {
        name: "selftest, not its process",
        measure: () => withLink(selftest.program, () => account(selftest.program, deep)),
      },
      ...cases.map((one) => subject(one, () => account(force, one.within))),
    ]);
  } finally {
    Deno.writeTextFileSync("/proc/sys/kernel/bpf_stats_enabled", "0");
  }
}

const folder = Deno.makeTempDirSync({ prefix: "mptcpize-bench-" });
try {
  using tree = new Tree(10, 1000);
  const groups: ReturnType<typeof measureAll>[] = [];
  if (Deno.args.includes("--no-decision")) console.log("the decision alone is left out");
  else {
    using object = compile(folder);
    groups.push(measureDecision(tree, object));
  }
  const program = `${folder}/sockets`;
  output("gcc", "-O2", "-pthread", "-o", program, new URL("sockets.c", HERE).pathname);
  groups.push(measureOptions(tree, program));
  if (probeBpf().state === "yes") groups.push(...measureSockets(tree, program));
  else console.log("socket() is left out: this kernel does not attach the program");
  const head = [
    `date     ${new Date().toISOString().slice(0, 19).replace("T", " ")} UTC`,
    `kernel   ${Deno.osRelease()}`,
    `cpu      ${navigator.hardwareConcurrency} × ${
      /^model name\s*: (.*)$/m.exec(Deno.readTextFileSync("/proc/cpuinfo"))?.[1]
    }`,
    `rounds   ${ROUNDS}, interleaved; ratios of neighbours: median (p25–p75)`,
    "",
  ];
  if (!quick) {
    const stem = `${new Date().toISOString().slice(0, 10)}-${Deno.osRelease()}-bpf`;
    const lines = [...head, ...groups.flatMap(({ lines }) => [...lines, ""])];
    const text = `# bpf\n\n\`\`\`text\n${lines.join("\n").trimEnd()}\n\`\`\`\n`;
    Deno.writeTextFileSync(new URL(`runs/${stem}.md`, HERE), text);
    const values = Object.fromEntries(groups.map(({ title, values }) => [title, values]));
    const json = JSON.stringify({ rounds: ROUNDS, nanoseconds: values });
    Deno.writeTextFileSync(new URL(`runs/${stem}.json`, HERE), `${json}\n`);
    console.log(text);
  }
} finally {
  Deno.removeSync(folder, { recursive: true });
}
