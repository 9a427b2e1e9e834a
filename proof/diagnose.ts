/**
 * What this machine can do with MPTCP, what stands in the way, and what mends it.
 *
 * @module
 */

import { probeBpf } from "../bpf/mod.ts";
import type { Feature } from "../features/mod.ts";
import type { Environment } from "../preload/mod.ts";
import { type Check, judge } from "./checks.ts";
import { type MachineFacts, readMachine } from "./machine.ts";
import { type SelfTest, selfTest } from "./loopback.ts";
import { type PatchTrial, tryPatch } from "./try_patch.ts";
import { type PreloadTrial, tryPreload } from "./try_preload.ts";

/** A diagnosis of this machine, in this network namespace. */
export interface Diagnosis {
  /** Whether a connection over loopback was MPTCP: whether it can be used here at all. */
  readonly usable: boolean;
  /** One line for each thing, the self-test last. */
  readonly checks: readonly Check[];
  /** What was read. */
  readonly machine: MachineFacts;
  /** How the trial of the method `preload` went; undefined where there is no loopback to try it over. */
  readonly preload: PreloadTrial | undefined;
  /** Whether the kernel loads the program of the method `bpf`. */
  readonly bpf: Feature;
  /** How the trial of the method `patch` went. */
  readonly patch: PatchTrial;
  /** Connections over loopback, one for each address family. */
  readonly selfTests: readonly SelfTest[];
}

/**
 * Diagnoses this machine: by trying sockets, a child with the preload library and one that is patched, and a
 * connection over loopback; and by reading what is set and counted.
 *
 * Needs: nothing.
 *
 * @example
 * ```ts
 * import { diagnose } from "./diagnose.ts";
 * const { checks } = await diagnose();
 * console.assert(checks.some(({ subject }) => subject === "kernel"));
 * ```
 *
 * @param environment what the child that is tried starts with
 * @throws {SyscallError} when the kernel refuses what it gives to everybody
 */
export async function diagnose(environment: Environment = []): Promise<Diagnosis> {
  // Before the self-test, which counts too.
  const machine = readMachine();
  const families = (["IPv4", "IPv6"] as const).filter((family) =>
    machine.sockets[family].state === "yes" && (family === "IPv4" || machine.hasIpv6)
  );
  const selfTests: SelfTest[] = [];
  for (const family of families) selfTests.push(await selfTest(family));
  // Where nothing can connect over loopback, the child could not listen there.
  const preload = selfTests.some(({ client }) => client !== undefined)
    ? await tryPreload(environment)
    : undefined;
  const methods = { preload, bpf: probeBpf(), patch: tryPatch() };
  return {
    usable: selfTests.some(({ passed }) => passed),
    checks: judge({ machine, ...methods, selfTests }),
    machine,
    ...methods,
    selfTests,
  };
}
