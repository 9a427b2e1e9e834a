/**
 * Netlink messages and attributes, as bytes: no effects.
 *
 * @module
 */

import { StructView } from "./struct_view.ts";

// Source: include/uapi/linux/netlink.h @ v7.2.
const NLM_F_REQUEST = 0x1;
const NLM_F_ACK = 0x4;
const NLM_F_DUMP = 0x300;
const NLM_F_DUMP_INTR = 0x10;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLA_TYPE_MASK = 0x3fff;

const HEADER_SIZE = 16;
const ATTRIBUTE_HEADER_SIZE = 4;

function align(length: number): number {
  return length + 3 & ~3;
}

/** A message of the kernel. */
export interface NetlinkMessage {
  readonly type: number;
  /** Whether what was dumped changed on the way: something may be missing, or be there twice. */
  readonly interrupted: boolean;
  readonly sequence: number;
  /** What stands behind the header; a view into the bytes parsed. */
  readonly payload: Uint8Array;
}

/**
 * Encodes a request.
 *
 * Layout: `struct nlmsghdr`, little-endian: u32 length 0, u16 type 4, u16 flags 6, u32 sequence 8, u32
 * port 12 (0: the kernel); the payload from 16 on.
 *
 * Source: include/uapi/linux/netlink.h @ v7.2.
 *
 * @param kind `dump` for all objects, `get` for one
 */
export function encodeRequest(
  kind: "dump" | "get",
  type: number,
  sequence: number,
  ...payload: readonly Uint8Array[]
): Uint8Array<ArrayBuffer> {
  const body = concat(payload);
  const bytes = new Uint8Array(HEADER_SIZE + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, NLM_F_REQUEST | (kind === "dump" ? NLM_F_DUMP : NLM_F_ACK), true);
  view.setUint32(8, sequence, true);
  bytes.set(body, HEADER_SIZE);
  return bytes;
}

/** Joins parts into one array. */
export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/**
 * Encodes an attribute, padded to the next one.
 *
 * Layout: `struct nlattr`, little-endian: u16 length 0 (with these 4 bytes, without padding), u16 type
 * 2; the value; zeros up to a multiple of 4.
 *
 * Source: include/uapi/linux/netlink.h @ v7.2.
 */
export function encodeAttribute(type: number, value: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(align(ATTRIBUTE_HEADER_SIZE + value.length));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, ATTRIBUTE_HEADER_SIZE + value.length, true);
  view.setUint16(2, type, true);
  bytes.set(value, ATTRIBUTE_HEADER_SIZE);
  return bytes;
}

/**
 * Parses the messages of one datagram, in order; what is not wholly there is left out.
 *
 * Layout: as {@linkcode encodeRequest}, each message at a multiple of 4.
 */
export function* parseMessages(bytes: Uint8Array): Generator<NetlinkMessage> {
  const view = new StructView(bytes);
  for (let at = 0; at + HEADER_SIZE <= bytes.length;) {
    const length = view.u32(at) ?? 0;
    if (length < HEADER_SIZE || at + length > bytes.length) return;
    yield {
      type: view.u16(at + 4) ?? 0,
      interrupted: ((view.u16(at + 6) ?? 0) & NLM_F_DUMP_INTR) !== 0,
      sequence: view.u32(at + 8) ?? 0,
      payload: bytes.subarray(at + HEADER_SIZE, at + length),
    };
    at += align(length);
  }
}

/**
 * Parses attributes, in order: type to value; of a type that comes twice, the last; what is not wholly
 * there is left out.
 *
 * Layout: as {@linkcode encodeAttribute}; the two upper bits of the type say "nested" and "big-endian"
 * and are no part of it.
 */
export function parseAttributes(bytes: Uint8Array): Map<number, Uint8Array> {
  const attributes = new Map<number, Uint8Array>();
  for (const { type, value } of eachAttribute(bytes)) attributes.set(type, value);
  return attributes;
}

/** Parses attributes one by one, for lists in which a type comes more than once. */
export function* eachAttribute(
  bytes: Uint8Array,
): Generator<{ readonly type: number; readonly value: Uint8Array }> {
  const view = new StructView(bytes);
  for (let at = 0; at + ATTRIBUTE_HEADER_SIZE <= bytes.length;) {
    const length = view.u16(at) ?? 0;
    if (length < ATTRIBUTE_HEADER_SIZE || at + length > bytes.length) return;
    yield {
      type: (view.u16(at + 2) ?? 0) & NLA_TYPE_MASK,
      value: bytes.subarray(at + ATTRIBUTE_HEADER_SIZE, at + length),
    };
    at += align(length);
  }
}

/**
 * Whether a message ends an answer, and with which errno: 0 for success; undefined if it does not end it.
 *
 * Layout: NLMSG_ERROR (also the acknowledgement) and NLMSG_DONE begin with an i32, 0 or a negative errno;
 * a DONE without it is success.
 *
 * Source: net/netlink/af_netlink.c netlink_ack, netlink_dump_done @ v7.2.
 */
export function parseEnd({ type, payload }: NetlinkMessage): number | undefined {
  if (type !== NLMSG_ERROR && type !== NLMSG_DONE) return undefined;
  const code = (new StructView(payload).u32(0) ?? 0) | 0;
  return code < 0 ? -code : 0;
}
