/**
 * What kernels answered, as `capture.c` wrote it down.
 *
 * @module
 */

/** An answer to one question: bytes, or an error number. */
export interface CapturedAnswer {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly errno: number;
}

/** An answer to MPTCP_FULL_INFO; all parts are empty where the kernel refused. */
export interface CapturedFullInfo {
  readonly header: Uint8Array<ArrayBuffer>;
  readonly subflowInfos: Uint8Array<ArrayBuffer>;
  readonly tcpInfos: Uint8Array<ArrayBuffer>;
  readonly errno: number;
}

/** One socket of one kernel. */
export interface CapturedSocket {
  /** The kernel, the socket and the family, for messages of tests. */
  readonly name: string;
  answer(question: string): CapturedAnswer;
  fullInfo(question?: string): CapturedFullInfo;
}

/** The captured kernels, oldest first, by the name of their file. */
export const KERNELS = ["6.1", "6.12", "6.18", "7.2"] as const;
/** The pairs of addresses that were captured. */
export const FAMILIES = ["IPv4", "IPv6", "v4-mapped"] as const;

/** Parses bytes written as hexadecimal digits. */
export function parseHex(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(hex.match(/../g) ?? [], (digits) => parseInt(digits, 16));
}

/** Reads one socket out of a capture, such as `connected IPv4` of `6.1`. */
export function readCapture(kernel: string, socket: string): CapturedSocket {
  const { sockets } = JSON.parse(
    Deno.readTextFileSync(new URL(`linux_${kernel}.json`, import.meta.url)),
  );
  const part = (question: string, name: string) => parseHex(sockets[socket][question][name] ?? "");
  const errno = (question: string): number => sockets[socket][question].errno ?? 0;
  return {
    name: `${kernel}, ${socket}`,
    answer: (question) => ({ bytes: part(question, "bytes"), errno: errno(question) }),
    fullInfo: (question = "MPTCP_FULL_INFO") => ({
      header: part(question, "header"),
      subflowInfos: part(question, "subflowInfos"),
      tcpInfos: part(question, "tcpInfos"),
      errno: errno(question),
    }),
  };
}

/** The datagrams of one answer over netlink, such as `MPTCP IPv4` or `limits`; port and sequence are set. */
export function readDatagrams(kernel: string, answer: string): Uint8Array<ArrayBuffer>[] {
  const { netlink } = JSON.parse(
    Deno.readTextFileSync(new URL(`linux_${kernel}.json`, import.meta.url)),
  );
  return netlink[answer].map(parseHex);
}

/** The lines of `/proc/net/netstat` that tell of MPTCP. */
export function readNetstat(kernel: string): string {
  const { counters } = JSON.parse(
    Deno.readTextFileSync(new URL(`linux_${kernel}.json`, import.meta.url)),
  );
  return counters.join("\n") + "\n";
}

/** Calls back for each prefix of the bytes, the empty one and the whole included. */
export function forEachPrefix(bytes: Uint8Array, callback: (prefix: Uint8Array) => void): void {
  for (let length = 0; length <= bytes.length; length++) callback(bytes.slice(0, length));
}

/** A generator of numbers below 2^32 that are the same in each run (xorshift32). */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** Random bytes of a random length up to a limit. */
export function randomBytes(next: () => number, limit: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: next() % (limit + 1) }, () => next() & 0xff);
}
