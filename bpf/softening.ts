/**
 * The setsockopt program: to which cgroups it is attached, and which options it answers for.
 *
 * It is attached to each cgroup that is a target and not strict, so that nobody else pays for it, and
 * to the root for targets that are no cgroup. Such an attachment ends with its cgroup and needs no pin.
 * What is attached never is more than what the map of targets lists, since that is written first and
 * shortened last: so an interrupted change is found and mended from the map.
 *
 * @module
 */

import { ConflictError, SyscallError } from "../errors.ts";
import {
  attachSetsockopt,
  detachSetsockopt,
  listSetsockoptPrograms,
  readProgramInfo,
} from "../ffi/bpf.ts";
import { tryCall } from "../ffi/call.ts";
import { Errno } from "../ffi/errno.ts";
import { Fd } from "../ffi/fd.ts";
import { openFolder } from "../ffi/files.ts";
import { openSocket } from "../ffi/libc.ts";
import { missingCapabilities } from "./object.ts";
import advisoryOptions from "./options.json" with { type: "json" };

/** Which program is to be attached where. */
export interface SofteningPlan {
  /** Ours; undefined for none. */
  readonly program: Fd | undefined;
  /** Programs that give way to it. */
  readonly former: readonly Fd[];
  /** Folders of cgroups that it is to be attached to. */
  readonly wanted: ReadonlySet<string>;
  /** Folders of cgroups that it may be attached to and is not to be. */
  readonly unwanted: Iterable<string>;
}

/**
 * Attaches and detaches until all is as planned; a cgroup that has vanished is passed over.
 *
 * @throws {SyscallError} with the errno of bpf(2)
 */
export function applySoftening({ program, former, wanted, unwanted }: SofteningPlan): void {
  if (program === undefined && former.length === 0) return;
  const id = program && readProgramInfo(program).id;
  const formerIds = former.map((fd) => [fd, readProgramInfo(fd).id] as const);
  for (const path of new Set([...wanted, ...unwanted])) {
    const opened = openFolder(path);
    if (!(opened instanceof Fd)) continue;
    using cgroup = opened;
    let attached: number[];
    try {
      attached = listSetsockoptPrograms(cgroup);
    } catch (error) {
      if (isGone(path)) continue;
      throw error;
    }
    let there = id !== undefined && attached.includes(id);
    for (const [fd, formerId] of formerIds) {
      if (!attached.includes(formerId)) continue;
      if (program !== undefined && wanted.has(path) && !there) {
        attachSetsockopt(cgroup, program, fd);
        there = true;
      } else detachSetsockopt(cgroup, fd);
    }
    if (program === undefined) continue;
    if (wanted.has(path) && !there) attachBeside(path, cgroup, program);
    if (!wanted.has(path) && there) detachSetsockopt(cgroup, program);
  }
}

function attachBeside(path: string, cgroup: Fd, program: Fd): void {
  try {
    attachSetsockopt(cgroup, program);
  } catch (error) {
    const refused = error instanceof SyscallError && error.errno === Errno.EPERM;
    if (!refused || missingCapabilities(["CAP_NET_ADMIN"]).length > 0) throw error;
    // hierarchy_allows_attach() in kernel/bpf/cgroup.c @ v6.12
    throw new ConflictError(
      `Cannot soften socket options in ${path}: a setsockopt program that is attached there, or ` +
        "above, tolerates no other (bpf: EPERM)",
      { cause: error, hint: "`bpftool cgroup tree` shows it; a target that is strict needs none" },
    );
  }
}

function isGone(path: string): boolean {
  try {
    return !Deno.statSync(path).isDirectory;
  } catch {
    return true;
  }
}

const [AF_INET, AF_INET6, SOCK_STREAM, SOCK_CLOEXEC] = [2, 10, 1, 0o2000000];
const [IPPROTO_TCP, IPPROTO_MPTCP] = [6, 262];
const [SOL_SOCKET, SO_MARK, SOL_IPV6] = [1, 36, 41];
/** By this mark the program knows who asks the kernel itself: ASKING_MARK in mptcpify.h. */
const ASKING_MARK = 0x6d707463;

function setInt(fd: Fd, level: number, name: number, value: number): number {
  const bytes = new Uint8Array(new Int32Array([value]).buffer);
  return tryCall("setsockopt", fd.number, level, name, bytes, bytes.length).errno;
}

/** A fresh socket of each kind, or undefined where one cannot be had. */
function openPair(family: number): { tcp: Fd; mptcp: Fd } | undefined {
  let tcp: Fd | undefined;
  try {
    tcp = openSocket(family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
    const mptcp = openSocket(family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);
    setInt(mptcp, SOL_SOCKET, SO_MARK, ASKING_MARK);
    return { tcp, mptcp };
  } catch {
    tcp?.[Symbol.dispose]();
    return undefined;
  }
}

/**
 * Which advisory options TCP takes here and MPTCP refuses, by trying: bit n for option n.
 *
 * Where no MPTCP socket can be had, those that no known kernel takes on MPTCP.
 */
export function findRefused(): bigint {
  const pairs = new Map([AF_INET, AF_INET6].map((family) => [family, openPair(family)]));
  try {
    let refused = 0n;
    advisoryOptions.forEach((option, index) => {
      const { level, number, value } = option;
      const pair = pairs.get(level === SOL_IPV6 ? AF_INET6 : AF_INET);
      let isRefused: boolean;
      if (pair === undefined) {
        isRefused = option.always;
      } else {
        const errno = setInt(pair.mptcp, level, number, value);
        isRefused = (errno === Errno.ENOPROTOOPT || errno === Errno.EOPNOTSUPP) &&
          setInt(pair.tcp, level, number, value) === 0;
      }
      if (isRefused) refused |= 1n << BigInt(index);
    });
    return refused;
  } finally {
    for (const pair of pairs.values()) {
      pair?.tcp[Symbol.dispose]();
      pair?.mptcp[Symbol.dispose]();
    }
  }
}
