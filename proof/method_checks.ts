/**
 * The judgement of the methods, and of security modules: facts in, lines out. Pure.
 *
 * @module
 */

import type { Feature } from "../features/mod.ts";
import { SOCKET_PROTOCOL_SINCE } from "../systemd/mod.ts";
import { type Check, check } from "./checks.ts";
import type { MachineFacts } from "./machine.ts";
import type { PatchTrial } from "./try_patch.ts";
import type { PreloadTrial } from "./try_preload.ts";

/** What a judgement of the methods rests on. */
export interface MethodFacts {
  /** Undefined where it was not tried. */
  readonly preload: PreloadTrial | undefined;
  /** Whether the kernel loads the BPF program. */
  readonly bpf: Feature;
  readonly patch: PatchTrial;
  readonly machine: MachineFacts;
}

function checkBpf(bpf: Feature): Check {
  switch (bpf.state) {
    case "yes":
      return check("ok", "bpf", "tried: the kernel loads the program, `mptcpize attach` works");
    case "unknown":
      return check("ok", "bpf", `could not be tried: ${bpf.cause}`);
    default:
      // Other methods do without: nothing is wrong with the machine.
      return check("ok", "bpf", `not here: ${bpf.reason}`);
  }
}

function checkSocketUnits(version: number | undefined): Check {
  const words = version === undefined
    ? "not here: systemd does not run, or does not tell its version"
    : version < SOCKET_PROTOCOL_SINCE
    ? `not here: systemd ${version} does not know SocketProtocol=mptcp, ${SOCKET_PROTOCOL_SINCE} does`
    : `systemd ${version} knows SocketProtocol=mptcp`;
  return check("ok", "socket unit", words);
}

function checkPreload(preload: PreloadTrial | undefined): Check {
  if (preload === undefined) {
    return check("warning", "preload", "not tried: there is no loopback to try it over");
  }
  const { verdict, library, failure, mend } = preload;
  if (verdict === "mptcp") {
    return check("ok", "preload", "tried on a real program: its listener is MPTCP");
  }
  if (failure !== undefined) return check("broken", "preload", failure, mend);
  const place = library === undefined ? "" : ` (${library})`;
  return check("broken", "preload", `tried on a real program: its listener stayed TCP${place}`);
}

function checkPatch({ patched, failure }: PatchTrial): Check {
  const words = patched
    ? "tried on a static program: its socket is MPTCP"
    : patched === undefined
    ? `could not be tried: ${failure}`
    : `not here: ${failure ?? "the socket of a static program stayed TCP"}`;
  return check("ok", "patch", words);
}

/** One line for each method. */
export function checkMethods(facts: MethodFacts, usable: boolean): Check[] {
  const { preload, bpf, patch, machine: { systemdVersion } } = facts;
  if (!usable) {
    const words = "not tried: there are no MPTCP sockets";
    return ["preload", "godebug", "bpf", "patch"].map((method) => check("warning", method, words));
  }
  return [
    checkPreload(preload),
    check("ok", "godebug", "for programs of Go 1.21 and newer: not tried"),
    checkBpf(bpf),
    checkPatch(patch),
    checkSocketUnits(systemdVersion),
  ];
}

/**
 * What is to be known of a security module that is active.
 *
 * Source: security/landlock/net.c (sk_is_tcp) @ v7.2; security/selinux (selinux_mptcp_add_subflow,
 * absent @ v6.1, there @ v6.12); abstractions/base of AppArmor.
 */
const CAVEATS: Readonly<Record<string, string>> = {
  landlock:
    "rules of Landlock for TCP ports do not apply to MPTCP sockets: a program that confines " +
    "itself by them is less confined when it is forced",
  selinux:
    "SELinux may keep the library out at a change of domain; old kernels (6.1) label accepted MPTCP " +
    "sockets wrongly",
  apparmor:
    "profiles of AppArmor let programs load libraries from /usr/lib alone: install mptcpize there",
};

/** Which security modules are active, with what is to be known of them. */
export function checkSecurityModules({ securityModules, landlock }: MachineFacts): Check[] {
  if (securityModules === undefined) {
    const hidden = "not shown here: /sys/kernel/security is not mounted";
    return [hidden, ...landlock ? [CAVEATS["landlock"]!] : []]
      .map((words) => check("ok", "LSM", words));
  }
  const known = securityModules.filter((name) => CAVEATS[name] !== undefined);
  if (known.length === 0) {
    const active = securityModules.join(", ") || "none";
    return [check("ok", "LSM", `${active}: nothing that concerns MPTCP`)];
  }
  return known.map((name) => check("ok", "LSM", CAVEATS[name]!));
}
