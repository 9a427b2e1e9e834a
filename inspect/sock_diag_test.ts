import { deepStrictEqual, ok, strictEqual } from "node:assert";
import { parseMessages } from "./netlink.ts";
import { type DiagSocket, encodeDiagRequest, parseDiagMessage } from "./diag_message.ts";
import { readDiagSockets } from "./sock_diag.ts";
import { concat } from "./netlink.ts";
import {
  forEachPrefix,
  KERNELS,
  parseHex,
  random,
  randomBytes,
  readDatagrams,
} from "./testdata/captures.ts";

const SOCK_DIAG_BY_FAMILY = 20;

function payloads(kernel: string, list: string): Uint8Array[] {
  return readDatagrams(kernel, list).flatMap((datagram) =>
    [...parseMessages(datagram)].filter(({ type }) => type === SOCK_DIAG_BY_FAMILY)
      .map(({ payload }) => payload)
  );
}

function sockets(kernel: string, protocol: "TCP" | "MPTCP", family: "IPv4" | "IPv6"): DiagSocket[] {
  return payloads(kernel, `${protocol} ${family}`)
    .map((payload) => parseDiagMessage(protocol, payload)!);
}

Deno.test("encodeDiagRequest() asks by attribute for the protocol that its header cannot hold", () => {
  deepStrictEqual(
    concat(encodeDiagRequest("MPTCP", "IPv6", { localPort: 0x1234 })),
    parseHex("0a06020" + "0b70f0000" + "1234" + "00".repeat(46) + "0800030006010000"),
  );
});

Deno.test("encodeDiagRequest() filters by any of several cgroups in the kernel's own code", () => {
  const [, , filter] = encodeDiagRequest("TCP", "IPv4", { cgroupIds: [1n, 0x0102n] });
  deepStrictEqual(
    filter,
    // Where one holds, on (12) to what jumps to exactly the end (16), else beyond that jump (16).
    parseHex(
      "20000100" + "0d0c1000" + "0100000000000000" + "01041000" + "0d0c1000" + "0201000000000000",
    ),
  );
});

for (const kernel of KERNELS) {
  Deno.test(`parseDiagMessage() reads every captured socket when the kernel is ${kernel}`, () => {
    const mptcp = sockets(kernel, "MPTCP", "IPv4");
    const tcp = sockets(kernel, "TCP", "IPv4");
    const states = (list: DiagSocket[]) => list.map(({ state }) => state).sort();
    deepStrictEqual(states(mptcp), ["ESTABLISHED", "ESTABLISHED", "ESTABLISHED", "LISTEN"]);
    strictEqual(states(tcp).filter((state) => state === "LISTEN").length, 2);

    const fallback = mptcp.filter((socket) => socket.mptcp?.fallback);
    strictEqual(fallback.length, 1);
    strictEqual(fallback[0]?.mptcp?.remoteKeyReceived, false);
    const [half] = tcp.filter(({ inode }) => inode === fallback[0]?.inode);
    deepStrictEqual([half?.subflow?.asked, half?.subflow?.peerCapable], [true, false]);
    strictEqual(half?.tcp?.bytesSent, 1000);

    // capture.c gives IPv4 connections a second subflow, from 127.0.0.2.
    const [client] = mptcp.filter((socket) =>
      socket.mptcp?.remoteKeyReceived && socket.local.port !== mptcp.at(-1)?.local.port
    );
    const subflows = tcp.filter(({ subflow }) => subflow?.localToken === client?.mptcp?.token);
    strictEqual(subflows.length, 2);
    deepStrictEqual(subflows.map(({ inode }) => inode), [client?.inode, client?.inode]);
    deepStrictEqual(
      subflows.map(({ local, subflow }) => [local.address, subflow?.joined, subflow?.backup])
        .sort(),
      [["127.0.0.1", false, false], ["127.0.0.2", true, false]],
    );
    ok(tcp.every(({ uid, privileged, md5 }) => uid === 0 && privileged && !md5));
    ok([...tcp, ...mptcp].every(({ inode, cgroupId }) => inode > 0 && (cgroupId ?? 0n) > 0n));

    const v6 = sockets(kernel, "MPTCP", "IPv6");
    ok(
      v6.length >= 3 &&
        v6.every(({ family, local }) => family === "IPv6" && local.address === "::1"),
    );
  });

  Deno.test(`parseDiagMessage() leaves out what is cut off when the bytes of ${kernel} are cut`, () => {
    for (const protocol of ["TCP", "MPTCP"] as const) {
      for (const payload of payloads(kernel, `${protocol} IPv4`)) {
        const whole = parseDiagMessage(protocol, payload)!;
        forEachPrefix(payload, (prefix) => {
          const socket = parseDiagMessage(protocol, prefix);
          strictEqual(socket === undefined, prefix.length < 72);
          if (socket === undefined) return;
          deepStrictEqual(
            [socket.local, socket.remote, socket.state, socket.inode, socket.uid],
            [whole.local, whole.remote, whole.state, whole.inode, whole.uid],
          );
          if (socket.subflow !== undefined) ok(whole.subflow !== undefined);
        });
      }
    }
  });
}

Deno.test("parseDiagMessage() gives fields of their type when bytes are random", () => {
  const next = random(12);
  for (let round = 0; round < 3000; round++) {
    const bytes = randomBytes(next, 400);
    if (bytes.length > 0) bytes[0] = round % 2 ? 2 : 10;
    const socket = parseDiagMessage(round % 3 ? "TCP" : "MPTCP", bytes);
    if (socket === undefined) continue;
    ok(socket.local.port >= 0 && socket.local.port < 65536);
    strictEqual(typeof socket.state, "string");
  }
});

Deno.test("parseDiagMessage() ignores attributes that it does not know when a kernel is newer", () => {
  const [payload] = payloads("7.2", "TCP IPv4");
  const longer = concat([payload!, parseHex("0800ff00ffffffff")]);
  deepStrictEqual(parseDiagMessage("TCP", longer), parseDiagMessage("TCP", payload!));
});

Deno.test("readDiagSockets() lists a listener of this process, and by its port alone", () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const ports = (list: readonly DiagSocket[]) => list.map(({ local }) => local.port);
  const all = ports(readDiagSockets().tcp);
  ok(all.includes(port) && all.includes(other.addr.port));
  deepStrictEqual(ports(readDiagSockets({ localPort: port }).tcp), [port]);
  deepStrictEqual(readDiagSockets({ cgroupIds: [] }).tcp, []);
});

Deno.test("readDiagSockets() finds the same sockets by cgroup in the kernel and here", () => {
  using _listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { cgroupId } = readDiagSockets({ localPort: _listener.addr.port }).tcp[0]!;
  const own = Deno.pid;
  ok(cgroupId !== undefined && own > 0);
  const others = Array.from({ length: 30 }, (_, index) => BigInt(index) + 2n ** 60n);
  const count = (cgroupIds: readonly bigint[]) =>
    readDiagSockets({ localPort: _listener.addr.port, cgroupIds }).tcp.length;
  for (const number of [1, 2, 3, 20, 30]) {
    const some = others.slice(0, number);
    strictEqual(count(some), 0, `${number} others`);
    for (const place of new Set([0, number >> 1, number - 1])) {
      strictEqual(count(some.with(place, cgroupId)), 1, `${place} of ${number}`);
    }
  }
});
