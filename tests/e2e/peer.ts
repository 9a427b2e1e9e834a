/**
 * One end of a connection, as a process of its own: `serve` or `connect`, TCP or MPTCP.
 *
 * A server echoes. A client sends 1000 bytes, reads them back, says so and holds the connection; with
 * `--idle` it sends nothing, with `--chatty` it goes on and on. Both end with their input.
 *
 * `deno run -A peer.ts serve|connect TCP|MPTCP ADDRESS PORT [--idle|--chatty]`
 *
 * @module
 */

import {
  acceptConnection,
  isReady,
  listenAt,
  openStream,
  receiveBytes,
  sendBytes,
} from "../../ffi/connect.ts";
import type { Fd } from "../../ffi/fd.ts";
import { encodeSocketAddress } from "../../inspect/mod.ts";
import { attempt, waitFor } from "../../proof/attempt.ts";

const BYTES = 1000;
const PATIENCE_MS = 15_000;

function say(word: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${word}\n`));
}

/** Until the input ends: what holds the process. */
async function untilClosed(): Promise<void> {
  const buffer = new Uint8Array(64);
  while (await Deno.stdin.read(buffer) !== null);
}

function echo(connection: Fd): void {
  const buffer = new Uint8Array(65536);
  while (isReady(connection, "read")) {
    const length = receiveBytes(connection, buffer);
    if (length <= 0) return;
    sendBytes(connection, buffer.subarray(0, length));
  }
}

if (import.meta.main) {
  const [role, protocol, address = "", port, manner] = Deno.args;
  if (protocol !== "TCP" && protocol !== "MPTCP") throw new Error(`no protocol: ${protocol}`);
  const remote = { address, port: Number(port) };
  if (role === "serve") {
    const listener = openStream(address.includes(":") ? 10 : 2, protocol === "TCP" ? 6 : 262);
    listenAt(listener, encodeSocketAddress(remote));
    say("ready");
    const connections: Fd[] = [];
    setInterval(() => {
      for (let next = acceptConnection(listener); next; next = acceptConnection(listener)) {
        connections.push(next);
      }
      connections.forEach(echo);
    }, 2);
  } else {
    const { fd, error, ms } = await attempt(protocol, remote, PATIENCE_MS);
    if (fd === undefined) {
      say(`failed ${error}`);
    } else {
      let received = 0;
      if (manner !== "--idle") {
        sendBytes(fd, new Uint8Array(BYTES));
        const buffer = new Uint8Array(BYTES);
        await waitFor(PATIENCE_MS, () => {
          received += Math.max(0, receiveBytes(fd, buffer));
          return received >= BYTES || undefined;
        });
      }
      // Acknowledgements, and additional subflows.
      await new Promise((resolve) => setTimeout(resolve, 200));
      say(`connected ${received} ${Math.round(ms)}`);
      if (manner === "--chatty") {
        const buffer = new Uint8Array(BYTES);
        setInterval(() => {
          sendBytes(fd, buffer);
          receiveBytes(fd, buffer);
        }, 30);
      }
    }
  }
  await untilClosed();
  Deno.exit();
}
