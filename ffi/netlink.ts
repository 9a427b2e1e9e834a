/**
 * Netlink sockets: requests out, datagrams in, in a network namespace of the caller's choice.
 *
 * @module
 */

import { call, tryCall } from "./call.ts";
import { Errno } from "./errno.ts";
import { Fd } from "./fd.ts";
import { cString, openSocket, waitForInput } from "./libc.ts";

// Source: include/linux/socket.h, include/uapi/linux/netlink.h, asm-generic/socket.h @ v7.2; the same on
// x86_64 and aarch64.
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const SO_RCVBUF = 8;
const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const O_RDONLY = 0;
const O_CLOEXEC = 0o2000000;
const CLONE_NEWNET = 0x40000000;

/** Families of netlink that are spoken here. */
export const NetlinkProtocol = { ROUTE: 0, SOCK_DIAG: 4, GENERIC: 16 } as const;

/**
 * Room for one datagram: the kernel fills dumps up to 32 KiB, and one message may be larger.
 *
 * Source: net/netlink/af_netlink.c netlink_recvmsg @ v7.2.
 */
const DATAGRAM_SIZE = 128 * 1024;

/** How long the kernel may take for an answer; it gives it within the call, so this is not reached. */
const PATIENCE_S = 10n;

/**
 * Runs a function in another network namespace: of this thread alone, and only until it returns.
 *
 * Needs: CAP_SYS_ADMIN over that namespace and in the own one.
 *
 * Source: setns(2): a thread of a process with more of them may change its network namespace.
 *
 * @param path such as `/proc/PID/ns/net`
 * @throws {SyscallError} when it cannot be opened or entered (EPERM, EACCES, ENOENT)
 */
export function inNetworkNamespace<Result>(path: string, callback: () => Result): Result {
  const what = `enter the network namespace ${path}`;
  const openNamespace = (of: string) =>
    new Fd(call(what, "open", cString(of), O_RDONLY | O_CLOEXEC));
  using own = openNamespace("/proc/thread-self/ns/net");
  using other = openNamespace(path);
  call(what, "setns", other.number, CLONE_NEWNET);
  try {
    return callback();
  } finally {
    call("go back to the own network namespace", "setns", own.number, CLONE_NEWNET);
  }
}

/** A netlink socket; closed by `using`. */
export class NetlinkSocket implements Disposable {
  readonly #fd: Fd;
  readonly #buffer = new Uint8Array(DATAGRAM_SIZE);
  #overruns = 0;

  private constructor(fd: Fd) {
    this.#fd = fd;
  }

  /**
   * Opens one.
   *
   * @param protocol of {@linkcode NetlinkProtocol}
   * @param namespace the network namespace to open it in, such as `/proc/PID/ns/net`; else the own one
   * @throws {SyscallError} when the kernel, or a policy, does not give one
   */
  static open(protocol: number, namespace?: string): NetlinkSocket {
    const open = () => openSocket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    const fd = namespace === undefined ? open() : inNetworkNamespace(namespace, open);
    tryCall(
      "setsockopt",
      fd.number,
      SOL_SOCKET,
      SO_RCVTIMEO,
      new Uint8Array(new BigInt64Array([PATIENCE_S, 0n]).buffer),
      16,
    );
    return new NetlinkSocket(fd);
  }

  /**
   * Listens to a multicast group, with room for what comes while nobody reads.
   *
   * @throws {SyscallError} when that is not permitted (EPERM) or there is no such group
   */
  join(group: number): void {
    const int = (value: number) => new Uint8Array(new Int32Array([value]).buffer);
    tryCall("setsockopt", this.#fd.number, SOL_SOCKET, SO_RCVBUF, int(1 << 20), 4);
    call(
      "listen to netlink events",
      "setsockopt",
      this.#fd.number,
      SOL_NETLINK,
      NETLINK_ADD_MEMBERSHIP,
      int(group),
      4,
    );
  }

  /**
   * Sends a request.
   *
   * @throws {SyscallError} with the errno of send(2)
   */
  send(request: Uint8Array<ArrayBuffer>): void {
    const length = BigInt(request.length);
    call("ask the kernel over netlink", "send", this.#fd.number, request, length, 0);
  }

  /**
   * Receives one datagram: bytes that are good until the next one is received.
   *
   * @throws {SyscallError} when nothing comes (EAGAIN), or messages were lost (ENOBUFS)
   */
  receive(): Uint8Array<ArrayBuffer> {
    const length = call(
      "read an answer of netlink",
      "recv",
      this.#fd.number,
      this.#buffer,
      BigInt(this.#buffer.length),
      MSG_TRUNC,
    );
    return this.#buffer.subarray(0, Math.min(length, this.#buffer.length));
  }

  /** Receives one datagram that is there already; undefined if none is. */
  poll(): Uint8Array<ArrayBuffer> | undefined {
    const size = BigInt(this.#buffer.length);
    for (;;) {
      const { value, errno } = tryCall(
        "recv",
        this.#fd.number,
        this.#buffer,
        size,
        MSG_DONTWAIT,
      );
      if (value !== -1) return this.#buffer.subarray(0, value);
      // Said once for all that was lost; what came before it is still to be had.
      if (errno !== Errno.ENOBUFS) return undefined;
      this.#overruns++;
    }
  }

  /** How often {@linkcode NetlinkSocket.poll} found that messages were lost, since nobody read them. */
  get overruns(): number {
    return this.#overruns;
  }

  /** Waits until something can be read, or time is up; the runtime goes on meanwhile. */
  async waitReadable(limitMs: number): Promise<void> {
    await waitForInput(this.#fd, limitMs);
  }

  /** Closes it; a second time does nothing. */
  [Symbol.dispose](): void {
    this.#fd[Symbol.dispose]();
  }
}
