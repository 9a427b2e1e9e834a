/**
 * What does the kernel say about the sockets of a process: MPTCP, fallen back, or TCP?
 *
 * @module
 */

export {
  type Cgroup,
  cgroupName,
  findCgroup,
  listCgroupMounts,
  listCgroups,
  readCgroup,
  readProcessCgroup,
} from "./cgroup.ts";
export {
  countCauses,
  type CountedCause,
  type FallbackCause,
  growth,
  type MptcpCounters,
  parseCounters,
  readMptcpCounters,
  readPassiveOpens,
} from "./counters.ts";
export type { Subflow } from "./full_info.ts";
export type { MptcpInfo } from "./mptcp_info.ts";
export { type EventSubflow, EventWatch, type MptcpEvent, watchEvents } from "./events.ts";
export {
  type Endpoint,
  type EndpointFlag,
  type Limits,
  type PathManager,
  readPathManager,
} from "./path_manager.ts";
export {
  type ProcessSockets,
  readProcessSockets,
  readSocketsOf,
  type StreamSocket,
} from "./process_sockets.ts";
export { findRoute, type RouteQuestion } from "./route.ts";
export type { DiagSocket, DiagSubflow } from "./diag_message.ts";
export { type DiagScope, type DiagSockets, readDiagSockets } from "./sock_diag.ts";
export { factsOfAnswers, type SocketAnswers } from "./socket_answers.ts";
export { encodeSocketAddress, parseSocketAddress, type SocketAddress } from "./socket_address.ts";
export {
  listProcesses,
  readCommand,
  readSocketOwners,
  type SocketOwner,
  type SocketOwners,
} from "./socket_owners.ts";
export {
  readAcknowledged,
  readMptcpInfo,
  readStreamSocket,
  type SocketFacts,
} from "./stream_socket.ts";
export type { SubflowAddresses } from "./subflow_addresses.ts";
export type { TcpInfo } from "./tcp_info.ts";
export type { Verdict } from "./verdict.ts";
