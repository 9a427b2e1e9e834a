/**
 * What can be enrolled, and what is.
 *
 * @module
 */

/** What is to be forced. */
export type TargetSpec =
  | {
    /** A cgroup of version 2, with all below it. */
    readonly kind: "cgroup";
    /** Its folder, absolute. */
    readonly path: string;
    /** Whether socket options that MPTCP refuses stay refused. */
    readonly strict: boolean;
  }
  | {
    /** Each process whose thread group's leader has a name, wherever it runs. */
    readonly kind: "comm";
    /** At most 15 bytes, as in /proc/PID/comm. */
    readonly name: string;
    /** Whether socket options that MPTCP refuses stay refused. */
    readonly strict: boolean;
  }
  | {
    /** Every process. */
    readonly kind: "all";
    /** Whether socket options that MPTCP refuses stay refused. */
    readonly strict: boolean;
  };

/** What is enrolled, and what the kernel counted for it. */
export interface Target {
  /** As in {@linkcode TargetSpec}. */
  readonly kind: TargetSpec["kind"];
  /** The cgroup's id, which a new folder of the same name does not share. */
  readonly id?: bigint;
  /** The cgroup's folder. */
  readonly path?: string;
  /** The name of the process. */
  readonly name?: string;
  /** Whether socket options that MPTCP refuses stay refused. */
  readonly strict: boolean;
  /** When it was attached. */
  readonly since: Date;
  /** TCP sockets that were asked for. */
  readonly socketsSeen: bigint;
  /** Those of them that were made MPTCP; the others were asked for where net.mptcp.enabled is 0. */
  readonly socketsForced: bigint;
  /** Socket options that MPTCP refuses and that were answered with success. */
  readonly optionsSoftened: bigint;
  /** Whether the cgroup is no more; the next change forgets it. */
  readonly gone: boolean;
}

/** A program that is loaded. */
export interface LoadedProgram {
  /** `mptcpize_force` or `mptcpize_soften`. */
  readonly name: string;
  /** Its number in the kernel. */
  readonly id: number;
  /** 16 hexadecimal digits: the kernel's digest of its instructions. */
  readonly tag: string;
}

/** A map that is loaded. */
export interface LoadedMap {
  /** At most 15 bytes. */
  readonly name: string;
  /** Its number in the kernel. */
  readonly id: number;
}

/** What of ours is loaded into the kernel. */
export interface BpfState {
  /** What is enrolled: cgroups by their paths, then names. */
  readonly targets: readonly Target[];
  /** The programs. */
  readonly programs: readonly LoadedProgram[];
  /** The maps. */
  readonly maps: readonly LoadedMap[];
  /** Whether it is what this version would load. */
  readonly current: boolean;
  /**
   * Whether programs in a network namespace with net.mptcp.enabled=0 are left alone. Where it is false,
   * the kernel did not tell where to look, and such a program gets no TCP sockets.
   */
  readonly guarded: boolean;
}

/** What an attachment did. */
export interface AttachResult {
  /** What was not enrolled before, or was otherwise strict. */
  readonly added: readonly Target[];
  /** What was enrolled already. */
  readonly kept: readonly Target[];
  /** Whether a program of another version gave way to ours. */
  readonly upgraded: boolean;
  /** As in {@linkcode BpfState}. */
  readonly guarded: boolean;
}

/** What a detachment did. */
export interface DetachResult {
  /** What is enrolled no more, with its last counts. */
  readonly removed: readonly Target[];
  /** What was not enrolled. */
  readonly absent: readonly TargetSpec[];
  /** Whether nothing of ours is loaded any more. */
  readonly unloaded: boolean;
}

/** How to attach. */
export interface AttachOptions {
  /** Whether to mount a bpffs at /sys/fs/bpf where there is none. */
  readonly mountBpffs?: boolean;
}
