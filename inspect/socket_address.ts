/**
 * Socket addresses: from the kernel's bytes to text.
 *
 * @module
 */

import { StructView } from "./struct_view.ts";

const AF_INET = 2;
const AF_INET6 = 10;

/** One end of a connection. */
export interface SocketAddress {
  /**
   * `192.0.2.1`, or IPv6 as RFC 5952 writes it: `2001:db8::1`.
   *
   * An IPv4 peer of an IPv6 socket stays recognizable as such: `::ffff:192.0.2.1`. A link-local
   * address carries the index of its interface: `fe80::1%2`.
   */
  readonly address: string;
  /** The port, 1 to 65535; 0 where there is none. */
  readonly port: number;
}

/** Eight groups as RFC 5952 section 4 writes them: the longest run of two or more zeros as `::`. */
function renderGroups(groups: readonly number[]): string {
  let start = 0;
  let length = 0;
  for (let from = 0; from < groups.length; from++) {
    let to = from;
    while (groups[to] === 0) to++;
    if (to - from > length) [start, length] = [from, to - from];
  }
  const hex = groups.map((group) => group.toString(16));
  if (length < 2) return hex.join(":");
  return `${hex.slice(0, start).join(":")}::${hex.slice(start + length).join(":")}`;
}

/** An IPv6 address as RFC 5952 writes it, an IPv4-mapped one with its IPv4 part. */
export function renderIpv6(bytes: Uint8Array): string {
  const groups = Array.from(
    { length: 8 },
    (_, index) => (bytes[2 * index] ?? 0) << 8 | (bytes[2 * index + 1] ?? 0),
  );
  const mapped = groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0);
  return mapped ? `::ffff:${bytes.subarray(12, 16).join(".")}` : renderGroups(groups);
}

/**
 * Parses a socket address; undefined for a family other than IPv4 and IPv6, or too few bytes.
 *
 * Layout: sa_family u16 at 0 (host order), port u16 at 2 (network order); `sockaddr_in`: address at
 * 4, 8 bytes in all that count; `sockaddr_in6`: flow label at 4 (ignored), address at 8, scope id u32
 * at 24 (host order), 28 bytes. More bytes are ignored.
 *
 * Source: include/uapi/linux/in.h and in6.h @ v6.12; ipv6(7).
 */
export function parseSocketAddress(bytes: Uint8Array): SocketAddress | undefined {
  const view = new StructView(bytes);
  const family = view.u16(0);
  const port = (bytes[2] ?? 0) << 8 | (bytes[3] ?? 0);
  if (family === AF_INET && bytes.length >= 8) {
    return { address: bytes.subarray(4, 8).join("."), port };
  }
  if (family !== AF_INET6 || bytes.length < 28) return undefined;
  const scope = view.u32(24);
  return { address: renderIpv6(bytes.subarray(8, 24)) + (scope ? `%${scope}` : ""), port };
}

/** The groups of a part of an IPv6 address: hexadecimal, or at its end the dotted form of IPv4. */
function parseGroups(text: string): number[] {
  return text === "" ? [] : text.split(":").flatMap((group) => {
    if (!group.includes(".")) return [parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split(".").map(Number);
    return [a << 8 | b, c << 8 | d];
  });
}

/**
 * Encodes a socket address, of which the text is known to be an address: `struct sockaddr_in` or
 * `sockaddr_in6`, as {@linkcode parseSocketAddress} reads them.
 */
export function encodeSocketAddress({ address, port }: SocketAddress): Uint8Array<ArrayBuffer> {
  const isV6 = address.includes(":");
  const bytes = new Uint8Array(isV6 ? 28 : 16);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, isV6 ? AF_INET6 : AF_INET, true);
  view.setUint16(2, port);
  if (!isV6) {
    bytes.set(address.split(".").map(Number), 4);
    return bytes;
  }
  const [text = "", scope = "0"] = address.split("%");
  const [head = "", tail] = text.split("::");
  const front = parseGroups(head);
  const back = tail === undefined ? [] : parseGroups(tail);
  front.forEach((group, index) => view.setUint16(8 + 2 * index, group));
  back.forEach((group, index) => view.setUint16(24 - 2 * back.length + 2 * index, group));
  view.setUint32(24, Number(scope), true);
  return bytes;
}
