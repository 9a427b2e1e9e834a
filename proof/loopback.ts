/**
 * A real connection over loopback, checked at both ends.
 *
 * @module
 */

import { SyscallError } from "../errors.ts";
import { acceptConnection, listenAt, openStream, receiveBytes, sendBytes } from "../ffi/connect.ts";
import { readSocketAddress } from "../ffi/libc.ts";
import {
  encodeSocketAddress,
  growth,
  parseSocketAddress,
  readMptcpCounters,
  readStreamSocket,
  type Verdict,
} from "../inspect/mod.ts";
import { attempt, waitFor } from "./attempt.ts";

const IPPROTO_MPTCP = 262;
const AF_INET = 2;
const AF_INET6 = 10;
/** More than one segment of loopback. */
const BYTES = 100_000;
const PATIENCE_MS = 2000;

/** How a connection over loopback went. */
export interface SelfTest {
  /** The family of the connection. */
  readonly family: "IPv4" | "IPv6";
  /** Whether both ends are MPTCP and all bytes came over. */
  readonly passed: boolean;
  /** What the end that connected is; undefined when there was no connection. */
  readonly client?: Verdict;
  /** What the end that accepted is; undefined when there was no connection. */
  readonly server?: Verdict;
  /** Whether the kernel did not ask for MPTCP at all: a SYN with it was lost before. */
  readonly notAsked: boolean;
  /** What went wrong, as a clause. */
  readonly failure?: string;
}

/**
 * Connects over loopback with MPTCP, carries bytes across, and asks both ends.
 *
 * Source: the state after a lost SYN counts for loopback too, net/mptcp/ctrl.c
 * mptcp_active_should_disable @ v6.12.
 */
export async function selfTest(family: "IPv4" | "IPv6"): Promise<SelfTest> {
  try {
    return await transfer(family);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    return { family, passed: false, notAsked: false, failure: `${error.call}: ${error.code}` };
  }
}

async function transfer(family: "IPv4" | "IPv6"): Promise<SelfTest> {
  const address = family === "IPv4" ? "127.0.0.1" : "::1";
  using listener = openStream(family === "IPv4" ? AF_INET : AF_INET6, IPPROTO_MPTCP);
  listenAt(listener, encodeSocketAddress({ address, port: 0 }));
  const remote = parseSocketAddress(readSocketAddress(listener.number, "getsockname").bytes)!;
  const before = readMptcpCounters();
  const { fd, error } = await attempt("MPTCP", remote, PATIENCE_MS);
  if (fd === undefined) {
    return { family, passed: false, notAsked: false, failure: `connect: ${error ?? "no answer"}` };
  }
  using client = fd;
  using server = await waitFor(PATIENCE_MS, () => acceptConnection(listener));
  if (server === undefined) {
    return { family, passed: false, notAsked: false, failure: "accept: nothing came" };
  }
  let sent = 0;
  let received = 0;
  const buffer = new Uint8Array(BYTES);
  await waitFor(PATIENCE_MS, () => {
    if (sent < BYTES) sent += sendBytes(client, buffer.subarray(sent));
    received += Math.max(0, receiveBytes(server, buffer));
    return received >= BYTES || undefined;
  });
  const ends = {
    client: readStreamSocket(client.number)!.verdict,
    server: readStreamSocket(server.number)!.verdict,
  };
  const whole = received === BYTES;
  return {
    family,
    passed: whole && ends.client === "mptcp" && ends.server === "mptcp",
    ...ends,
    notAsked: growth(before, readMptcpCounters()).has("MPCapableSYNTXDisabled") &&
      ends.client === "fallback",
    ...(!whole && { failure: `${received} of ${BYTES} bytes came over` }),
  };
}
