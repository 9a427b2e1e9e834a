/**
 * `struct tcp_info`: the state of a TCP connection or of one subflow, as far as it is shown.
 *
 * @module
 */

import { StructView } from "./struct_view.ts";

/** How many bytes of the structure are asked for: up to the last field that is decoded. */
export const TCP_INFO_SIZE = 208;

/** The names of the states by number. Source: include/net/tcp_states.h @ v6.12; 0 is no state. */
export const STATES = [
  undefined,
  "ESTABLISHED",
  "SYN_SENT",
  "SYN_RECV",
  "FIN_WAIT1",
  "FIN_WAIT2",
  "TIME_WAIT",
  "CLOSE",
  "CLOSE_WAIT",
  "LAST_ACK",
  "LISTEN",
  "CLOSING",
  "NEW_SYN_RECV",
];

/** A TCP connection in the kernel's words; a field that is not there is undefined. */
export interface TcpInfo {
  /** The kernel's name of the state, such as `ESTABLISHED`; `UNKNOWN` for a number without one. */
  readonly state: string;
  /** The smoothed round-trip time in microseconds. */
  readonly rttUs: number | undefined;
  /** Segments retransmitted in all. */
  readonly retransmits: number | undefined;
  /** Payload bytes sent, with those retransmitted. */
  readonly bytesSent: number | undefined;
  /** Payload bytes received. */
  readonly bytesReceived: number | undefined;
}

/**
 * Parses `struct tcp_info`; fields beyond the end are undefined, bytes beyond the last are ignored.
 *
 * Layout: little-endian, only ever longer; u8 state 0; u32 rtt 68, total_retrans 100; u64
 * bytes_received 128 (since 4.1), bytes_sent 200 (since 4.19).
 *
 * Source: include/uapi/linux/tcp.h @ v6.12.
 */
export function parseTcpInfo(bytes: Uint8Array): TcpInfo {
  const view = new StructView(bytes);
  return {
    state: STATES[view.u8(0) ?? 0] ?? "UNKNOWN",
    rttUs: view.u32(68),
    retransmits: view.u32(100),
    bytesSent: view.counter64(200),
    bytesReceived: view.counter64(128),
  };
}
