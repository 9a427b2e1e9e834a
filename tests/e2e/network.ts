/**
 * Small networks of a test's own: a client, a router that can be a middlebox, and a server.
 *
 * @module
 */

import { NetworkNamespace } from "../apps/netns.ts";

const CLI = new URL("../../cli/mptcpize.ts", import.meta.url).pathname;
const PEER = new URL("./peer.ts", import.meta.url).pathname;

/** How a command ended. */
export interface Ended {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command in a namespace to its end. */
export async function runIn(
  namespace: NetworkNamespace,
  command: readonly string[],
  input?: string,
): Promise<Ended> {
  const [program = "", ...args] = namespace.enter(command);
  const child = new Deno.Command(program, {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
  const writer = child.stdin.getWriter();
  if (input !== undefined) await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const text = new TextDecoder();
  return { status: code, out: text.decode(stdout), err: text.decode(stderr) };
}

/** Runs commands of sh in a namespace, which all have to succeed. */
export async function setUp(namespace: NetworkNamespace, script: string): Promise<void> {
  const { status, err } = await runIn(namespace, ["sh", "-e"], script);
  if (status !== 0) throw new Error(`Cannot set up a network: ${err}`);
}

/** Runs `mptcpize` in a namespace. */
export function mptcpizeIn(
  namespace: NetworkNamespace,
  ...words: readonly string[]
): Promise<Ended> {
  return runIn(namespace, [Deno.execPath(), "run", "-qA", CLI, ...words]);
}

/** A process at one end of a connection. */
export interface Peer extends AsyncDisposable {
  readonly pid: number;
  /** The line that it said when it was there. */
  readonly said: string;
}

/** Starts one end of a connection, and waits until it is there. */
export async function startPeer(
  namespace: NetworkNamespace,
  role: "serve" | "connect",
  protocol: "TCP" | "MPTCP",
  address: string,
  port: number,
  ...flags: readonly string[]
): Promise<Peer> {
  const words = [role, protocol, address, String(port), ...flags];
  const [program = "", ...args] = namespace.enter(
    [Deno.execPath(), "run", "-qA", "--no-check", PEER, ...words],
  );
  const child = new Deno.Command(program, {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value = "" } = await reader.read();
  return {
    pid: child.pid,
    said: value.trim(),
    async [Symbol.asyncDispose]() {
      await child.stdin.close();
      await reader.cancel();
      await child.status;
    },
  };
}

/** A client and a server with a router between, over IPv4 and IPv6. */
export interface Network extends AsyncDisposable {
  readonly client: NetworkNamespace;
  readonly router: NetworkNamespace;
  readonly server: NetworkNamespace;
  /** The server's addresses. */
  readonly addresses: Readonly<Record<"IPv4" | "IPv6", string>>;
}

const SERVER = { IPv4: "10.9.1.1", IPv6: "fd0a::1" } as const;

/**
 * Makes a network.
 *
 * @param rule what the router does with what it forwards, as a rule of nft(8)
 */
export async function makeNetwork(rule?: string): Promise<Network> {
  const [client, router, server] = [
    await NetworkNamespace.open(true),
    await NetworkNamespace.open(true),
    await NetworkNamespace.open(true),
  ];
  await setUp(
    router,
    `
    ip link add c type veth peer name wan netns ${client.pid}
    ip link add s type veth peer name wan netns ${server.pid}
    ip addr add 10.9.0.2/24 dev c; ip addr add 10.9.1.2/24 dev s
    ip addr add fd09::2/64 dev c nodad; ip addr add fd0a::2/64 dev s nodad
    ip link set c up; ip link set s up
    echo 1 >/proc/sys/net/ipv4/ip_forward
    echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
    `,
  );
  const join = (v4: string, v6: string, router4: string, router6: string) => `
    ip addr add ${v4}/24 dev wan; ip addr add ${v6}/64 dev wan nodad
    ip link set wan up
    ip route add default via ${router4}; ip -6 route add default via ${router6}
    `;
  await setUp(client, join("10.9.0.1", "fd09::1", "10.9.0.2", "fd09::2"));
  await setUp(server, join(SERVER.IPv4, SERVER.IPv6, "10.9.1.2", "fd0a::2"));
  if (rule !== undefined) {
    await setUp(
      router,
      `nft -f - <<'EOF'
table inet middlebox {
  chain forward {
    type filter hook forward priority 0;
    ${rule}
  }
}
EOF`,
    );
  }
  return {
    client,
    router,
    server,
    addresses: SERVER,
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      await router[Symbol.asyncDispose]();
    },
  };
}
