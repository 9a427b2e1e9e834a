/**
 * Sockets that are TCP though the BPF program forces what made them.
 *
 * @module
 */

import { readBpfState } from "../bpf/mod.ts";
import { MptcpizeError } from "../errors.ts";
import { type Extent, targetExtent, unite } from "./extent.ts";
import { rankReasons, type Reason, type ReasonCode } from "./reason.ts";
import type { SeenSocket } from "./seen_socket.ts";
import { MPTCP_OFF } from "./tcp_reasons.ts";

/** Reasons that no program gives that the kernel forces. */
const OVERRULED: readonly ReasonCode[] = [
  "not-forced",
  "static",
  "secure",
  "old-go",
  "go-listen",
  "library-not-loaded",
];

const BEFORE: Omit<Reason, "evidence"> = {
  code: "before-attach",
  words:
    "it was made before its target was attached, or where BPF does not look: with MPTCP off, " +
    "by io_uring, or by another process",
  certainty: "likely",
  hint: "restart the program",
};

/** The extents of all targets; none where they may not be read. */
function readTargets(): Extent[] {
  try {
    return (readBpfState()?.targets ?? []).map(targetExtent);
  } catch (error) {
    if (error instanceof MptcpizeError) return []; // An ordinary user's, or another version's.
    throw error;
  }
}

/** Whose sockets the BPF program forces, to tell why one is TCP all the same. */
export class Attached {
  readonly #read: () => readonly Extent[];
  #targets: (Pick<Extent, "all"> & Record<"pids" | "cgroupIds", ReadonlySet<number>>) | undefined;

  /** Takes what gives the extents of the targets; it is asked once, and only when a reason depends on it. */
  constructor(read: () => readonly Extent[] = readTargets) {
    this.#read = read;
  }

  get #forced() {
    if (this.#targets !== undefined) return this.#targets;
    const { pids, cgroupIds, all } = unite(this.#read());
    return this.#targets = {
      pids: new Set(pids),
      cgroupIds: new Set(cgroupIds.map(Number)),
      all,
    };
  }

  /**
   * The reasons of a socket: that it was not attached yet, where what it was made by would be forced.
   *
   * @param isEnabled whether MPTCP is on in its network namespace; undefined where that is not known
   */
  reasonsOf(
    { verdict, reasons, owners, cgroupId }: Pick<
      SeenSocket,
      "verdict" | "reasons" | "owners" | "cgroupId"
    >,
    isEnabled: boolean | undefined,
  ): readonly Reason[] {
    const [first] = reasons;
    if (verdict !== "tcp" || first === undefined || !OVERRULED.includes(first.code)) return reasons;
    const { pids, cgroupIds, all } = this.#forced;
    const here = all || owners.some(({ pid }) => pids.has(pid)) ||
      cgroupId !== undefined && cgroupIds.has(cgroupId);
    if (!here) return reasons;
    const before = { ...BEFORE, evidence: ["it is attached now", ...first.evidence] };
    if (isEnabled !== false) return [before];
    return rankReasons([MPTCP_OFF, { ...before, certainty: "possible" }]);
  }
}
