/**
 * Make programs that only know TCP use Multipath TCP on Linux, and prove that they do.
 *
 * - {@linkcode planCommand} and {@linkcode startCommand}: force a command.
 * - {@linkcode planEnable} and {@linkcode applyUnitPlan}: force services of systemd, at each of their starts.
 * - {@linkcode attach} and {@linkcode detach}: have the kernel force services, containers, cgroups.
 * - {@linkcode explainCommand} and {@linkcode readProgram}: what a program is, and which method reaches it.
 * - {@linkcode listSockets}: which sockets are MPTCP, whose they are, and why the others are not.
 * - {@linkcode readStatus} and {@linkcode readStatusOf}: what is forced, by which method, since when, and
 *   what its sockets are.
 * - {@linkcode probeServer}: whether a server, across the network between, speaks MPTCP.
 * - {@linkcode diagnose}: what this machine can do with MPTCP, and what mends it.
 * - {@linkcode readProcessSockets} and {@linkcode readMptcpInfo}: the kernel's answer for each socket of a
 *   process, and for a descriptor.
 * - {@linkcode watchEvents}: connections and subflows as they come and go.
 * - {@linkcode planInstall} and {@linkcode applyInstall}: put mptcpize onto a machine, and take it away.
 * - {@linkcode probeMptcp}: whether the kernel makes MPTCP sockets here.
 *
 * Nothing is opened, read or changed by importing this.
 *
 * @example What would be done with a command
 * ```ts
 * import { planCommand } from "./mod.ts";
 *
 * const words = ["sh", "-c", "true"].map((word) => new TextEncoder().encode(word));
 * const plan = await planCommand({ words, environment: ["PATH=/usr/bin:/bin"] });
 * console.assert(plan.method === "preload");
 * console.assert(plan.changes.some((change) => change.name === "LD_PRELOAD"));
 * ```
 *
 * @example The sockets of this process
 * ```ts
 * import { readProcessSockets } from "./mod.ts";
 *
 * using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * const { sockets } = readProcessSockets(Deno.pid);
 * const own = sockets.find((socket) => socket.local?.port === listener.addr.port);
 * console.assert(own?.verdict === "tcp" && own.state === "LISTEN");
 * ```
 *
 * @module
 */

export type { BpfState, LoadedMap, LoadedProgram, Target, TargetSpec } from "./bpf/mod.ts";
export * from "./errors.ts";
export { type Feature, probeMptcp } from "./features/mod.ts";
export * from "./force/mod.ts";
export * from "./inspect/mod.ts";
export * from "./install/mod.ts";
export {
  decodeByteString,
  displayByteString,
  encodeByteString,
  type Environment,
  getVariable,
  type LibraryPlace,
  parseNulTerminated,
} from "./preload/mod.ts";
export { type PatchStart } from "./patch/mod.ts";
export * from "./program/mod.ts";
export * from "./proof/mod.ts";
export {
  type Answer,
  controlGroupOf,
  type DropInFolders,
  type DropInStep,
  type ExecCommand,
  type ManagerScope,
  openManager,
  parseUnitName,
  type StartProgram,
  UNIT_TYPES,
  UnitManager,
  type UnitName,
  UnitProperties,
  type UnitType,
} from "./systemd/mod.ts";
