/**
 * What is measured, chapter by chapter.
 *
 * @module
 */

import { type Chapter, type Group, takeTurns } from "./group.ts";
import { measureMemory } from "./memory.ts";
import { capture, type Parts } from "./parts.ts";
import { measureServers } from "./servers.ts";

const IPPROTO_MPTCP = 262;
/** What starts Deno takes part in one of so many rounds: it takes as long as fifty of the others. */
const SLOW = 20;

/** Starts of one program by several ways. */
async function measureStart(
  { starter }: Parts,
  title: string,
  rounds: number,
  ways: Readonly<Record<string, readonly string[]>>,
): Promise<Group> {
  const words = Object.entries(ways).flatMap(([name, command]) => [
    ...["--", name.includes("Deno") ? `${SLOW}` : "1"],
    ...command,
  ]);
  const names = Object.keys(ways);
  const values = names.map(() => new Array<number | null>(rounds).fill(null));
  for (const line of (await capture([starter, `${rounds}`, ...words])).trim().split("\n")) {
    const [which, round, time] = line.split(" ").map(Number);
    values[which!]![round!] = time!;
  }
  return {
    title,
    kind: "added",
    unit: "µs",
    reference: "C mptcpize run",
    ways: Object.fromEntries(names.map((name, index) => [name, values[index]!])),
  };
}

/** What `run` costs until the command has ended. */
export async function startChapter(parts: Parts, scale: number): Promise<Chapter> {
  const { launcher, deno, peer } = parts;
  const rounds = Math.max(SLOW * 3, Math.round(1500 * scale));
  const dynamic = (program: string) => ({
    "bare": [program],
    "mptcpize run": [launcher, "run", program],
    "Deno command line, run": [...deno, "run", program],
    "C mptcpize run": [peer, "run", program],
    "the least possible": [...parts.floor, program],
  });
  const patch = ["run", "--method", "patch"];
  const { staticTrue, goTrue } = parts;
  return {
    title: "Start",
    about:
      "From posix_spawn() to the end of the program. What is added is the median of the differences " +
      "to the bare start in the same round; its share is that of what the C tool adds. " +
      "The least possible is a static program that appends LD_PRELOAD and calls execve. " +
      "The C tool starts static programs and Go as TCP, ours as MPTCP: by patch, and by GODEBUG.",
    groups: [
      await measureStart(parts, "/bin/true, dynamic", rounds, dynamic("/bin/true")),
      await measureStart(parts, "a script of sh", rounds, dynamic(parts.script)),
      await measureStart(parts, "a static program", rounds, {
        "bare": [staticTrue],
        "mptcpize run --method patch": [launcher, ...patch, staticTrue],
        "C mptcpize run": [peer, "run", staticTrue],
      }),
      await measureStart(parts, "a static program of Go 1.23", rounds, {
        "bare": [goTrue],
        "mptcpize run": [launcher, "run", goTrue],
        "mptcpize run --method patch": [launcher, ...patch, goTrue],
        "C mptcpize run": [peer, "run", goTrue],
      }),
    ],
  };
}

/** The nanoseconds that bench/sockets.c tells; its sockets must be what the way's name says. */
async function measureSockets(
  name: string,
  words: readonly string[],
  preload: string | undefined,
): Promise<number> {
  const env: Record<string, string> = preload === undefined ? {} : { LD_PRELOAD: preload };
  const [nanoseconds, protocol] = (await capture(words, env)).split(" ").map(Number);
  if ((protocol === IPPROTO_MPTCP) !== name.startsWith("MPTCP")) {
    throw new Error(`Cannot measure ${name}: its sockets have protocol ${protocol}`);
  }
  return nanoseconds!;
}

/** What a socket costs. */
export async function socketChapter(parts: Parts, scale: number): Promise<Chapter> {
  const rounds = Math.max(3, Math.round(61 * scale));
  const reference = "MPTCP, native";
  const groups: Group[] = [];
  const kinds = [
    ["socket()+close(), one thread", "socket", "1", "3000"],
    ["socket()+close(), eight threads", "socket", "8", "600"],
    ["connect+accept+close", "connect", "1", "400"],
  ] as const;
  for (const [title, test, threads, count] of kinds) {
    // On one CPU: where it moves, the machine's other work is measured.
    const pin = threads === "1" ? ["taskset", "-c", "0"] : [];
    const way = (name: string, path: string, protocol: string, preload?: string, patch = false) => {
      const words = [path, test, protocol, threads, count];
      const start = patch ? parts.patched(path, ...words.slice(1)) : words;
      return [name, () => measureSockets(name, [...pin, ...start], preload)] as const;
    };
    const { sockets, staticSockets } = parts;
    const ways = {
      dynamic: [
        way("TCP", sockets, "tcp"),
        way(reference, sockets, "mptcp"),
        way("MPTCP, our library", sockets, "tcp", parts.library),
        way("MPTCP, libmptcpwrap", sockets, "tcp", parts.peerLibrary),
      ],
      static: [
        way("TCP", staticSockets, "tcp"),
        way(reference, staticSockets, "mptcp"),
        way("MPTCP, patched", staticSockets, "tcp", undefined, true),
      ],
    };
    for (const [linked, list] of Object.entries(ways)) {
      groups.push({
        title: `${title}, ${linked}`,
        kind: "time",
        unit: "ns",
        reference,
        ways: await takeTurns(rounds, Object.fromEntries(list)),
      });
    }
  }
  return {
    title: "Sockets",
    about:
      "One C program, dynamic and static, in a loop: the time of one round of it. One thread is " +
      "kept on one CPU. Connections are over loopback.",
    groups,
  };
}

/** All chapters, as functions that measure them at a scale. */
export const CHAPTERS: Readonly<
  Record<string, (parts: Parts, scale: number) => Promise<Chapter>>
> = {
  start: startChapter,
  sockets: socketChapter,
  servers: measureServers,
  memory: measureMemory,
};
