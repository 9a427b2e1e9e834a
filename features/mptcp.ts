/**
 * Whether the kernel makes MPTCP sockets for this process, in its network namespace.
 *
 * @module
 */

import { SyscallError } from "../errors.ts";
import { Errno } from "../ffi/errno.ts";
import { openSocket } from "../ffi/libc.ts";

/** The answer to "can this machine do it": yes, no and why, or could not tell. */
export type Feature =
  | { readonly state: "yes" }
  | {
    readonly state: "no";
    /** What stands in the way, as a clause without a final period. */
    readonly reason: string;
    /** What would change the answer. */
    readonly needs: string;
  }
  | { readonly state: "unknown"; readonly cause: string };

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const IPPROTO_MPTCP = 262;

/**
 * What each errno of `socket(…, IPPROTO_MPTCP)` means.
 *
 * Source: Documentation/networking/mptcp.rst and net/mptcp/protocol.c (mptcp_init_sock) @ v7.2.
 */
function refusal(errno: number, code: string): Feature {
  switch (errno) {
    case Errno.ENOPROTOOPT:
      return {
        state: "no",
        reason: "MPTCP is off in this network namespace (net.mptcp.enabled=0)",
        needs: "`sysctl -w net.mptcp.enabled=1` as root",
      };
    case Errno.EPROTONOSUPPORT:
      return {
        state: "no",
        reason: "this kernel was built without MPTCP",
        needs: "a kernel with CONFIG_MPTCP=y",
      };
    case Errno.EINVAL:
      return {
        state: "no",
        reason: "this kernel does not know MPTCP",
        needs: "Linux 5.6 or newer with CONFIG_MPTCP=y",
      };
    case Errno.EPERM:
    case Errno.EACCES:
      return {
        state: "no",
        reason: `a security policy forbids MPTCP sockets here (${code})`,
        needs: "a seccomp, BPF or LSM policy that allows socket protocol 262",
      };
    default:
      return { state: "unknown", cause: `socket(IPPROTO_MPTCP) failed: ${code}` };
  }
}

/** Tries an MPTCP socket over one address family. */
export function probeMptcpOver(family: "IPv4" | "IPv6"): Feature {
  const domain = family === "IPv4" ? AF_INET : AF_INET6;
  try {
    using _socket = openSocket(domain, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);
    return { state: "yes" };
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    return refusal(error.errno, error.code);
  }
}

/** Tries an MPTCP socket over IPv4, then over IPv6 where the machine has no IPv4. */
export function probeMptcp(): Feature {
  const answer = probeMptcpOver("IPv4");
  return answer.state === "unknown" ? probeMptcpOver("IPv6") : answer;
}
