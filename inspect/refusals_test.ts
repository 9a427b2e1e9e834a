/**
 * What a caller is told when the kernel refuses a call of `readProcessSockets()`.
 */
import { strict as assert } from "node:assert";
import { NotPermittedError } from "../errors.ts";
import { commandExists, isRoot, skipUnless } from "../tests/skip.ts";
import { readProcessSockets } from "./process_sockets.ts";

const UNPRIVILEGED = skipUnless("setpriv", isRoot() && commandExists("setpriv"), "run it as root");

/** What another process is told that runs `before` and then reads the sockets of `pid`. */
function readElsewhere(
  pid: string,
  before: string,
  prefix: readonly string[] = [],
): Record<string, unknown> {
  const [command = "", ...args] = [
    ...prefix,
    Deno.execPath(),
    "eval",
    `import { readProcessSockets } from ${
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

/** Code that makes one system call fail in this thread: a seccomp filter of four instructions. */
function refuseCall(number: number, errno: number): string {
  const instruction = (code: number, jt: number, jf: number, k: number) =>
    `[${code}, ${jt}, ${jf}, ${k}]`;
  const program = [
    instruction(0x20, 0, 0, 0), // load the number of the call
    instruction(0x15, 0, 1, number),
    instruction(0x06, 0, 0, 0x00050000 | errno), // SECCOMP_RET_ERRNO
    instruction(0x06, 0, 0, 0x7fff0000), // SECCOMP_RET_ALLOW
  ];
  return `
    const { symbols } = Deno.dlopen("libc.so.6", {
      prctl: { parameters: ["i32", "usize", "buffer", "usize", "usize"], result: "i32" },
    });
    const code = new DataView(new ArrayBuffer(32));
    [${program}].forEach(([op, jt, jf, k], index) => {
      code.setUint16(8 * index, op, true);
      code.setUint8(8 * index + 2, jt);
      code.setUint8(8 * index + 3, jf);
      code.setUint32(8 * index + 4, k, true);
    });
    const filter = new BigUint64Array([
      4n, Deno.UnsafePointer.value(Deno.UnsafePointer.of(code.buffer)),
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
    const said = readElsewhere("Deno.pid", openSocket + refuseCall(call, errno));
    assert.equal(said["error"], name, JSON.stringify(said));
    assert.match(
      String(said["message"]),
      new RegExp(`^Cannot read the sockets of .*\\(${reason}\\)$`),
    );
  }
});

Deno.test("readProcessSockets() lets no other error through when the process is the first", () => {
  try {
    readProcessSockets(1);
    assert.ok(isRoot());
  } catch (error) {
    assert.ok(error instanceof NotPermittedError, String(error));
  }
});
