/**
 * Questions to the kernel over netlink, with all of their answer.
 *
 * @module
 */

import { syscallError } from "../ffi/call.ts";
import type { NetlinkSocket } from "../ffi/netlink.ts";
import { encodeRequest, parseEnd, parseMessages } from "./netlink.ts";

/** How an answer ended. */
export interface AnswerEnd {
  /** 0, or why the kernel refused. */
  readonly errno: number;
  /** Whether what was listed changed on the way: something may be missing, or be there twice. */
  readonly interrupted: boolean;
}

let lastSequence = 0;

/**
 * Asks, and calls back for each message of the answer, whose bytes are good until the next one.
 *
 * @throws {SyscallError} when the question cannot be sent, or the answer not be read
 */
export function ask(
  socket: NetlinkSocket,
  kind: "dump" | "get",
  type: number,
  payload: readonly Uint8Array[],
  found: (payload: Uint8Array, type: number) => void,
): AnswerEnd {
  const sequence = lastSequence = lastSequence % 0x7fffffff + 1;
  socket.send(encodeRequest(kind, type, sequence, ...payload));
  let interrupted = false;
  for (;;) {
    for (const message of parseMessages(socket.receive())) {
      // Of a question that was given up, or an event.
      if (message.sequence !== sequence) continue;
      interrupted ||= message.interrupted;
      const errno = parseEnd(message);
      if (errno !== undefined) return { errno, interrupted };
      found(message.payload, message.type);
    }
  }
}

/**
 * Asks, and throws when the kernel refuses.
 *
 * @param what what this is for, as it stands behind "Cannot"
 * @throws {SyscallError} with the kernel's errno
 */
export function askOrThrow(
  what: string,
  ...question: Parameters<typeof ask>
): AnswerEnd {
  const end = ask(...question);
  if (end.errno !== 0) throw syscallError(what, "netlink", end.errno);
  return end;
}
