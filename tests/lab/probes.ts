/**
 * Whether the running kernel has each feature that kernels.json names, by trying.
 *
 * @module
 */

import { Fd } from "../../ffi/fd.ts";
import { openPidfd, readSocketOption, takePidfdFd } from "../../ffi/libc.ts";
import { hasMptcp, makeSockets } from "../live_sockets.ts";
import { isRoot } from "../skip.ts";

const [SOL_MPTCP, MPTCP_FULL_INFO] = [284, 4];

function hasPidfdGetfd(): boolean {
  const pidfd = openPidfd(Deno.pid);
  if (!(pidfd instanceof Fd)) return false;
  using own = pidfd;
  const copy = takePidfdFd(own, own.number);
  if (copy instanceof Fd) copy[Symbol.dispose]();
  return copy instanceof Fd;
}

/** Asks for no subflow at all: 40 bytes of `struct mptcp_full_info` with the sizes of its parts. */
function hasFullInfo(): boolean {
  const opened = makeSockets();
  const sockets = Object.values(opened).filter((fd) => fd >= 0).map((fd) => new Fd(fd));
  try {
    const header = new Uint8Array(40 + 96);
    const { errno } = readSocketOption(opened["v4 client"]!, SOL_MPTCP, MPTCP_FULL_INFO, header);
    return errno === 0;
  } finally {
    for (const socket of sockets) socket[Symbol.dispose]();
  }
}

function succeeds(command: string, ...args: string[]): boolean {
  return new Deno.Command(command, { args, stdout: "null", stderr: "null" }).outputSync().success;
}

/** Whether the kernel's type information names a function. */
function namesFunction(name: string): boolean {
  const types = Deno.readFileSync("/sys/kernel/btf/vmlinux");
  return new TextDecoder("latin1").decode(types).includes(`\0${name}\0`);
}

function systemdVersion(): string {
  const { stdout } = new Deno.Command("systemctl", { args: ["--version"] }).outputSync();
  return /^systemd (\d+)/.exec(new TextDecoder().decode(stdout))?.[1] ?? "none";
}

/** The features, each with its probe. */
export const PROBES: Readonly<Record<string, () => boolean>> = {
  "root": isRoot,
  "MPTCP": hasMptcp,
  "pidfd_getfd": hasPidfdGetfd,
  "network namespaces": () => succeeds("unshare", "-n", "true"),
  "cgroup v2": () => /^cgroup2 \/sys\/fs\/cgroup /m.test(Deno.readTextFileSync("/proc/mounts")),
  "systemd 257": () => systemdVersion() === "257",
  "MPTCP_FULL_INFO": hasFullInfo,
  // The kernel function whose answer a BPF program of type fmod_ret may replace.
  "update_socket_protocol": () => namesFunction("update_socket_protocol"),
};
