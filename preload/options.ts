/**
 * The socket options that an MPTCP socket refuses or suffers from, and what is done about each.
 *
 * `options.json` is the one table; from it come the preload library's own (`options.h`), the tables
 * in docs/options.md, and whatever softens options by BPF.
 *
 * @module
 */

import table from "./options.json" with { type: "json" };

/** A level of setsockopt(2), as the kernel spells it. */
export type SocketOptionLevel = "SOL_IP" | "SOL_SOCKET" | "SOL_TCP" | "SOL_IPV6";

/**
 * What is done about an option.
 *
 * `advisory`: succeeds without effect, and reads back. `essential`: never pretended; a fresh socket
 * goes back to TCP. `buffer`: small values are raised. `replay`: the kernel takes it on MPTCP too;
 * it is only carried over when a socket goes back to TCP.
 */
export type SocketOptionKind = "advisory" | "essential" | "buffer" | "replay";

/**
 * Which arguments TCP takes, and what it makes of them; in this order.
 *
 * Source: do_tcp_setsockopt, do_ip_setsockopt, do_ipv6_setsockopt, sk_setsockopt @ v6.12.
 */
export interface SocketOptionRule {
  /**
   * How the value is read: `int` needs four bytes; `intOrNothing` takes less for 0; `byte` takes one
   * to three bytes as one, `byteOrNothing` none for 0 as well; `rate` is 32 or, with eight bytes, 64
   * bits wide. What is too short gives EINVAL.
   */
  readonly length: "int" | "intOrNothing" | "byte" | "byteOrNothing" | "rate";
  /** The least value; below it EINVAL. */
  readonly min?: number;
  /** The greatest value; above it EINVAL. */
  readonly max?: number;
  /** A value that is taken in any case, and puts the default back. */
  readonly standsForDefault?: number;
  /** What is lower is kept as this. */
  readonly floor?: number;
  /** What is higher is kept as this. */
  readonly ceiling?: number;
  /** The bits that are kept. */
  readonly mask?: number;
  /** `boolean`: 0 or 1 is kept; `zero`: 0; `window`: as tcp_set_window_clamp() does. */
  readonly store?: "boolean" | "zero" | "window";
}

/** One option of the table. */
export interface SocketOption {
  /** The level that it belongs to. */
  readonly level: SocketOptionLevel;
  /** The option, as the kernel spells it. */
  readonly name: string;
  /** The option's number on that level. */
  readonly number: number;
  /** What is done about it. */
  readonly kind: SocketOptionKind;
  /** Which values an advisory option takes. */
  readonly rule?: SocketOptionRule;
  /** What a fresh TCP socket reads; null where it cannot be read. Advisory options only. */
  readonly default?: number | null;
  /** The setting that the default is on a machine where somebody changed it. */
  readonly sysctl?: string;
  /**
   * Whether MPTCP takes it until the socket is connected, and says EINVAL from then on (net/mptcp/protocol.c
   * __mptcp_nmpc_sk @ v6.12). Advisory options only.
   */
  readonly late?: boolean;
  /** Bytes of the value, if it is carried over when a socket goes back to TCP. */
  readonly replay?: number;
  /** One sentence: why it is of this kind. */
  readonly why: string;
}

/** The numbers of the levels. */
export const socketOptionLevels: Readonly<Record<SocketOptionLevel, number>> = table.levels;

/** The whole table, in the order in which options are carried over. */
export const socketOptions: readonly SocketOption[] = table.options as readonly SocketOption[];
