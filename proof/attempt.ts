/**
 * One connection to one address, over TCP or MPTCP, and what became of it.
 *
 * @module
 */

import { SyscallError } from "../errors.ts";
import {
  connectOutcome,
  finishSending,
  isReady,
  openStream,
  receiveBytes,
  startConnect,
} from "../ffi/connect.ts";
import { Errno, errnoName } from "../ffi/errno.ts";
import type { Fd } from "../ffi/fd.ts";
import {
  encodeSocketAddress,
  readAcknowledged,
  readStreamSocket,
  type SocketAddress,
  type SocketFacts,
} from "../inspect/mod.ts";

const AF_INET = 2;
const AF_INET6 = 10;
const PROTOCOLS = { TCP: 6, MPTCP: 262 } as const;

/** What an attempt to connect came to. */
export type AttemptState =
  | "connected"
  | "refused"
  | "unreachable"
  | "no-answer"
  | "no-socket"
  | "failed";

/** One attempt to connect. */
export interface Attempt {
  /** What was asked for. */
  readonly protocol: "TCP" | "MPTCP";
  /** How it ended. */
  readonly state: AttemptState;
  /** How long it took, or was waited for. */
  readonly ms: number;
  /** The errno's name, when the kernel gave one. */
  readonly error?: string;
}

const SHORTEST_SLICE_MS = 1;
const LONGEST_SLICE_MS = 20;

/** Waits in slices that grow, so that the runtime goes on, until something is there or time is up. */
export async function waitFor<Result>(
  limitMs: number,
  look: () => Result | undefined,
): Promise<Result | undefined> {
  const end = performance.now() + limitMs;
  for (let slice = SHORTEST_SLICE_MS;; slice = Math.min(2 * slice, LONGEST_SLICE_MS)) {
    const result = look();
    if (result !== undefined || performance.now() >= end) return result;
    await new Promise((resolve) => setTimeout(resolve, slice));
  }
}

function stateOf(errno: number): AttemptState {
  switch (errno) {
    case Errno.ECONNREFUSED:
    case Errno.ECONNRESET:
      return "refused";
    case Errno.ENETUNREACH:
    case Errno.EHOSTUNREACH:
    case Errno.EADDRNOTAVAIL:
      return "unreachable";
    case Errno.ETIMEDOUT:
      return "no-answer";
    default:
      return "failed";
  }
}

/**
 * Connects without holding the runtime up; the socket is there when it is connected, and the caller closes
 * it.
 */
export async function attempt(
  protocol: "TCP" | "MPTCP",
  remote: SocketAddress,
  limitMs: number,
): Promise<Attempt & { readonly fd?: Fd }> {
  const began = performance.now();
  // To the microsecond: what is below is noise.
  const ms = () => Math.round(1000 * (performance.now() - began)) / 1000;
  const failed = (errno: number): Attempt => ({
    protocol,
    state: stateOf(errno),
    ms: ms(),
    error: errnoName(errno),
  });
  let fd: Fd;
  try {
    fd = openStream(remote.address.includes(":") ? AF_INET6 : AF_INET, PROTOCOLS[protocol]);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    return { protocol, state: "no-socket", ms: 0, error: error.code };
  }
  const { value, errno } = startConnect(fd, encodeSocketAddress(remote));
  const outcome = value === -1 && errno !== Errno.EINPROGRESS
    ? errno
    : await waitFor(limitMs, () => connectOutcome(fd));
  if (outcome === 0) return { protocol, state: "connected", ms: ms(), fd };
  fd[Symbol.dispose]();
  return outcome === undefined ? { protocol, state: "no-answer", ms: ms() } : failed(outcome);
}

/** What a connection is once the peer has answered more than the handshake. */
export interface Confirmation {
  /** Whether the peer acknowledged at the level of MPTCP. */
  readonly acknowledged: boolean;
  /** The socket at the end. */
  readonly facts: SocketFacts | undefined;
}

/**
 * Says that nothing more is sent, and waits for the peer's answer to that.
 *
 * The end of a stream is the one thing that may be sent to a server of which nothing is known, and MPTCP
 * carries it in an option of its own (DATA_FIN), which an MPTCP peer acknowledges in another. If options
 * are removed on the way, a segment without them arrives, and the kernel falls back.
 *
 * Source: RFC 8684 §3.3.3; net/mptcp/options.c check_fully_established @ v6.12.
 */
export async function confirm(fd: Fd, limitMs: number): Promise<Confirmation> {
  const before = readAcknowledged(fd.number);
  finishSending(fd);
  const buffer = new Uint8Array(4096);
  let ended = false;
  const acknowledged = await waitFor(limitMs, () => {
    // What a server says first is taken, or its end would not be seen.
    while (!ended && isReady(fd, "read")) ended = receiveBytes(fd, buffer) <= 0;
    const now = readAcknowledged(fd.number);
    // Undefined is a socket that is not MPTCP any more.
    return now === undefined ? false : now !== before ? true : undefined;
  });
  return { acknowledged: acknowledged ?? false, facts: readStreamSocket(fd.number) };
}
