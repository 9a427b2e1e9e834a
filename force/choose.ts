/**
 * The choice of method: facts about a program in, methods and reasons out. Pure.
 *
 * @module
 */

import type { Feature } from "../features/mod.ts";
import type { Program } from "../program/mod.ts";

/** A way to make a program ask for MPTCP, or the kernel take it that it did (`bpf`). */
export type Method = "preload" | "godebug" | "bpf" | "patch";

/** All methods, in the order in which they are shown and taken. */
export const METHODS: readonly Method[] = ["preload", "godebug", "bpf", "patch"];

/** Whether one method reaches a program, and why. */
export interface Reach {
  /** The method that this is about. */
  readonly method: Method;
  /** Whether it makes the program's own sockets MPTCP sockets. */
  readonly reaches: boolean;
  /** A clause that goes with either answer, without a final period. */
  readonly reason: string;
}

/** What decides besides the program file itself. */
export interface ChoiceFacts {
  /** The file as the kernel would load it: behind scripts, their interpreter. */
  readonly program: Program;
  /** The effective user and group of this process. */
  readonly uid: number;
  readonly gid: number;
  /** Whether there is a preload library for a machine name of {@linkcode Program}. */
  readonly hasLibrary: (machine: string) => boolean;
  /** The machine whose programs can be patched: this one. */
  readonly machine: string;
  /** Whether the BPF program can be loaded here; undefined if nobody has tried. */
  readonly bpf?: Feature | undefined;
  /** How many places of its code patching would replace; undefined if nobody has looked. */
  readonly sites?: number | undefined;
  /** Whether patching may be chosen without being named. */
  readonly allowPatch?: boolean;
}

/** The choice for one program. */
export interface Choice {
  /** The method that reaches the program itself, or undefined if none does. */
  readonly method: Method | undefined;
  /** Every method with its reason, in the order of {@linkcode METHODS}; `bpf` where it was tried. */
  readonly reaches: readonly Reach[];
}

/**
 * Why the dynamic loader ignores LD_PRELOAD for this file (AT_SECURE), or undefined if it does not.
 *
 * The kernel compares real and effective ids after the exec: a set-uid file that belongs to its caller
 * changes nothing. File capabilities count for others than root.
 *
 * Source: ld.so(8), security/commoncap.c (cap_bprm_creds_from_file) @ v6.12.
 */
function secureBecause(program: Program, uid: number, gid: number): string | undefined {
  if (program.setUid && program.ownerUid !== uid) {
    return `it is set-user-ID (owner ${program.ownerUid}), so the loader ignores LD_PRELOAD`;
  }
  if (program.setGid && program.ownerGid !== gid) {
    return `it is set-group-ID (group ${program.ownerGid}), so the loader ignores LD_PRELOAD`;
  }
  if (program.fileCapabilities && uid !== 0) {
    return "it has file capabilities, so the loader ignores LD_PRELOAD";
  }
  return undefined;
}

function preloadReach(facts: ChoiceFacts): Reach {
  const { program, uid, gid } = facts;
  const answer = (reaches: boolean, reason: string): Reach => ({
    method: "preload",
    reaches,
    reason,
  });
  const secure = secureBecause(program, uid, gid);
  if (secure !== undefined) return answer(false, secure);
  if (program.unreadable) {
    return answer(true, "it cannot be read, so it is taken to be dynamic");
  }
  const { elf } = program;
  if (elf === undefined) return answer(false, "it is no ELF program");
  if (program.go !== undefined) {
    return answer(false, "it is a Go program, which makes its sockets without the C library");
  }
  if (program.launcher) return answer(true, "it is mptcpize itself, which forces what it starts");
  if (elf.interpreter === undefined) {
    return answer(false, "it is statically linked, so no library can be loaded into it");
  }
  if (!facts.hasLibrary(elf.machine)) {
    return answer(
      false,
      `it is a program for ${elf.machine}, for which there is no preload library`,
    );
  }
  return answer(true, `it is dynamically linked (${elf.interpreter})`);
}

function godebugReach({ program }: ChoiceFacts): Reach {
  const answer = (reaches: boolean, reason: string): Reach => ({
    method: "godebug",
    reaches,
    reason,
  });
  const { go } = program;
  if (go === undefined) return answer(false, "it is no Go program");
  if (go.release === undefined) {
    return answer(true, `it is a Go program (${go.version}), taken to be Go 1.21 or newer`);
  }
  const { major, minor } = go.release;
  if (major === 1 && minor < 21) {
    return answer(false, `it was built with ${go.version}, and GODEBUG=multipathtcp needs Go 1.21`);
  }
  return answer(true, `it was built with ${go.version}`);
}

function bpfReach({ bpf }: ChoiceFacts): Reach[] {
  if (bpf === undefined) return [];
  const answer = (reaches: boolean, reason: string): Reach[] => [
    { method: "bpf", reaches, reason },
  ];
  if (bpf.state === "no") return answer(false, bpf.reason);
  if (bpf.state === "unknown") return answer(false, bpf.cause);
  // io_uring makes sockets without update_socket_protocol() (io_uring/net.c @ v6.12).
  return answer(
    true,
    "the kernel makes its sockets, and those of its children, but for io_uring's",
  );
}

function patchReach(facts: ChoiceFacts): Reach {
  const { program, uid, gid, machine, sites } = facts;
  const answer = (reaches: boolean, reason: string): Reach => ({
    method: "patch",
    reaches,
    reason,
  });
  // Who is traced while it is executed gains no rights.
  if (secureBecause(program, uid, gid) !== undefined) {
    return answer(false, "it gains rights when it is executed, and would not if it were traced");
  }
  if (program.unreadable) return answer(false, "it cannot be read");
  const { elf } = program;
  if (elf === undefined) return answer(false, "it is no ELF program");
  if (elf.interpreter !== undefined) {
    return answer(
      false,
      "it is dynamically linked: its calls are in the C library, where `preload` reaches them",
    );
  }
  if (elf.machine !== machine || elf.class !== 64) {
    return answer(false, `it is a ${elf.class}-bit program for ${elf.machine}`);
  }
  if (sites === undefined) return answer(true, "its calls of socket() can be replaced in memory");
  return sites === 0
    ? answer(false, "it has no call of socket() that can be replaced")
    : answer(true, `${sites} ${sites === 1 ? "place" : "places"} of its code would be replaced`);
}

/** Chooses the method for a program. */
export function chooseMethod(facts: ChoiceFacts): Choice {
  const reaches = [
    preloadReach(facts),
    godebugReach(facts),
    ...bpfReach(facts),
    patchReach(facts),
  ];
  const chosen = reaches.find(({ method, reaches }) =>
    reaches && (method !== "patch" || facts.allowPatch === true)
  );
  return { method: chosen?.method, reaches };
}

/** The reason why no method reaches a program: that of the method that comes nearest. */
export function refusalReason(choice: Choice, program: Program): string {
  const nearest: Method = program.go === undefined ? "preload" : "godebug";
  return choice.reaches.find((reach) => reach.method === nearest)?.reason ?? "no method reaches it";
}

/** What would reach a program that no method reaches, as a sentence without a final period. */
export function waysToReach(choice: Choice, program: Program, uid = 0): string {
  return `${uid === 0 ? "" : "as root `--method bpf` has the kernel do it; or "}${
    otherWays(choice, program)
  }`;
}

function otherWays(choice: Choice, program: Program): string {
  const patch = choice.reaches.some(({ method, reaches }) => method === "patch" && reaches)
    ? "`--method patch` replaces its calls of socket() in memory; or "
    : "";
  const insist = "`--method preload` runs it all the same, for what it starts";
  // What it gives to its owner, or to root, is nothing: then patch reaches it.
  if (patch === "" && (program.setUid || program.setGid || program.fileCapabilities)) {
    return `run it as the user that it becomes; ${insist}`;
  }
  if (program.go !== undefined) return `${patch}build it with Go 1.21 or newer; ${insist}`;
  if (program.elf?.interpreter === undefined) {
    return `${patch}use a dynamically linked build; ${insist}`;
  }
  return insist;
}
