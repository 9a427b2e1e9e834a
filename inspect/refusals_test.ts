/**
 * What a caller is told when the kernel refuses a call of `readProcessSockets()`.
 */
import { strict as assert } from "node:assert";
import { NotPermittedError } from "../errors.ts";
import { hasMptcp, startHolder } from "../tests/live_sockets.ts";
import { commandExists, isRoot, skipUnless } from "../tests/skip.ts";
import { type ProcessSockets, readProcessSockets } from "./process_sockets.ts";

const MPTCP = skipUnless("MPTCP", hasMptcp);
const UNPRIVILEGED = skipUnless("setpriv", isRoot() && commandExists("setpriv"), "run it as root");

/** What another process is told that runs `before` and then reads the sockets of `pid`. */
function readElsewhere(
  pid: string,
  before: string,
  prefix: readonly string[] = [],
): Partial<ProcessSockets> & Record<string, unknown> {
  const [command = "", ...args] = [
    ...prefix,
    Deno.execPath(),
    "eval",
    `import { type ProcessSockets, readProcessSockets } from ${
      JSON.stringify(import.meta.resolve("./process_sockets.ts"))
    };
    let said;
    try {
      ${before}
      said = readProcessSockets(${pid});
    } catch (error) { said = error; }
    console.log(JSON.stringify(said));`,
  ];
  const { stdout, stderr } = new Deno.Command(command, { args }).outputSync();
  const text = new TextDecoder();
  return JSON.parse(text.decode(stdout) || JSON.stringify(text.decode(stderr)));
}

/** The offset of an argument's lower half in `struct seccomp_data`; 0 is that of the call's number. */
function argument(index: number): number {
  return 16 + 8 * index;
}

/**
 * Code that makes a system call fail in this thread, by a seccomp filter.
 *
 * @param conditions offsets in `struct seccomp_data` and the values there for which it fails
 */
function refuse(conditions: readonly (readonly number[])[], errno: number): string {
  const steps = conditions.flatMap(([offset = 0, value = 0], index) => [
    [0x20, 0, 0, offset], // load
    [0x15, 0, 2 * (conditions.length - index) - 1, value], // unless equal, allow
  ]);
  const program = [
    ...steps,
    [0x06, 0, 0, 0x00050000 | errno], // SECCOMP_RET_ERRNO
    [0x06, 0, 0, 0x7fff0000], // SECCOMP_RET_ALLOW
  ];
  return `
    const { symbols } = Deno.dlopen("libc.so.6", {
      prctl: { parameters: ["i32", "usize", "buffer", "usize", "usize"], result: "i32" },
    });
    const code = new DataView(new ArrayBuffer(8 * ${program.length}));
    ${JSON.stringify(program)}.forEach(([op, jt, jf, k], index) => {
      code.setUint16(8 * index, op, true);
      code.setUint8(8 * index + 2, jt);
      code.setUint8(8 * index + 3, jf);
      code.setUint32(8 * index + 4, k, true);
    });
    const filter = new BigUint64Array([
      ${program.length}n, Deno.UnsafePointer.value(Deno.UnsafePointer.of(code.buffer)),
    ]);
    if (symbols.prctl(38, 1n, null, 0n, 0n) || symbols.prctl(22, 2n, filter, 0n, 0n)) {
      throw new Error("no seccomp");
    }`;
}

Deno.test({
  name: "readProcessSockets() throws NotPermittedError when the process may not be traced",
  ...UNPRIVILEGED,
  fn() {
    const said = readElsewhere(`${Deno.pid}`, "", ["setpriv", "--bounding-set=-sys_ptrace"]);
    assert.deepEqual([said["error"], said["capability"]], ["NotPermittedError", "CAP_SYS_PTRACE"]);
    assert.equal(
      said["message"],
      `Cannot read the sockets of process ${Deno.pid}: this user may not trace it, ` +
        `the right to do so is needed (/proc/${Deno.pid}/fd: EACCES)`,
    );
  },
});

Deno.test("readProcessSockets() names the call when the kernel refuses it", () => {
  const [pidfdOpen, pidfdGetfd, EPERM, EMFILE, ENOSYS] = [434, 438, 1, 24, 38];
  const openSocket = `Deno.listen({ hostname: "127.0.0.1", port: 0 });`;
  const cases = [
    [pidfdOpen, ENOSYS, "NotSupportedError", "pidfd_open: ENOSYS"],
    [pidfdOpen, EPERM, "NotPermittedError", "pidfd_open: EPERM"],
    [pidfdGetfd, ENOSYS, "NotSupportedError", "pidfd_getfd: ENOSYS"],
    [pidfdGetfd, EPERM, "NotPermittedError", "pidfd_getfd: EPERM"],
    [pidfdGetfd, EMFILE, "SyscallError", "pidfd_getfd: EMFILE"],
  ] as const;
  for (const [call, errno, name, reason] of cases) {
    const said = readElsewhere("Deno.pid", openSocket + refuse([[0, call]], errno));
    assert.equal(said["error"], name, JSON.stringify(said));
    assert.match(
      String(said["message"]),
      new RegExp(`^Cannot read the sockets of .*\\(${reason}\\)$`),
    );
  }
});

const GETSOCKOPT = Deno.build.arch === "aarch64" ? 209 : 55;
const [SOL_MPTCP, MPTCP_FULL_INFO, EOPNOTSUPP] = [284, 4, 95];

Deno.test({
  name: "readProcessSockets() goes on when one descriptor is refused",
  ...MPTCP,
  async fn() {
    const [pidfdGetfd, EPERM, ESRCH, EBADF, EACCES] = [438, 1, 3, 9, 13];
    await using holder = await startHolder();
    const all = readProcessSockets(holder.pid).sockets;
    const readWithout = (fd: number | undefined, errno: number) => {
      const conditions = [[0, pidfdGetfd], [argument(1), fd ?? -1]];
      const { sockets = [], unseen } = readElsewhere(`${holder.pid}`, refuse(conditions, errno));
      return { fds: sockets.map((socket) => socket.fd), unseen };
    };
    const { fd } = all.at(-1) ?? {};
    const others = all.map((socket) => socket.fd).filter((one) => one !== fd);
    for (const errno of [EPERM, ESRCH, EBADF, EACCES]) {
      assert.deepEqual(readWithout(fd, errno), { fds: others, unseen: 1 }, `${errno}`);
    }
    // The second descriptor of a socket does as well.
    assert.deepEqual(readWithout(holder.fds["v4 client"], EBADF), {
      fds: all.map((socket) => socket.fd),
      unseen: 0,
    });
  },
});

Deno.test({
  name: "readProcessSockets() finds the subflows when the kernel does not know MPTCP_FULL_INFO",
  ...MPTCP,
  async fn() {
    await using holder = await startHolder();
    const conditions = [[0, GETSOCKOPT], [argument(1), SOL_MPTCP], [argument(2), MPTCP_FULL_INFO]];
    const { sockets } = readElsewhere(`${holder.pid}`, refuse(conditions, EOPNOTSUPP));
    const client = sockets?.find(({ fd }) => fd === holder.fds["v6 client"]);
    assert.deepEqual(
      client?.subflows?.map(({ id, local, remote, tcp }) => [id, local, remote, tcp?.state]),
      [
        [undefined, client?.local, client?.remote, "ESTABLISHED"],
      ],
    );
  },
});

Deno.test({
  name: "readProcessSockets() says neither fallback nor a state when the kernel is before 5.16",
  ...MPTCP,
  async fn() {
    await using holder = await startHolder();
    const conditions = [[0, GETSOCKOPT], [argument(1), SOL_MPTCP]];
    const { sockets } = readElsewhere(`${holder.pid}`, refuse(conditions, EOPNOTSUPP));
    const say = (name: string) => {
      const socket = sockets?.find(({ fd }) => fd === holder.fds[name]);
      return [socket?.verdict, socket?.state, socket?.mptcp, socket?.subflows];
    };
    assert.deepEqual(say("v4 client"), ["mptcp", "UNKNOWN", undefined, undefined]);
    assert.deepEqual(say("v4 listener"), ["mptcp", "LISTEN", undefined, undefined]);
    assert.deepEqual(say("v4 fallback"), ["fallback", "ESTABLISHED", undefined, undefined]);
  },
});

Deno.test("readProcessSockets() lets no other error through when the process is the first", () => {
  try {
    readProcessSockets(1);
    assert.ok(isRoot());
  } catch (error) {
    assert.ok(error instanceof NotPermittedError, String(error));
  }
});
