/**
 * Real sockets on loopback, MPTCP and TCP, in this process or in another one.
 *
 * @module
 */

import { openSocket } from "../ffi/libc.ts";

/**
 * Opens sockets of all kinds in this process and gives their descriptors by name.
 *
 * Stands alone, so that its text can be run by another process.
 */
export function makeSockets(): Record<string, number> {
  const library = Deno.dlopen("libc.so.6", {
    socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
    bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
    listen: { parameters: ["i32", "i32"], result: "i32" },
    connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
    accept: { parameters: ["i32", "pointer", "pointer"], result: "i32" },
    getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
    send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
    recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
    dup: { parameters: ["i32"], result: "i32" },
    close: { parameters: ["i32"], result: "i32" },
  });
  const libc = library.symbols;
  const check = (value: number | bigint) => {
    if (Number(value) < 0) throw new Error("a socket call failed");
    return Number(value);
  };
  const [AF_UNIX, AF_INET, AF_INET6, TCP, MPTCP] = [1, 2, 10, 6, 262];
  const listen = (family: number, protocol: number, host: readonly number[]) => {
    const address = new Uint8Array(family === AF_INET ? 16 : 28);
    address.set([family, 0]);
    address.set(host, family === AF_INET ? 4 : 24 - host.length);
    const fd = check(libc.socket(family, 1, protocol));
    check(libc.bind(fd, address, address.length));
    check(libc.listen(fd, 8));
    check(libc.getsockname(fd, address, new Uint32Array([address.length])));
    return { fd, address };
  };
  const connect = (protocol: number, to: { fd: number; address: Uint8Array<ArrayBuffer> }) => {
    const client = check(libc.socket(to.address[0] ?? 0, 1, protocol));
    check(libc.connect(client, to.address, to.address.length));
    const accepted = check(libc.accept(to.fd, null, null));
    check(libc.send(client, new Uint8Array(5), 5n, 0));
    check(libc.recv(accepted, new Uint8Array(5), 5n, 0));
    return [client, accepted] as const;
  };
  const fds: Record<string, number> = {
    unix: check(libc.socket(AF_UNIX, 1, 0)),
    udp: check(libc.socket(AF_INET, 2, 0)),
    // Listens to all TCP segments and is no TCP socket; -1 for who may not have one.
    raw: libc.socket(AF_INET, 3, TCP),
  };
  const hosts = {
    v4: [AF_INET, [127, 0, 0, 1]],
    v6: [AF_INET6, [1]],
    mapped: [AF_INET6, [255, 255, 127, 0, 0, 1]],
  } as const;
  for (const [name, [family, host]] of Object.entries(hosts)) {
    const listener = listen(family, MPTCP, host);
    const tcpListener = listen(family, TCP, host);
    const [client, accepted] = connect(MPTCP, listener);
    const [fallback, fallbackPeer] = connect(MPTCP, tcpListener);
    const [tcp, acceptedTcp] = connect(TCP, listener);
    const [half, closed] = connect(TCP, tcpListener);
    libc.close(closed);
    Object.assign(fds, {
      [`${name} listener`]: listener.fd,
      [`${name} tcpListener`]: tcpListener.fd,
      [`${name} unconnected`]: check(libc.socket(family, 1, MPTCP)),
      [`${name} client`]: client,
      [`${name} accepted`]: accepted,
      [`${name} fallback`]: fallback,
      [`${name} fallbackPeer`]: fallbackPeer,
      [`${name} tcp`]: tcp,
      [`${name} acceptedTcp`]: acceptedTcp,
      [`${name} half`]: half,
    });
  }
  fds["dup"] = check(libc.dup(fds["v4 client"] ?? -1));
  library.close();
  return fds;
}

/** Whether an MPTCP socket can be made. */
export function hasMptcp(): boolean {
  try {
    using _socket = openSocket(2, 1, 262);
    return true;
  } catch {
    return false;
  }
}

/** A process that holds the sockets of {@linkcode makeSockets}. */
export interface Holder extends AsyncDisposable {
  /** Its number. */
  readonly pid: number;
  /** Its descriptors by name. */
  readonly fds: Readonly<Record<string, number>>;
}

/** Starts a process that holds sockets until it is disposed of. */
export async function startHolder(): Promise<Holder> {
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      `const fds = (${makeSockets})();
       console.log(JSON.stringify(fds));
       Deno.stdin.readSync(new Uint8Array(1));`,
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const lines = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value = "{}" } = await lines.read();
  const fds: Record<string, number> = JSON.parse(value);
  return {
    pid: process.pid,
    fds,
    async [Symbol.asyncDispose]() {
      await process.stdin.close();
      await lines.cancel();
      await process.status;
    },
  };
}
