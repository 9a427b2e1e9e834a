/**
 * Measures what explicit buffer sizes do to a transfer, TCP beside MPTCP; ADR 0002 rests on it.
 *
 * `buffer_floor.ts [--rounds N] [--keep]`, as root: two processes on loopback, and in two network
 * namespaces joined by a veth pair. Each round measures every case once. With `--keep` the run is
 * written to bench/runs/.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { quantile } from "./statistics.ts";

const HERE = new URL("./", import.meta.url);
const KIB = 1024;
const SIZES = [0, 1, 4, 16, 64, 96, 128, 208, 1024, 4096].map((size) => size * KIB);
const FLOOR = 96 * KIB;
/** What is set: [receive buffer of the receiver, send buffer of the sender]. */
const CHOICES: Record<string, (size: number, protocol: number) => readonly [number, number]> = {
  "SO_RCVBUF": (size) => [size, 0],
  "SO_SNDBUF": (size) => [0, size],
  "both": (size) => [size, size],
  "both, and the rule for MPTCP": (size, protocol) =>
    protocol === PROTOCOLS.TCP || size === 0 ? [size, size] : [0, Math.max(size, FLOOR)],
};
const PROTOCOLS = { TCP: 6, MPTCP: 262 };
const MILLISECONDS = "400";

interface Place {
  readonly name: string;
  readonly address: string;
  readonly sender: readonly string[];
  readonly receiver: readonly string[];
}

async function ip(...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("ip", { args }).output();
  if (!success) throw new Error(`ip ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

async function openNamespaces(names: readonly [string, string]): Promise<Place> {
  const [one, other] = names;
  for (const name of names) {
    await ip("netns", "add", name);
    await ip("-n", name, "link", "set", "lo", "up");
  }
  await ip("link", "add", "v0", "netns", one, "type", "veth", "peer", "v1", "netns", other);
  await ip("-n", one, "address", "add", "192.0.2.1/24", "dev", "v0");
  await ip("-n", other, "address", "add", "192.0.2.2/24", "dev", "v1");
  await ip("-n", one, "link", "set", "v0", "up");
  await ip("-n", other, "link", "set", "v1", "up");
  return {
    name: "veth",
    address: "192.0.2.2",
    sender: ["ip", "netns", "exec", one],
    receiver: ["ip", "netns", "exec", other],
  };
}

// Below the range that the kernel takes ports from.
let port = 10000;

/** Bytes per second. */
async function transfer(
  program: string,
  place: Place,
  protocol: number,
  receiveBuffer: number,
  sendBuffer: number,
): Promise<number> {
  const common = [place.address, `${++port}`, `${protocol}`];
  const start = (prefix: readonly string[], args: string[]) => {
    const [command, ...rest] = [...prefix, program, ...args];
    return new Deno.Command(command!, { args: rest, stdout: "piped", stderr: "inherit" }).spawn();
  };
  const receiver = start(place.receiver, ["receive", ...common, `${receiveBuffer}`, "0"]);
  const lines = receiver.stdout.pipeThrough(new TextDecoderStream()).getReader();
  await lines.read();
  const sender = start(place.sender, ["send", ...common, "0", `${sendBuffer}`, MILLISECONDS]);
  await sender.output();
  let answer = "";
  for (let part; !(part = await lines.read()).done;) answer += part.value;
  await receiver.status;
  const [rate, used] = answer.trim().split(" ").map(Number);
  if (used !== protocol) throw new Error(`Cannot measure protocol ${protocol}: it was ${used}`);
  return rate!;
}

function renderSize(size: number): string {
  return size === 0 ? "tuned" : size < KIB * KIB ? `${size / KIB} KiB` : `${size / KIB / KIB} MiB`;
}

function renderTable(place: Place, choice: string, rates: Map<string, number[]>): string {
  const rows = SIZES.map((size) => {
    const [tcp, mptcp] = Object.keys(PROTOCOLS).map((protocol) => {
      const values = rates.get(`${place.name} ${choice} ${protocol} ${size}`) ?? [];
      return quantile(values, 0.5) / 1e6;
    });
    const figures = [tcp!, mptcp!].map((rate) => rate.toFixed(rate < 10 ? 1 : 0).padStart(8));
    return `${renderSize(size).padStart(9)}${figures.join("")}${
      (mptcp! / tcp!).toFixed(3).padStart(9)
    }`;
  });
  return [`${place.name}, ${choice}`, "     size     TCP   MPTCP    ratio", ...rows, ""].join("\n");
}

async function readSetting(name: string): Promise<string> {
  return (await Deno.readTextFile(`/proc/sys/${name}`)).trim();
}

async function main(): Promise<void> {
  const { values: { rounds, keep } } = parseArgs({
    options: {
      rounds: { type: "string", default: "3" },
      keep: { type: "boolean", default: false },
    },
  });
  const folder = await Deno.makeTempDir({ prefix: "mptcpize-bench-" });
  const program = `${folder}/transfer`;
  const names = [`mptcpize-a-${Deno.pid}`, `mptcpize-b-${Deno.pid}`] as const;
  const rates = new Map<string, number[]>();
  try {
    const source = new URL("transfer.c", HERE).pathname;
    const { success } = await new Deno.Command("cc", { args: ["-O2", "-o", program, source] })
      .output();
    if (!success) throw new Error("Cannot compile transfer.c");
    const places: Place[] = [
      { name: "loopback", address: "127.0.0.1", sender: [], receiver: [] },
      await openNamespaces(names),
    ];
    for (let round = 0; round < Number(rounds); round++) {
      for (const place of places) {
        for (const [choice, choose] of Object.entries(CHOICES)) {
          for (const size of SIZES) {
            for (const [name, protocol] of Object.entries(PROTOCOLS)) {
              const key = `${place.name} ${choice} ${name} ${size}`;
              const rate = await transfer(program, place, protocol, ...choose(size, protocol));
              rates.set(key, [...rates.get(key) ?? [], rate]);
            }
          }
        }
      }
    }
    const text = [
      `date    ${new Date().toISOString().slice(0, 19).replace("T", " ")} UTC`,
      `kernel  ${Deno.osRelease()}, ${navigator.hardwareConcurrency} CPUs`,
      `limits  net.core.rmem_max ${await readSetting(
        "net/core/rmem_max",
      )}, wmem_max ${await readSetting(
        "net/core/wmem_max",
      )}, tcp_rmem ${await readSetting("net/ipv4/tcp_rmem")}, tcp_wmem ${await readSetting(
        "net/ipv4/tcp_wmem",
      )}`,
      `setup   ${MILLISECONDS} ms each, one stream, median of ${rounds} rounds, MB/s; sizes as given to setsockopt()`,
      "",
      ...places.flatMap((place) =>
        Object.keys(CHOICES).map((choice) => renderTable(place, choice, rates))
      ),
    ].join("\n").replaceAll("\t", " ");
    console.log(text);
    if (keep) {
      const file = new URL(`runs/buffer_floor_${Deno.osRelease()}.txt`, HERE);
      await Deno.mkdir(new URL("./", file), { recursive: true });
      await Deno.writeTextFile(file, text);
    }
  } finally {
    for (const name of names) await ip("netns", "delete", name).catch(() => {});
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) await main();
