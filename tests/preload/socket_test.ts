import { strict as assert } from "node:assert";
import { commandExists, isRoot, skipUnless, skipUnlessAll } from "../skip.ts";
import {
  AARCH64,
  compile,
  GLIBC,
  libraryFor,
  MUSL,
  needs,
  run,
  type RunOptions,
  STATIC,
  type Toolchain,
  workFolder,
} from "./snippets.ts";

const WITHOUT_MPTCP = [
  "unshare",
  "-n",
  "sh",
  "-c",
  'echo 0 > /proc/sys/net/mptcp/enabled && exec "$@"',
  "sh",
];

/** The kinds that are forced; all else must be exactly as without the library. */
function isForced(line: string): boolean {
  const found = /^family (2|10) type (0\d+) protocol (0|6): protocol 6 /.exec(line);
  return found !== null && (parseInt(found[2]!, 8) & 0xf) === 1;
}

async function checkKinds(toolchain: Toolchain): Promise<void> {
  const program = await compile("sockets", toolchain);
  const plain = await run(program, [], { toolchain, preload: false });
  const forced = await run(program, [], { toolchain });
  const expected = plain.lines.map((line) =>
    isForced(line) ? line.replace(": protocol 6 ", ": protocol 262 ") : line
  );
  // Two families, each with four combinations of flags, as 0 and as IPPROTO_TCP, and 262 itself; QEMU
  // drops a flag that it does not know, where the kernel refuses it.
  const count = expected.filter((line) => line.includes(": protocol 262 ")).length;
  assert.equal(count, toolchain.runner === undefined ? 18 : 20);
  assert.deepEqual(forced.lines, expected);
  assert.equal(forced.stderr, "");
}

for (const toolchain of [GLIBC, MUSL, AARCH64]) {
  Deno.test({
    name: `socket() forces TCP and nothing else, with its flags, in a ${toolchain.name} program`,
    ...needs(toolchain),
    fn: () => checkKinds(toolchain),
  });
}

Deno.test({
  name: "socket() is not ours in a static program, which runs as ever",
  ...needs(STATIC),
  async fn() {
    const program = await compile("sockets", STATIC);
    const forced = await run(program, [], { toolchain: STATIC });
    assert.deepEqual(forced, await run(program, [], { toolchain: STATIC, preload: false }));
  },
});

Deno.test({
  name: "socket() gives TCP, and TCP's errors, when MPTCP is off in the network namespace",
  ...skipUnlessAll(needs(GLIBC), skipUnless("root", isRoot())),
  async fn() {
    const program = await compile("sockets");
    const options: RunOptions = { prefix: WITHOUT_MPTCP };
    const plain = await run(program, [], { ...options, preload: false });
    assert.ok(plain.lines.some((line) => line.includes("protocol 262: errno 92")), "it is off");
    assert.deepEqual((await run(program, [], options)).lines, plain.lines);
  },
});

const CONTEXTS: Readonly<Record<string, string>> = {
  threads: "wrong 0",
  fork: "child 0 parent 262",
  vfork: "child 0 parent 262",
  handler: "protocol 262",
  clearenv: "protocol 262",
};
for (const toolchain of [GLIBC, MUSL]) {
  for (const [context, expected] of Object.entries(CONTEXTS)) {
    Deno.test({
      name: `socket() gives MPTCP in a ${toolchain.name} program: ${context}`,
      ...needs(toolchain),
      async fn() {
        const program = await compile("contexts", toolchain);
        assert.deepEqual((await run(program, [context], { toolchain })).lines, [expected]);
      },
    });
  }
}

for (const toolchain of [GLIBC, MUSL]) {
  Deno.test({
    name: `socket() gives MPTCP to another library's constructor (${toolchain.name})`,
    ...needs(toolchain),
    async fn() {
      const library = await compile("early", {
        ...toolchain,
        name: `${toolchain.name}.so`,
        flags: [...toolchain.flags, "-shared", "-fPIC"],
      });
      const program = await compile("early_main", toolchain, [library]);
      // Linked to the program it comes before or after ours as the C library likes; preloaded, the
      // order is ours to choose: what stands last is started first.
      for (const preloads of [[], [library]]) {
        const list = [libraryFor(toolchain.machine), ...preloads].join(" ");
        const { lines, stderr } = await run(program, [], {
          toolchain,
          preload: false,
          env: { LD_PRELOAD: list, MPTCPIZE_DEBUG: "1" },
        });
        assert.deepEqual(lines, ["protocol 262"]);
        assert.match(stderr, /^mptcpize\[\d+\]: fd \d+: MPTCP socket\n$/);
      }
    },
  });
}

/** Whether programs in a folder may be set-id: Debian 13 mounts /tmp so that they may not. */
function heedsSetId(folder: string): boolean {
  const mounts = Deno.readTextFileSync("/proc/self/mounts").split("\n").map((line) =>
    line.split(" ")
  );
  const [, , , options = ""] = mounts
    .filter(([, point]) => point === "/" || (point && `${folder}/`.startsWith(`${point}/`)))
    // The deepest holds, and of several on one point the last.
    .reduce((best, mount) => mount[1]!.length >= best[1]!.length ? mount : best, ["", ""]);
  return !options.split(",").includes("nosuid");
}

Deno.test({
  name: "the library is ignored, and the program runs, when it is set-id",
  ...skipUnlessAll(
    needs(GLIBC),
    skipUnless("root", isRoot()),
    skipUnless("set-id files", () => heedsSetId(workFolder()), "a TMPDIR not mounted nosuid"),
  ),
  async fn() {
    const program = `${workFolder()}/set-id`;
    await Deno.copyFile(await compile("sockets"), program);
    await Deno.chown(program, 65534, 65534);
    await Deno.chmod(program, 0o4755);
    const { lines } = await run(program);
    assert.ok(
      lines.length > 0 &&
        !lines.some((line) =>
          isForced(line.replace("262", "6")) && line.includes(": protocol 262")
        ),
    );
  },
});

async function reported(context: string, env: Record<string, string>, args: string[] = []) {
  return await run(await compile("contexts"), [context, ...args], { env });
}

Deno.test({
  name: "MPTCPIZE_DEBUG names each socket and each option, one line each",
  ...needs(GLIBC),
  async fn() {
    const { lines, stderr } = await reported("lines", { MPTCPIZE_DEBUG: "1" });
    const [pid, fd] = /^pid (\d+) fd (\d+)$/.exec(lines[0] ?? "")!.slice(1);
    const start = `mptcpize[${pid}]: fd ${fd}: `;
    assert.deepEqual(stderr.split("\n"), [
      `${start}MPTCP socket`,
      `${start}TCP_USER_TIMEOUT has no effect on MPTCP, kept as 5000`,
      `${start}SO_RCVBUF left to the kernel to tune, not set to 4096`,
      `${start}SO_SNDBUF raised to 98304 from 4096`,
      `${start}back to TCP for SO_ZEROCOPY`,
      "",
    ]);
  },
});

Deno.test({
  name: "MPTCPIZE_DEBUG names the error when a socket stays TCP",
  ...skipUnlessAll(needs(GLIBC), skipUnless("root", isRoot())),
  async fn() {
    const { stderr } = await run(await compile("contexts"), ["clearenv"], {
      prefix: WITHOUT_MPTCP,
      env: { MPTCPIZE_DEBUG: "1" },
    });
    assert.match(stderr, /^mptcpize\[\d+\]: fd \d+: TCP socket, MPTCP refused \(ENOPROTOOPT\)\n$/);
  },
});

Deno.test({
  name: "MPTCPIZE_DEBUG stays on when the program clears its environment, and off at 0 or nothing",
  ...needs(GLIBC),
  async fn() {
    assert.match((await reported("clearenv", { MPTCPIZE_DEBUG: "1" })).stderr, /MPTCP socket/);
    for (const off of ["0", ""]) {
      assert.equal((await reported("clearenv", { MPTCPIZE_DEBUG: off })).stderr, "");
    }
    assert.equal((await reported("clearenv", { MPTCPIZE_DEBUGS: "1" })).stderr, "");
  },
});

Deno.test({
  name: "MPTCPIZE_DEBUG writes nothing to a peer when fd 2 has become a connection",
  ...needs(GLIBC),
  async fn() {
    assert.deepEqual((await reported("inet", { MPTCPIZE_DEBUG: "1" })).lines, ["got payload"]);
  },
});

Deno.test({
  name: "MPTCPIZE_DEBUG writes nothing when fd 2 has become a file of the program's own",
  ...needs(GLIBC),
  async fn() {
    const file = `${workFolder()}/own`;
    assert.deepEqual((await reported("late", { MPTCPIZE_DEBUG: "1" }, [file])).lines, ["got 0"]);
  },
});

Deno.test({
  name: "MPTCPIZE_DEBUG does not end the program when nobody reads fd 2 any more",
  ...skipUnlessAll(needs(GLIBC), skipUnless("sh", commandExists("sh"))),
  async fn() {
    const program = await compile("contexts");
    const script = `{ LD_PRELOAD="$2" MPTCPIZE_DEBUG=1 "$1" closed 2>&1 >&3 | exec true; } 3>&1`;
    const { stdout } = await new Deno.Command("sh", {
      args: ["-c", script, "sh", program, libraryFor(GLIBC.machine)],
    }).output();
    assert.equal(new TextDecoder().decode(stdout), "alive\n");
  },
});
