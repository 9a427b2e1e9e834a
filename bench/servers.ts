/**
 * Web servers under a load of wrk(1), in a network namespace of their own.
 *
 * @module
 */

import { NetworkNamespace } from "../tests/apps/netns.ts";
import { type Chapter, type Group, takeTurns } from "./group.ts";
import { capture, type Parts } from "./parts.ts";

/** A server that runs for the whole chapter. */
interface Server {
  readonly name: string;
  readonly port: number;
  readonly words: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The library under which wrk asks for MPTCP; undefined for TCP. */
  readonly client: string | undefined;
}

const NGINX = "/usr/sbin/nginx";
/** One thread each, on a CPU each. */
const [SERVER_CPU, CLIENT_CPU] = ["0", "1"];

function nginxServers(parts: Parts): Server[] {
  const nginx = (port: number): string[] => {
    const folder = `${parts.folder}/nginx-${port}`;
    Deno.mkdirSync(folder);
    Deno.chmodSync(folder, 0o777);
    Deno.writeTextFileSync(`${folder}/index.html`, "x".repeat(612));
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((name) => `${name}_temp_path ${folder}/${name};`).join(" ");
    Deno.writeTextFileSync(
      `${folder}/nginx.conf`,
      `daemon off; worker_processes 1; pid ${folder}/pid; error_log /dev/null;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 1000000; ${temporary}
  server { listen 127.0.0.1:${port}; root ${folder}; } }\n`,
    );
    return [NGINX, "-p", folder, "-c", `${folder}/nginx.conf`];
  };
  const { library, peerLibrary, launcher, peer, listen } = parts;
  return [
    { name: "TCP", port: 8001, words: nginx(8001), client: undefined },
    {
      name: "MPTCP, native",
      port: 8002,
      words: [listen, "8002", ...nginx(8002)],
      client: library,
    },
    {
      name: "MPTCP, mptcpize run",
      port: 8003,
      words: [launcher, "run", ...nginx(8003)],
      client: library,
    },
    {
      name: "MPTCP, C mptcpize run",
      port: 8004,
      words: [peer, "run", ...nginx(8004)],
      client: peerLibrary,
    },
  ];
}

function goServers({ server, library, patched }: Parts): Server[] {
  const port = (number: number) => [server, `${number}`];
  return [
    { name: "TCP", port: 8011, words: port(8011), client: undefined },
    {
      name: "MPTCP, native",
      port: 8012,
      words: [...port(8012), "multipath"],
      client: library,
    },
    {
      name: "MPTCP, GODEBUG",
      port: 8013,
      words: port(8013),
      env: { GODEBUG: "multipathtcp=1" },
      client: library,
    },
    {
      name: "MPTCP, patched",
      port: 8014,
      words: patched(server, "8014"),
      client: library,
    },
  ];
}

/** One second of load; the requests a second that were answered. */
async function load(
  namespace: NetworkNamespace,
  { name, port, client }: Server,
  headers: readonly string[],
): Promise<number> {
  const before = namespace.counters();
  const out = await capture(
    namespace.enter([
      ...["taskset", "-c", CLIENT_CPU!, "wrk", "-t1", "-c32", "-d1s"],
      ...headers,
      `http://127.0.0.1:${port}/`,
    ]),
    client === undefined ? {} : { LD_PRELOAD: client },
  );
  const rate = Number(/^Requests\/sec: +([\d.]+)$/m.exec(out)?.[1]);
  if (!(rate > 0) || /Non-2xx|Socket errors/.test(out)) {
    throw new Error(`Cannot measure ${name}: wrk says\n${out}`);
  }
  const after = namespace.counters();
  const accepted = after.mptcpPassiveOpens - before.mptcpPassiveOpens;
  const all = after.passiveOpens - before.passiveOpens;
  // A few of the way before may still come in.
  if ((2 * accepted > all) !== (client !== undefined)) {
    throw new Error(`Cannot measure ${name}: ${accepted} of ${all} connections were MPTCP`);
  }
  return rate;
}

async function measureGroup(
  namespace: NetworkNamespace,
  title: string,
  rounds: number,
  servers: readonly Server[],
): Promise<Group[]> {
  const children: Deno.ChildProcess[] = [];
  try {
    for (const { name, port, words, env } of servers) {
      const [file, ...args] = namespace.enter(["taskset", "-c", SERVER_CPU!, ...words]);
      children.push(
        new Deno.Command(file!, { args, env: { ...env }, stdout: "null", stderr: "null" }).spawn(),
      );
      for (let round = 0; !namespace.listens(port); round++) {
        if (round === 500) throw new Error(`Cannot measure ${name}: it does not listen`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
    const groups: Group[] = [];
    for (
      const [what, headers] of [
        ["kept connections", []],
        ["a connection for each request", ["-H", "Connection: close"]],
      ] as const
    ) {
      const ways = servers.map((server) =>
        [server.name, () => load(namespace, server, headers)] as const
      );
      groups.push({
        title: `${title}, ${what}`,
        kind: "rate",
        unit: "requests/s",
        reference: "MPTCP, native",
        ways: await takeTurns(rounds, Object.fromEntries(ways)),
      });
    }
    return groups;
  } finally {
    namespace.kill();
    for (const child of children) await child.status;
  }
}

/** What servers answer. Needs: root, nginx, wrk. */
export async function measureServers(parts: Parts, scale: number): Promise<Chapter> {
  await using namespace = await NetworkNamespace.open(true);
  const rounds = Math.max(2, Math.round(7 * scale));
  return {
    title: "Servers under load",
    about:
      "wrk with 32 connections for a second at 612 bytes, over loopback in a network namespace of its " +
      "own; server and wrk with one thread each, on a CPU each. wrk itself asks for MPTCP by our library, by " +
      "the C tool's beside the C tool. Native: nginx with a listener that was handed to it, and Go's " +
      "SetMultipathTCP(true). nginx cannot be patched, being dynamic; the server of Go 1.23 is static.",
    groups: [
      ...await measureGroup(namespace, "nginx", rounds, nginxServers(parts)),
      ...await measureGroup(namespace, "Go", rounds, goServers(parts)),
    ],
  };
}
