/**
 * Is it really Multipath TCP, and if not, why?
 *
 * @module
 */

export { listSockets, type SocketList, type SocketScope } from "./list_sockets.ts";
export type { Certainty, Reason, ReasonCode } from "./reason.ts";
export type { SeenSocket, SeenSubflow } from "./seen_socket.ts";
