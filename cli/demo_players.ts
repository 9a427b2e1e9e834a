/**
 * Who can play a part in the demo: HTTP servers and clients of the machine, none of which knows MPTCP.
 *
 * @module
 */

import { NotFoundError } from "../mod.ts";

/** The file that a server serves. */
export const FILE_NAME = "data.bin";

/** A program that can play a part, and the words that make it do so. */
export interface Player {
  readonly name: string;
  readonly words: readonly string[];
}

const NODE_SERVER = `require("http").createServer((_, response) =>
  require("fs").createReadStream("${FILE_NAME}").pipe(response)).listen(PORT, "127.0.0.1")`;
const DENO_SERVER = `Deno.serve({ port: PORT, hostname: "127.0.0.1", onListen() {} }, async () =>
  new Response((await Deno.open("${FILE_NAME}")).readable))`;
const PYTHON_CLIENT = `import shutil, sys, urllib.request
shutil.copyfileobj(urllib.request.urlopen("URL"), sys.stdout.buffer)`;
const NODE_CLIENT = `require("http").get("URL", (response) => response.pipe(process.stdout))`;
const DENO_CLIENT = `await (await fetch("URL")).body.pipeTo(Deno.stdout.writable)`;

/** Servers, the best known first; PORT stands for the port. They serve the folder they start in. */
export function serverPlayers(): Player[] {
  return [
    {
      name: "python3",
      words: ["python3", "-m", "http.server", "PORT", "--bind", "127.0.0.1"],
    },
    { name: "node", words: ["node", "-e", NODE_SERVER] },
    { name: "deno", words: [Deno.execPath(), "eval", "--no-config", DENO_SERVER] },
  ];
}

/** Clients, the best known first; URL stands for what to fetch. They write it to stdout. */
export function clientPlayers(): Player[] {
  return [
    { name: "curl", words: ["curl", "-sS", "URL"] },
    { name: "python3", words: ["python3", "-c", PYTHON_CLIENT] },
    { name: "node", words: ["node", "-e", NODE_CLIENT] },
    { name: "deno", words: [Deno.execPath(), "eval", "--no-config", DENO_CLIENT] },
  ];
}

/**
 * The first player that works here: it tells its version.
 *
 * @throws {NotFoundError} when none does
 */
export function findPlayer(part: string, players: readonly Player[]): Player {
  for (const player of players) {
    try {
      const { success } = new Deno.Command(player.words[0]!, {
        args: ["--version"],
        stdin: "null",
        stdout: "null",
        stderr: "null",
      }).outputSync();
      if (success) return player;
    } catch {
      // Not on this machine: the next one.
    }
  }
  throw new NotFoundError(`Cannot find a ${part} for the demo: none of them is here`, {
    tried: players.map((player) => player.name),
  });
}
