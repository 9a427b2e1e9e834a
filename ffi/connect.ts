/**
 * Connections that are made without holding the thread up, and looked at through their descriptor.
 *
 * @module
 */

import { call, type CallResult, tryCall } from "./call.ts";
import { Fd } from "./fd.ts";
import { openSocket, readIntOption } from "./libc.ts";

const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const POLLOUT = 0x4;
const POLLIN = 0x1;
const SHUT_WR = 1;
const MSG_NOSIGNAL = 0x4000;

/** Opens a stream socket that does not block, of a protocol such as IPPROTO_MPTCP. */
export function openStream(domain: number, protocol: number): Fd {
  return openSocket(domain, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
}

/** Begins to connect; errno EINPROGRESS is what is to be expected. */
export function startConnect(fd: Fd, address: Uint8Array<ArrayBuffer>): CallResult {
  return tryCall("connect", fd.number, address, address.length);
}

/** Whether something is to be read from a descriptor, or can be written, or has failed; does not wait. */
export function isReady(fd: Fd, direction: "read" | "write"): boolean {
  const pollfd = new Uint8Array(8);
  const view = new DataView(pollfd.buffer);
  view.setInt32(0, fd.number, true);
  view.setInt16(4, direction === "read" ? POLLIN : POLLOUT, true);
  return tryCall("poll", pollfd, 1n, 0).value > 0;
}

/** How a connection that was begun has ended: 0 for success; undefined while it is under way. */
export function connectOutcome(fd: Fd): number | undefined {
  return isReady(fd, "write") ? readIntOption(fd.number, SOL_SOCKET, SO_ERROR).value : undefined;
}

/** Says that nothing more will be sent. */
export function finishSending(fd: Fd): void {
  tryCall("shutdown", fd.number, SHUT_WR);
}

/**
 * Listens at an address.
 *
 * @throws {SyscallError} when the address is taken, or not to be had
 */
export function listenAt(fd: Fd, address: Uint8Array<ArrayBuffer>): void {
  call("listen", "bind", fd.number, address, address.length);
  call("listen", "listen", fd.number, 4);
}

/** Takes a connection that waits; undefined if none does. */
export function acceptConnection(fd: Fd): Fd | undefined {
  const { value } = tryCall("accept4", fd.number, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC);
  return value === -1 ? undefined : new Fd(value);
}

/** Sends what goes without waiting; gives how many bytes that was. */
export function sendBytes(fd: Fd, bytes: Uint8Array<ArrayBuffer>): number {
  return Math.max(0, tryCall("send", fd.number, bytes, BigInt(bytes.length), MSG_NOSIGNAL).value);
}

/** Receives what is there into a buffer; 0 at the end of the stream, -1 if nothing is there yet. */
export function receiveBytes(fd: Fd, buffer: Uint8Array<ArrayBuffer>): number {
  return tryCall("recv", fd.number, buffer, BigInt(buffer.length), 0).value;
}
