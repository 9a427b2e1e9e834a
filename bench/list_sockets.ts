/**
 * Measures `mptcpize sockets --all` against `ss`, over many MPTCP connections.
 *
 * `deno run -A bench/list_sockets.ts [--connections N] [--rounds N] [--name NAME]`, as root: makes a network
 * namespace with N connections over loopback, then lists them in turns: by `ss -Mani` and `ss -tanip`, which
 * together show what we show, and by `sockets --all`, as text and as JSON. With a name the run is kept
 * under bench/runs/.
 *
 * @module
 */

import { parseArgs } from "node:util";
import {
  acceptConnection,
  connectOutcome,
  listenAt,
  openStream,
  startConnect,
} from "../ffi/connect.ts";
import type { Fd } from "../ffi/fd.ts";
import { readSocketAddress } from "../ffi/libc.ts";
import { encodeSocketAddress } from "../inspect/mod.ts";
import { waitFor } from "../proof/attempt.ts";
import { quantile, ratio, renderDuration } from "./statistics.ts";

const SELF = new URL(import.meta.url).pathname;
const CLI = new URL("../cli/mptcpize.ts", import.meta.url).pathname;
const IPPROTO_MPTCP = 262;

/** Holds connections until its input ends. */
async function hold(count: number): Promise<void> {
  const listener = openStream(2, IPPROTO_MPTCP);
  listenAt(listener, encodeSocketAddress({ address: "127.0.0.1", port: 0 }));
  const address = readSocketAddress(listener.number, "getsockname").bytes.slice();
  const held: Fd[] = [];
  while (held.length < 2 * count) {
    const client = openStream(2, IPPROTO_MPTCP);
    startConnect(client, address);
    while (connectOutcome(client) === undefined);
    const server = await waitFor(1000, () => acceptConnection(listener));
    if (server === undefined) throw new Error("Cannot accept: too many descriptors?");
    held.push(client, server);
  }
  Deno.stdout.writeSync(new TextEncoder().encode("ready\n"));
  while (await Deno.stdin.read(new Uint8Array(64)) !== null);
  Deno.exit();
}

interface Measured {
  readonly nanoseconds: number;
  /** The most memory that it held, in kB. */
  readonly maxResidentKb: number;
  readonly lines: number;
}

/** Runs words of sh in the namespace, with `time` around, and counts the lines. */
function measure(enter: readonly string[], script: string): Measured {
  const [program = "", ...args] = [
    ...enter,
    ...["/usr/bin/time", "-f", "%M", "sh", "-c", `(${script}) | wc -l`],
  ];
  const began = performance.now();
  const { stdout, stderr, success } = new Deno.Command(program, { args }).outputSync();
  const nanoseconds = (performance.now() - began) * 1e6;
  const text = new TextDecoder();
  if (!success) throw new Error(text.decode(stderr));
  return {
    nanoseconds,
    maxResidentKb: Number(text.decode(stderr).trim().split("\n").at(-1)),
    lines: Number(text.decode(stdout)),
  };
}

/** How many connections one process holds: each is two descriptors, of which there are limits. */
const EACH = 2500;

/** Starts processes that hold connections, all in the namespace that the first one makes. */
function startHolders(connections: number): Deno.ChildProcess[] {
  const holders: Deno.ChildProcess[] = [];
  for (let left = connections; left > 0; left -= EACH) {
    const words = [Deno.execPath(), "run", "-qA", SELF, "--hold", String(Math.min(left, EACH))];
    const first = holders[0];
    const [program = "", ...args] = first === undefined
      ? ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", ...words]
      : ["nsenter", `--net=/proc/${first.pid}/ns/net`, ...words];
    holders.push(new Deno.Command(program, { args, stdin: "piped", stdout: "piped" }).spawn());
    // unshare is itself for a moment before it is in the namespace.
    if (first === undefined) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
  }
  return holders;
}

async function readWord(stream: ReadableStream<Uint8Array>): Promise<void> {
  const reader = stream.getReader();
  const { done } = await reader.read();
  await reader.cancel();
  if (done) throw new Error("Cannot make the connections");
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      hold: { type: "string" },
      connections: { type: "string", default: "10000" },
      rounds: { type: "string", default: "7" },
      name: { type: "string" },
    },
  });
  if (values.hold !== undefined) return await hold(Number(values.hold));
  const holders = startHolders(Number(values.connections));
  const enter = ["nsenter", `--net=/proc/${holders[0]!.pid}/ns/net`, "--"];
  for (const { stdout } of holders) await readWord(stdout);
  const ours = `${Deno.execPath()} run -qA ${CLI} sockets --all`;
  const subjects = {
    "ss -Mani; ss -tanip": "ss -Mani; ss -tanip",
    "sockets --all": ours,
    "sockets --all --json": `${ours} --json`,
  };
  const results = new Map(Object.keys(subjects).map((name) => [name, [] as Measured[]]));
  try {
    for (let round = 0; round < Number(values.rounds); round++) {
      const turn = Object.entries(subjects);
      for (let step = 0; step < turn.length; step++) {
        const [name, script] = turn[(round + step) % turn.length]!;
        results.get(name)!.push(measure(enter, script));
      }
    }
  } finally {
    for (const holder of holders) {
      await holder.stdin.close();
      await holder.status;
    }
  }
  const reference = results.get("ss -Mani; ss -tanip")!.map(({ nanoseconds }) => nanoseconds);
  const lines = [
    `${values.connections} MPTCP connections over loopback, ${values.rounds} rounds in turns`,
    `Linux ${Deno.osRelease()}, Deno ${Deno.version.deno}, ${navigator.hardwareConcurrency} CPUs`,
    "",
    "what                    median     × ss   most memory   lines",
    ...[...results].map(([name, measured]) => {
      const times = measured.map(({ nanoseconds }) => nanoseconds);
      const { median, p25, p75 } = ratio(times, reference);
      const memory = Math.max(...measured.map(({ maxResidentKb }) => maxResidentKb));
      return `${name.padEnd(22)}${renderDuration(quantile(times, 0.5)).padStart(9)}  ` +
        `${median.toFixed(2)} (${p25.toFixed(2)}–${p75.toFixed(2)})  ` +
        `${(memory / 1000).toFixed(0)} MB  ${measured[0]?.lines}`;
    }),
  ];
  console.log(lines.join("\n"));
  if (values.name !== undefined) {
    const path = new URL(`runs/${values.name}.md`, import.meta.url);
    await Deno.writeTextFile(path, "# Listing sockets\n\n```\n" + lines.join("\n") + "\n```\n");
  }
}

if (import.meta.main) await main();
