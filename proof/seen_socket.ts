/**
 * One TCP or MPTCP socket, as all sources together show it; and how they are joined. Pure.
 *
 * @module
 */

import type {
  DiagSocket,
  DiagSockets,
  MptcpInfo,
  SocketAddress,
  SocketFacts,
  SocketOwner,
  Subflow,
  TcpInfo,
  Verdict,
} from "../inspect/mod.ts";
import type { Reason } from "./reason.ts";

/** A subflow of an MPTCP connection. */
export interface SeenSubflow extends Subflow {
  /** Whether this side, or the peer, wants it as backup; undefined where that is not shown. */
  readonly backup?: "local" | "remote" | "both" | "no";
}

/** One TCP or MPTCP socket. */
export interface SeenSocket {
  /** The socket's inode number; 0 when no descriptor refers to it. */
  readonly inode: number;
  /** An IPv6 socket may carry IPv4, with mapped addresses. */
  readonly family: "IPv4" | "IPv6";
  /** Undefined until the socket is bound. */
  readonly local?: SocketAddress;
  /** Undefined unless connected. */
  readonly remote?: SocketAddress;
  /**
   * The kernel's name of the state, such as `ESTABLISHED`: that of MPTCP where sock_diag lists it, else that
   * of the first subflow that is not closed.
   */
  readonly state: string;
  /** MPTCP, fallen back, or TCP. */
  readonly verdict: Verdict;
  /** What the kernel was asked and answered, so that the verdict can be checked. */
  readonly evidence: string;
  /** Why it is not MPTCP, the most likely first; empty for a socket that is. */
  readonly reasons: readonly Reason[];
  /** The processes that hold it, ascending. */
  readonly owners: readonly SocketOwner[];
  /** The user that it belongs to; undefined where only its descriptor was asked. */
  readonly uid?: number;
  /** The cgroup v2 that it was made in; undefined where only its descriptor was asked. */
  readonly cgroupId?: number;
  /** The MPTCP connection, or the socket that could become one; with verdict `mptcp` alone. */
  readonly mptcp?: MptcpInfo;
  /** The subflows of a connection with verdict `mptcp`, the initial one first. */
  readonly subflows?: readonly SeenSubflow[];
  /** The connection, with a verdict other than `mptcp`, where sock_diag lists it. */
  readonly tcp?: TcpInfo;
  /** What the two sources said, when they do not agree. */
  readonly disagreement?: string;
}

/** A socket, and what only the search for reasons needs of it. */
export interface JoinedSocket {
  readonly socket: Omit<SeenSocket, "reasons">;
  /** Its TCP half in the kernel's list. */
  readonly half: DiagSocket | undefined;
  /** Its MPTCP half in the kernel's list. */
  readonly connection: DiagSocket | undefined;
}

/** What a descriptor of a socket said. */
export type DescriptorFacts = ReadonlyMap<number, SocketFacts>;

function key({ local, remote }: Pick<Subflow, "local" | "remote">): string {
  return `${local?.address}|${local?.port}|${remote?.address}|${remote?.port}`;
}

function backupOf({ subflow }: DiagSocket): NonNullable<SeenSubflow["backup"]> | undefined {
  if (subflow === undefined) return undefined;
  if (subflow.backup) return subflow.backupByPeer ? "both" : "local";
  return subflow.backupByPeer ? "remote" : "no";
}

function seenSubflow(half: DiagSocket): SeenSubflow {
  const backup = backupOf(half);
  return {
    id: undefined,
    local: half.local,
    remote: half.remote,
    tcp: half.tcp,
    ...(backup && { backup }),
  };
}

/** Subflows of both sources: those of the descriptor, with what only sock_diag knows. */
function joinSubflows(
  halves: readonly DiagSocket[],
  told: readonly Subflow[] | undefined,
): SeenSubflow[] {
  if (told === undefined) {
    const initialFirst = [...halves].sort((left, right) =>
      Number(left.subflow?.joined ?? false) - Number(right.subflow?.joined ?? false)
    );
    return initialFirst.map(seenSubflow);
  }
  const byKey = new Map(halves.map((half) => [key(half), half]));
  return told.map((subflow) => {
    const half = byKey.get(key(subflow));
    const backup = half && backupOf(half);
    return { ...subflow, ...(backup && { backup }) };
  });
}

function hex(token: number): string {
  return `0x${token.toString(16).padStart(8, "0")}`;
}

/** What sock_diag said, in words. */
function diagEvidence(verdict: Verdict, half?: DiagSocket, connection?: DiagSocket): string {
  if (connection !== undefined) {
    const { token } = connection.mptcp ?? {};
    return [
      `sock_diag: MPTCP${verdict === "fallback" ? ", flag FALLBACK" : ""}`,
      ...(token ? [`token ${hex(token)}`] : []),
    ].join(", ");
  }
  if (verdict === "fallback") return "sock_diag: TCP under MPTCP, no token";
  return `sock_diag: TCP${half?.ulp === undefined ? "" : `, TCP_ULP ${half.ulp}`}`;
}

function facts(diag: DiagSocket) {
  const { inode, family, local, remote, state, uid, cgroupId } = diag;
  return {
    inode,
    family,
    ...(local.port !== 0 && { local }),
    ...(remote && { remote }),
    state,
    uid,
    ...(cgroupId !== undefined && { cgroupId: Number(cgroupId) }),
  };
}

const VERDICT_NAMES = { mptcp: "MPTCP", fallback: "a fallback", tcp: "TCP" } as const;

function join(
  verdict: Verdict,
  halves: readonly DiagSocket[],
  connection: DiagSocket | undefined,
  told: SocketFacts | undefined,
): JoinedSocket {
  const half = halves[0];
  const diag = connection ?? half!;
  // Where the kernel hides what sits upon TCP, its list cannot tell an early fallback from TCP.
  const hidden = verdict === "tcp" && !diag.privileged && half?.ulp === undefined;
  const agrees = told === undefined || told.verdict === verdict ||
    hidden && told.verdict === "fallback";
  // The descriptor was asked later: what it says is the newer truth.
  const final = told?.verdict ?? verdict;
  const mptcp = final === "mptcp" ? told?.mptcp ?? connection?.mptcp : undefined;
  const connected = final === "mptcp" && diag.state !== "LISTEN";
  const evidence = diagEvidence(verdict, half, connection);
  return {
    half,
    connection,
    socket: {
      ...facts(diag),
      verdict: final,
      evidence: told === undefined ? evidence : `${told.evidence}; ${evidence}`,
      owners: [],
      ...(mptcp && { mptcp }),
      ...(connected && { subflows: joinSubflows(halves, told?.subflows) }),
      ...(final !== "mptcp" && half?.tcp && { tcp: half.tcp }),
      ...(!agrees && {
        disagreement: `sock_diag said ${VERDICT_NAMES[verdict]}, the descriptor said ${
          VERDICT_NAMES[final]
        }: it changed between the two`,
      }),
    },
  };
}

function fromDescriptor(inode: number, told: SocketFacts): JoinedSocket {
  return { socket: { inode, ...told, owners: [] }, half: undefined, connection: undefined };
}

/**
 * Joins what sock_diag lists with what descriptors said.
 *
 * A subflow belongs to the connection with its token, or, where the kernel does not show it, its inode.
 */
export function joinSockets(
  diag: Pick<DiagSockets, "tcp" | "mptcp">,
  descriptors: DescriptorFacts,
): JoinedSocket[] {
  const connections = diag.mptcp ?? [];
  const byToken = new Map<number, DiagSocket[]>();
  const byInode = new Map<number, DiagSocket[]>();
  const groups = connections.map((connection) => {
    const halves: DiagSocket[] = [];
    const token = connection.mptcp?.token;
    if (token) byToken.set(token, halves);
    if (connection.inode !== 0) byInode.set(connection.inode, halves);
    return { connection, halves };
  });
  const joined: JoinedSocket[] = [];
  const listed = new Set<number>();
  for (const half of diag.tcp) {
    const token = half.subflow?.localToken;
    const group = (token ? byToken.get(token) : undefined) ?? byInode.get(half.inode);
    if (group !== undefined) {
      group.push(half);
      continue;
    }
    // A listener or a connection whose MPTCP half went between the two lists.
    if (half.ulp === "mptcp" && (half.state === "LISTEN" || token !== 0)) continue;
    listed.add(half.inode);
    const verdict = half.ulp === "mptcp" ? "fallback" : "tcp";
    joined.push(join(verdict, [half], undefined, descriptors.get(half.inode)));
  }
  for (const { connection, halves } of groups) {
    listed.add(connection.inode);
    const verdict = connection.mptcp?.fallback ? "fallback" : "mptcp";
    joined.push(join(verdict, halves, connection, descriptors.get(connection.inode)));
  }
  for (const [inode, told] of descriptors) {
    if (!listed.has(inode)) joined.push(fromDescriptor(inode, told));
  }
  return joined;
}
