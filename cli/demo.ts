/**
 * `mptcpize demo`: a real server and client that know nothing of MPTCP, forced over loopback.
 *
 * @module
 */

import {
  MptcpizeError,
  NotFoundError,
  probeMptcp,
  type ProcessSockets,
  readProcessSockets,
  type Verdict,
} from "../mod.ts";
import type { Env } from "./env.ts";
import type { ParsedFlags } from "./flags.ts";
import {
  clientPlayers,
  FILE_NAME,
  findPlayer,
  type Player,
  serverPlayers,
} from "./demo_players.ts";
import { bytesText, painter, shellWord, wrap } from "./render.ts";
import { socketsText, VERDICT_WORDS } from "./sockets_text.ts";

/** Large enough that a paused reader leaves both ends connected, whatever the buffers hold. */
const TRANSFER_BYTES = 48_000_000;
/** How long a server may take to listen, and a transfer to go on. */
const PATIENCE_MS = 20_000;

/** One end of a transfer as the kernel saw it. */
interface End {
  readonly name: string;
  readonly command: readonly string[];
  readonly seen: ProcessSockets;
  /** The verdict of its connection. */
  readonly verdict: Verdict | undefined;
}

/** A transfer, forced or not. */
interface Round {
  readonly forced: boolean;
  readonly server: End;
  readonly client: End;
  readonly bytes: number;
  readonly ms: number;
}

/** The players that run. */
const running = new Set<Deno.ChildProcess>();

/** Starts a player, behind `mptcpize run` when it is to be forced. */
function start(
  words: readonly string[],
  forced: boolean,
  options: Deno.CommandOptions,
): Deno.ChildProcess {
  const own = new URL(Deno.mainModule).pathname;
  const all = forced
    ? [Deno.execPath(), "run", "-qA", decodeURIComponent(own), "run", "--", ...words]
    : words;
  const child = new Deno.Command(all[0]!, { ...options, args: all.slice(1), stdin: "null" })
    .spawn();
  running.add(child);
  return child;
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function until<T>(what: string, probe: () => T | undefined): Promise<T> {
  const end = Date.now() + PATIENCE_MS;
  while (Date.now() < end) {
    const result = probe();
    if (result !== undefined) return result;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new MptcpizeError(`Cannot show the demo: ${what} after ${PATIENCE_MS / 1000} s`);
}

function ownSockets(pid: number): ProcessSockets | undefined {
  try {
    return readProcessSockets(pid);
  } catch (error) {
    if (error instanceof NotFoundError) return undefined;
    throw error;
  }
}

/** The sockets that have to do with a port, at either end. */
function onPort(seen: ProcessSockets, port: number): ProcessSockets {
  const sockets = seen.sockets.filter((socket) =>
    socket.local?.port === port || socket.remote?.port === port
  );
  return { ...seen, sockets };
}

function end(player: Player, words: readonly string[], seen: ProcessSockets): End {
  const connected = seen.sockets.find((socket) => socket.state === "ESTABLISHED");
  return { name: player.name, command: words, seen, verdict: connected?.verdict };
}

function kill(child: Deno.ChildProcess): void {
  running.delete(child);
  try {
    child.kill("SIGKILL");
  } catch {
    // It ended by itself.
  }
}

async function stop(child: Deno.ChildProcess): Promise<void> {
  kill(child);
  await child.status;
}

/** Runs with a temporary folder, of which nothing is left, nor of the players, if a signal ends it. */
async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = Deno.makeTempDirSync({ prefix: "mptcpize-demo-" });
  const signals = [["SIGHUP", 129], ["SIGINT", 130], ["SIGTERM", 143]] as const;
  const handlers = signals.map(([signal, status]) => {
    const handler = () => {
      for (const child of running) kill(child);
      Deno.removeSync(folder, { recursive: true });
      Deno.exit(status);
    };
    Deno.addSignalListener(signal, handler);
    return () => Deno.removeSignalListener(signal, handler);
  });
  try {
    return await work(folder);
  } finally {
    for (const remove of handlers) remove();
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Reads a stream to its end and counts. */
async function drain(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<number> {
  let bytes = 0;
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
    bytes += chunk.value.length;
  }
  return bytes;
}

/** One transfer: the client is held up half-way, so that both ends can be looked at. */
async function transfer(
  server: Player,
  client: Player,
  folder: string,
  forced: boolean,
): Promise<Round> {
  const port = freePort();
  const url = `http://127.0.0.1:${port}/${FILE_NAME}`;
  const fill = (words: readonly string[]) =>
    words.map((word) => word.replace("PORT", String(port)).replace("URL", url));
  const serverWords = fill(server.words);
  const clientWords = fill(client.words);
  const quiet = { cwd: folder, stdout: "null", stderr: "null" } as const;
  const serverChild = start(serverWords, forced, quiet);
  let clientChild: Deno.ChildProcess | undefined;
  try {
    await until(`${server.name} does not listen`, () => {
      const listens = ownSockets(serverChild.pid)?.sockets
        .some((socket) => socket.state === "LISTEN" && socket.local?.port === port);
      return listens || undefined;
    });
    const began = performance.now();
    clientChild = start(clientWords, forced, { stdout: "piped", stderr: "null" });
    const reader = clientChild.stdout.getReader();
    const first = await reader.read();
    // Nobody reads on, so the connection stays as it is while both ends are asked.
    const clientSeen = onPort(readProcessSockets(clientChild.pid), port);
    const serverSeen = onPort(readProcessSockets(serverChild.pid), port);
    const bytes = (first.value?.length ?? 0) + await drain(reader);
    const ms = performance.now() - began;
    return {
      forced,
      server: end(server, serverWords, serverSeen),
      client: end(client, clientWords, clientSeen),
      bytes,
      ms,
    };
  } finally {
    if (clientChild !== undefined) await stop(clientChild);
    await stop(serverChild);
  }
}

function shortCommand(end: End): string {
  // A script of several lines says less than its program's name.
  const words = end.command.map((word) => word.includes("\n") || word.length > 60 ? "…" : word);
  const [program, ...rest] = words;
  return [program!.includes("/") ? end.name : program!, ...rest].map((word) =>
    word === "…" ? word : shellWord(word)
  ).join(" ");
}

function roundText(env: Env, round: Round): string {
  const paint = painter(env.color);
  const title = round.forced ? "Forced" : "The same, not forced";
  const part = (name: string, end: End) =>
    `${name}  $ ${round.forced ? "mptcpize run " : ""}${shortCommand(end)}\n` +
    socketsText(env, end.seen).split("\n").map((line) => `  ${line}`).join("\n");
  return [
    paint("bold", title),
    "",
    part("server", round.server),
    "",
    part("client", round.client),
    "",
    `${bytesText(round.bytes)} of ${
      bytesText(TRANSFER_BYTES)
    } arrived (the sockets were read on the way)`,
    "",
  ].join("\n");
}

function roundJson(round: Round): Record<string, unknown> {
  const end = ({ name, command, seen, verdict }: End) => ({
    name,
    command,
    verdict,
    sockets: seen.sockets,
  });
  return {
    forced: round.forced,
    bytes: round.bytes,
    server: end(round.server),
    client: end(round.client),
  };
}

function whole(round: Round): boolean {
  return round.bytes === TRANSFER_BYTES;
}

function ends(round: Round, verdict: Verdict): boolean {
  return round.server.verdict === verdict && round.client.verdict === verdict;
}

function conclusion(forced: Round, plain: Round): string {
  const said = ({ verdict }: End) =>
    verdict === undefined ? "no connection" : VERDICT_WORDS[verdict];
  if (!whole(forced) || !whole(plain)) return "The transfer was cut short";
  if (!ends(forced, "mptcp")) {
    return `MPTCP was not used when forced: server ${said(forced.server)}, client ${
      said(forced.client)
    }`;
  }
  const contrast = ends(plain, "tcp")
    ? "and plain TCP without being forced"
    : `and without being forced: server ${said(plain.server)}, client ${said(plain.client)}`;
  return `Both ends used MPTCP when forced, by the kernel's own answer (MPTCP_INFO), ${contrast}`;
}

/**
 * Runs the demo.
 *
 * @returns whether both ends used MPTCP when forced
 * @throws {MptcpizeError} when a player is missing or does not play its part
 */
export async function demo(env: Env, flags: ParsedFlags): Promise<boolean> {
  const server = findPlayer("server", serverPlayers());
  const client = findPlayer("client", clientPlayers());
  const mptcp = probeMptcp();
  const json = flags.has("json");
  const rounds = await withFolder(async (folder) => {
    Deno.createSync(`${folder}/${FILE_NAME}`).close();
    Deno.truncateSync(`${folder}/${FILE_NAME}`, TRANSFER_BYTES);
    const rounds = [];
    for (const isForced of [true, false]) {
      const round = await transfer(server, client, folder, isForced);
      if (!json) env.out(roundText(env, round) + "\n");
      rounds.push(round);
    }
    return rounds;
  });
  const [forced, plain] = rounds as [Round, Round];
  const proven = whole(forced) && whole(plain) && ends(forced, "mptcp");
  const words = conclusion(forced, plain);
  if (json) {
    const document = { proven, conclusion: words, mptcp, rounds: rounds.map(roundJson) };
    env.out(JSON.stringify(document, null, 2) + "\n");
    return proven;
  }
  env.out(`${painter(env.color)(proven ? "green" : "red", wrap(words))}\n`);
  if (!proven && mptcp.state === "no") {
    env.err(`mptcpize: ${mptcp.reason}\n\nhint: ${mptcp.needs}\n`);
  }
  return proven;
}
