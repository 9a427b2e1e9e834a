/**
 * Why a socket is TCP: facts in, reasons out. Pure.
 *
 * @module
 */

import type { MptcpCounters } from "../inspect/mod.ts";
import type { ProcessFacts } from "./process_facts.ts";
import { rankReasons, type Reason } from "./reason.ts";

/** What is known of a TCP socket. */
export interface TcpFacts {
  /** What listens on its own port, when it is a connection that was accepted there. */
  readonly listener: "mptcp" | "tcp" | undefined;
  /** The first process that holds it; undefined when none does, or none is visible. */
  readonly owner: { readonly pid: number; readonly fds: readonly number[] } | undefined;
  /** Whether a descriptor refers to it at all. */
  readonly held: boolean;
  /** Whether process 1 holds it too, as a service manager that passed it in does. */
  readonly heldByInit: boolean;
  readonly process: ProcessFacts | undefined;
  /** What sits upon it, such as `tls`. */
  readonly ulp: string | undefined;
  /** Whether segments are signed (TCP_MD5SIG). */
  readonly md5: boolean;
  /** net.mptcp.enabled of its network namespace, where it can be read. */
  readonly enabled: boolean | undefined;
  /** How many connections were accepted in its network namespace, subflows among them. */
  readonly accepted: number;
  readonly counters: MptcpCounters;
}

const NOT_VISIBLE_HINT = "run it as root, outside of a container";

/** The first descriptor that a service manager passes in. Source: sd_listen_fds(3). */
const LISTEN_FDS_START = 3;

/** Of a connection that an MPTCP listener accepted as TCP. */
function accepted({ accepted, counters }: TcpFacts): Reason[] {
  const count = (name: string) => counters.get(name) ?? 0;
  const evidence = ["its listener is MPTCP"];
  const wentTcp = count("MPCapableFallbackACK");
  // All that did not begin as MPTCP, here or at another listener of the namespace.
  const beganAsTcp = accepted - count("MPCapableACKRX") - count("MPJoinAckRx") - wentTcp;
  const asTcp: Reason = {
    code: "answered-as-tcp",
    words: "the client spoke TCP, or something on the way removed MPTCP from its SYN",
    certainty: wentTcp > beganAsTcp ? "possible" : "likely",
    evidence,
  };
  if (wentTcp === 0) return [asTcp];
  return [asTcp, {
    code: "client-went-tcp",
    words: "the client asked for MPTCP, but something on the way removed it after that",
    certainty: wentTcp > beganAsTcp ? "likely" : "possible",
    evidence: [...evidence, `MPCapableFallbackACK ${wentTcp}`],
  }];
}

/** Of a socket that was made where MPTCP is off. */
export const MPTCP_OFF: Reason = {
  code: "mptcp-off",
  words: "MPTCP is off in its network namespace",
  certainty: "likely",
  evidence: ["net.mptcp.enabled = 0"],
  hint: "`sysctl -w net.mptcp.enabled=1` as root",
};

/** Of a process in which the preload library is: why this socket is TCP all the same. */
function despiteLibrary(facts: TcpFacts): Reason[] {
  const evidence = ["libmptcpize.so is loaded"];
  return [
    ...(facts.enabled === false ? [MPTCP_OFF] : []),
    {
      code: "back-to-tcp",
      words: "the program asked for a socket option that only TCP has, and was given TCP",
      certainty: "possible",
      evidence,
      hint: "`mptcpize run -d COMMAND` names each option",
    },
    {
      code: "past-the-library",
      words: "it was made by a system call of the program's own, or inherited",
      certainty: "possible",
      evidence,
    },
  ];
}

/** Why a process that the library is not loaded into asks for TCP. */
export function explainProgram({ libraryNamed, godebug, secure, program }: ProcessFacts): Reason {
  const certain = (code: Reason["code"], words: string, ...evidence: string[]): Reason => ({
    code,
    words,
    certainty: "certain",
    evidence,
  });
  const go = program?.go;
  if (go !== undefined && godebug) {
    const { release } = go;
    if (release && release.major === 1 && release.minor < 21) {
      return certain("old-go", "GODEBUG=multipathtcp needs Go 1.21", `built with ${go.version}`);
    }
    return {
      code: "go-listen",
      words: release && release.minor < 24
        ? "it uses ListenTCP or DialTCP, which heed GODEBUG from Go 1.24 on, or sets MPTCP itself"
        : "the program turned MPTCP off itself, or the kernel refused it",
      certainty: "possible",
      evidence: [`built with ${go.version}`, "GODEBUG asks for MPTCP"],
    };
  }
  if (!libraryNamed) {
    return certain(
      "not-forced",
      "not forced, it asks for TCP",
      "libmptcpize.so is not loaded",
    );
  }
  if (secure) {
    return certain(
      "secure",
      "it runs with more rights than its caller, so the loader ignores LD_PRELOAD",
      "AT_SECURE is set",
    );
  }
  if (program?.elf && program.elf.interpreter === undefined) {
    return certain(
      "static",
      "it is statically linked, so no library can be loaded into it",
      "the program has no interpreter",
    );
  }
  return certain(
    "library-not-loaded",
    "the loader could not load the library",
    "libmptcpize.so is in LD_PRELOAD and not loaded",
  );
}

/** Why a socket is TCP, and MPTCP never came into play. */
export function explainTcp(facts: TcpFacts): Reason[] {
  const { listener, owner, process, ulp, md5 } = facts;
  if (listener === "mptcp") return rankReasons(accepted(facts));
  if (ulp === "tls" || md5) {
    return [{
      code: "back-to-tcp",
      words: `the program uses ${
        ulp === "tls" ? "TLS in the kernel" : "TCP_MD5SIG"
      }, which only TCP has`,
      certainty: "certain",
      evidence: [ulp === "tls" ? "TCP_ULP is tls" : "TCP_MD5SIG is set"],
    }];
  }
  if (owner === undefined || process === undefined) {
    return [
      facts.held
        ? {
          code: "not-visible",
          words: "whose it is cannot be seen",
          certainty: "certain",
          evidence: ["no process that holds it may be looked into"],
          hint: NOT_VISIBLE_HINT,
        }
        : {
          code: "no-owner",
          words: "no process holds it any more",
          certainty: "certain",
          evidence: ["it has no descriptor"],
        },
    ];
  }
  const passed = owner.fds.find((fd) =>
    fd >= LISTEN_FDS_START && fd < LISTEN_FDS_START + process.passedIn
  );
  if (passed !== undefined) {
    return [{
      code: "passed-in",
      words: "it was passed in by a service manager, which made it as TCP",
      certainty: facts.heldByInit ? "certain" : "likely",
      evidence: [
        `LISTEN_FDS ${process.passedIn}`,
        ...(facts.heldByInit ? ["process 1 holds it too"] : []),
      ],
      hint: "`SocketProtocol=mptcp` in its .socket unit (systemd 257 or newer)",
    }];
  }
  if (!process.visible) {
    return [{
      code: "not-visible",
      words: "whether its process is forced cannot be seen",
      certainty: "certain",
      evidence: [`process ${owner.pid} may not be looked into`],
      hint: NOT_VISIBLE_HINT,
    }];
  }
  if (process.libraryLoaded) return rankReasons(despiteLibrary(facts));
  const reason = explainProgram(process);
  if (listener !== "tcp") return [reason];
  return [{ ...reason, evidence: ["accepted from a TCP listener", ...reason.evidence] }];
}
