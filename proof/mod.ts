/**
 * Is it really Multipath TCP, and if not, why?
 *
 * @module
 */

export type { Attempt, AttemptState } from "./attempt.ts";
export type { Check, CheckStatus } from "./checks.ts";
export { fixCommands } from "./fix_commands.ts";
export { diagnose, type Diagnosis } from "./diagnose.ts";
export { listSockets, type SocketList, type SocketScope } from "./list_sockets.ts";
export type { EndpointRoute, MachineFacts, PathAddress } from "./machine.ts";
export {
  type AddressProbe,
  type ProbeOptions,
  type ProbeOutcome,
  type ProbeReport,
  probeServer,
} from "./probe.ts";
export type { Certainty, Reason, ReasonCode } from "./reason.ts";
export { endLike, type RunReport, runReported } from "./run_report.ts";
export type { MadeSockets, PathTraffic, RunSummary, VerdictCounts } from "./run_summary.ts";
export type { SeenSocket, SeenSubflow } from "./seen_socket.ts";
export type { CountedReason, SocketSummary } from "./socket_summary.ts";
export type { ForcedProcess, ProcessMethod } from "./forced_process.ts";
export type { AskedTarget, AskedUnit, BpfStatus, RunningUnit } from "./asked.ts";
export {
  type ProcessStatus,
  readStatus,
  type Status,
  type TargetStatus,
  type UnitStatus,
} from "./status.ts";
export { readStatusOf, type Subject, type SubjectStatus } from "./status_subject.ts";
export type { SelfTest } from "./loopback.ts";
export { findUnitCgroup } from "./unit_cgroup.ts";
export type { PatchTrial } from "./try_patch.ts";
export type { PreloadTrial } from "./try_preload.ts";
