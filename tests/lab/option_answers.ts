/**
 * What a kernel answers when the options of the table are set, on MPTCP and on TCP.
 *
 * @module
 */

import { errnoName } from "../../ffi/errno.ts";
import { addressOf, openSocket, readSocketOption } from "../../ffi/libc.ts";
import {
  type SocketOption,
  socketOptionLevels,
  type SocketOptionRule,
  socketOptions,
} from "../../preload/options.ts";

/** `taken`, or the errno of setsockopt(2). */
export interface OptionAnswer {
  readonly mptcp: string;
  readonly tcp: string;
}

const [AF_INET, AF_INET6, SOCK_STREAM, IPPROTO_TCP, IPPROTO_MPTCP] = [2, 10, 1, 6, 262];

function int(value: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, true);
  return bytes;
}

/** A filter that lets everything pass; `struct sock_fprog` with one `struct sock_filter`. */
const PASS_ALL = new Uint8Array([6, 0, 0, 0, 255, 255, 255, 255]);

/** Values for the options whose value is no plain number that TCP takes. */
const VALUES: Readonly<Record<string, () => Uint8Array<ArrayBuffer>>> = {
  TCP_ULP: () => new TextEncoder().encode("tls"),
  TCP_MAXSEG: () => int(1000),
  TCP_FASTOPEN_KEY: () => new Uint8Array(16).fill(1),
  SO_ATTACH_FILTER: () => {
    const program = new Uint8Array(16);
    const view = new DataView(program.buffer);
    view.setUint16(0, 1, true);
    view.setBigUint64(8, addressOf(PASS_ALL), true);
    return program;
  },
  SO_ATTACH_REUSEPORT_CBPF: () => VALUES.SO_ATTACH_FILTER!(),
  SO_TXTIME: () => new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]),
};

/** A value that a rule takes, and that is not the default where that can be. */
function valueFor(rule: SocketOptionRule | undefined): number {
  return rule?.store === "window" ? 65536 : Math.min(Math.max(1, rule?.min ?? 1), rule?.max ?? 1);
}

function familyOf(option: SocketOption): number {
  return option.level === "SOL_IPV6" ? AF_INET6 : AF_INET;
}

/** What is set: a value that TCP takes, for options that are carried over its own. */
function chooseValue(option: SocketOption): Uint8Array<ArrayBuffer> {
  const special = VALUES[option.name];
  if (special !== undefined) return special();
  if (option.kind === "replay" || option.kind === "buffer") {
    using tcp = openSocket(familyOf(option), SOCK_STREAM, IPPROTO_TCP);
    const buffer = new Uint8Array(option.replay ?? 4);
    const { bytes } = readSocketOption(
      tcp.number,
      socketOptionLevels[option.level],
      option.number,
      buffer,
    );
    if (bytes.length > 0) return bytes.slice();
  }
  return int(valueFor(option.rule));
}

/** Sets every option of the table on a fresh MPTCP socket and a fresh TCP socket. */
export function askOptions(): Record<string, OptionAnswer> {
  const library = Deno.dlopen("libc.so.6", {
    setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
    __errno_location: { parameters: [], result: "pointer" },
  });
  const { setsockopt, __errno_location } = library.symbols;
  const ask = (option: SocketOption, protocol: number): string => {
    using socket = openSocket(familyOf(option), SOCK_STREAM, protocol);
    const value = chooseValue(option);
    const level = socketOptionLevels[option.level];
    const result = setsockopt(socket.number, level, option.number, value, value.length);
    const location = __errno_location();
    if (result === 0 || location === null) return "taken";
    return errnoName(new Deno.UnsafePointerView(location).getInt32());
  };
  const answers = Object.fromEntries(socketOptions.map((option) => [
    option.name,
    { mptcp: ask(option, IPPROTO_MPTCP), tcp: ask(option, IPPROTO_TCP) },
  ]));
  library.close();
  return answers;
}

/** Whether MPTCP does without what TCP knows: only then is the table of the library looked at. */
export function isRefused({ mptcp, tcp }: OptionAnswer): boolean {
  return /^(ENOPROTOOPT|EOPNOTSUPP)$/.test(mptcp) && mptcp !== tcp;
}
