import { deepStrictEqual, fail, match, ok, strictEqual } from "node:assert";
import { canMakeNamespaces, NetworkNamespace } from "../apps/netns.ts";
import type { PatchSite } from "../../force/mod.ts";
import { hasMptcp } from "../live_sockets.ts";
import { commandExists, isRoot, skipUnless } from "../skip.ts";
import {
  buildAssembly,
  buildGo,
  buildMatrix,
  buildRust,
  buildSteps,
  fillRoom,
  type Flavour,
  FLAVOURS,
  hasGo,
  hasRust,
  mptcpize,
  patched,
  run,
  startProgram,
} from "./world.ts";

const isX86 = Deno.build.arch === "x86_64";

/** What this machine must have for a test of a C program. */
function skip(...needs: readonly string[]): { ignore: boolean } {
  for (const need of needs) {
    if (skipUnless(need, commandExists(need)).ignore) return { ignore: true };
  }
  return skipUnless("MPTCP", hasMptcp);
}

const [GLIBC, , , MUSL] = FLAVOURS as [Flavour, Flavour, Flavour, Flavour];

for (const flavour of FLAVOURS) {
  Deno.test({
    name: `patch makes TCP sockets MPTCP and nothing else when the program is ${flavour.name}`,
    ...skip(flavour.needs),
    async fn() {
      const path = await buildMatrix(flavour);
      const bare = await run([path, "kinds"]);
      const lines = bare.out.split("\n");
      const expected = lines.map((line) =>
        /^(tcp|lowest)/.test(line)
          ? line.replace("protocol 6 ", "protocol 262 ")
          : line.replace(/^syscall 6$/, "syscall 262")
      );
      strictEqual(lines.filter((line) => /^(tcp|syscall|lowest)/.test(line)).length, 8);
      for (const program of [path, await fillRoom(path)]) {
        const forced = await run(patched(program, "kinds"));
        match(forced.err, /^mptcpize: .* places that ask for MPTCP now: \d+\n$/);
        deepStrictEqual(forced.out.split("\n"), expected);
      }
    },
  });
}

for (const flavour of [GLIBC, MUSL]) {
  const { name, needs } = flavour;
  const check = async (words: readonly string[], expected: string) => {
    const path = await buildMatrix(flavour);
    strictEqual((await run(patched(path, ...words))).out, expected);
  };
  Deno.test({
    name: `patch holds in 8 threads and after fork when the program is ${name}`,
    ...skip(needs),
    fn: async () => {
      await check(["threads"], "wrong 0\n");
      await check(["fork"], "own 1\nnone left 1\n");
    },
  });
  Deno.test({
    name: `patch never makes socket() fail with EINTR when the program is ${name}`,
    ...skip(needs),
    fn: () => check(["interrupted"], "failed 0 wrong 0\n"),
  });
  Deno.test({
    name: `patch leaves a port free the moment it is closed when the program is ${name}`,
    ...skip(needs),
    async fn() {
      const path = await buildMatrix(flavour);
      const { out } = await run(patched(path, "rebind", "50000"));
      const [, taken, wrong] = out.match(/taken (\d+) wrong (\d+)/) ?? [];
      strictEqual(wrong, "0");
      // Native MPTCP itself, which releases late now and then, had 10 in 1.2 million.
      ok(Number(taken) <= 5, out);
    },
  });
  Deno.test({
    name: `patch keeps every register, flag and the stack when the program is ${name}`,
    ...skip(needs),
    async fn() {
      const path = await buildMatrix(flavour);
      const bare = await run([path, "registers"]);
      const forced = await run(patched(path, "registers"));
      strictEqual(bare.out.match(/protocol 6$/gm)?.length, isX86 ? 2 : undefined);
      strictEqual(forced.out, bare.out.replaceAll("protocol 6", "protocol 262"));
    },
  });
  Deno.test({
    name: `patch leaves nothing that the program can see when it is ${name}`,
    ...skip(needs),
    async fn() {
      const path = await buildMatrix(flavour);
      // The same parent and group, and SIGCHLD at its default, ignored, blocked, and both.
      for (const how of ["", "trap '' CHLD; "]) {
        for (const block of ["", "python3 -c 'BLOCK' "]) {
          if (block !== "" && !commandExists("python3")) continue;
          const blocking = "import os,signal,sys\n" +
            "signal.pthread_sigmask(0,[17])\nos.execv(sys.argv[1],sys.argv[1:])";
          const show = async (words: readonly string[]) => {
            const exec = block === "" ? words : ["python3", "-c", blocking, ...words];
            const { out, err } = await run(["sh", "-c", `${how}exec "$@"`, "sh", ...exec]);
            ok(!err.includes("stays TCP"), err);
            return out;
          };
          const forced = await show(patched(path, "state"));
          strictEqual(forced, await show([path, "state"]));
          strictEqual(forced, await show(patched(await fillRoom(path), "state")));
          match(forced, /^TracerPid:\t0$/m);
          match(forced, /^child -1 errno 10$/m);
        }
      }
    },
  });
}

Deno.test({
  name: "patch gives the program its own end when it exits or is killed",
  ...skip("gcc"),
  async fn() {
    const path = await buildMatrix(GLIBC);
    strictEqual((await run(patched(path, "exit", "37"))).code, 37);
    strictEqual((await run(patched(path, "crash"))).signal, "SIGSEGV");
    for (const signal of ["SIGTERM", "SIGINT", "SIGKILL", "SIGHUP"] as const) {
      await using program = startProgram(patched(path, "wait"));
      const { child } = program;
      strictEqual(await program.read(), "262\n");
      // Stopped and continued as any process.
      child.kill("SIGSTOP");
      await until(() => stateOf(child.pid) === "T");
      child.kill("SIGCONT");
      await until(() => stateOf(child.pid) === "S");
      child.kill(signal);
      strictEqual((await child.status).signal, signal);
    }
  },
});

/** The letter of a process's state. */
function stateOf(pid: number): string | undefined {
  return /^State:\t(\w)/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1];
}

/** Waits until a condition has held once; it may hold for a moment only. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let round = 0; round < 2000; round++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  fail(`Waited in vain until ${condition}`);
}

Deno.test({
  name: "patch leaves signals their effect at each step of the start, and never a program stopped",
  ...skip("gcc"),
  async fn() {
    const path = await buildMatrix(GLIBC);
    for (const program of [path, await fillRoom(path)]) {
      const { out, err } = await run([await buildSteps(), patched("")[0]!, program]);
      // Each line before the last tells of an end that was another than without us.
      match(out, /^held \d{3,}\n$/, err);
    }
  },
});

Deno.test({
  name: "patch survives signals at any moment of the start",
  ...skip("gcc", "pgrep"),
  async fn() {
    const path = await buildMatrix(GLIBC);
    for (let round = 0; round < 60; round++) {
      await using program = startProgram(patched(path, "wait"));
      const { child } = program;
      // From before the handshake to after the detaching.
      const end = performance.now() + (round % 20) * 0.15;
      while (performance.now() < end);
      const fate = (["SIGSTOP", "SIGTERM", "SIGINT"] as const)[round % 3]!;
      child.kill(fate);
      if (fate === "SIGSTOP") {
        // `t` while it is traced, which may be for another reason, and be over at once.
        await until(() => /[Tt]/.test(stateOf(child.pid) ?? ""));
        child.kill("SIGCONT");
        strictEqual(await program.read(), "262\n");
      } else {
        strictEqual((await child.status).signal, fate);
      }
    }
    await until(async () => (await run(["pgrep", "-f", path])).out === "");
  },
});

for (const version of ["1.19", "1.23"] as const) {
  Deno.test({
    name: `patch reaches Listen, ListenTCP, Dial and DialTCP when the program is Go ${version}`,
    ignore: skip().ignore || skipUnless(`Go ${version}`, hasGo(version)).ignore,
    async fn() {
      const path = await buildGo(version);
      const { out, code } = await run(patched(path));
      strictEqual(out, "262 262 262 262 17\nwrong 0\n");
      strictEqual(code, 0);
    },
  });
}

Deno.test({
  name: "patch reaches a static Rust program",
  ignore: skip().ignore || skipUnless("rustc", hasRust).ignore,
  async fn() {
    strictEqual((await run(patched(await buildRust()))).out, "262 262\n");
  },
});

Deno.test({
  name: "patch reaches both ends when they are busybox httpd and wget",
  ignore: skip("busybox").ignore || skipUnless("network namespaces", canMakeNamespaces).ignore,
  async fn() {
    const folder = await Deno.makeTempDir();
    await using namespace = await NetworkNamespace.open(true);
    try {
      await Deno.writeTextFile(`${folder}/index.html`, "by two paths");
      const busybox = (await run(["sh", "-c", "command -v busybox"])).out.trim();
      const words = patched(busybox, "httpd", "-f", "-p", "127.0.0.1:8080", "-h", folder);
      const [file, ...args] = namespace.enter(words);
      const server = new Deno.Command(file!, { args, stderr: "null" }).spawn();
      await until(() => namespace.listens(8080));
      const got = await run(
        namespace.enter(patched(busybox, "wget", "-qO-", "http://127.0.0.1:8080/")),
      );
      server.kill("SIGTERM");
      await server.status;
      strictEqual(got.out, "by two paths");
      const { mptcpActiveOpens, mptcpPassiveOpens } = namespace.counters();
      deepStrictEqual([mptcpActiveOpens, mptcpPassiveOpens], [1, 1]);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: "patch leaves TCP with its errno when MPTCP is off",
  ignore: skip("gcc").ignore || skipUnless("network namespaces", canMakeNamespaces).ignore,
  async fn() {
    await using namespace = await NetworkNamespace.open(false);
    for (const flavour of [GLIBC, MUSL]) {
      const path = await buildMatrix(flavour);
      for (const what of ["kinds", "registers"]) {
        const bare = await run(namespace.enter([path, what]));
        const forced = await run(namespace.enter(patched(path, what)));
        strictEqual(forced.out, bare.out);
      }
    }
  },
});

Deno.test({
  name: "patch works for another user, in new namespaces, and leaves what it may not trace",
  ignore: skip("gcc", "unshare", "setpriv").ignore || skipUnless("root", isRoot).ignore,
  async fn() {
    const path = await buildMatrix(GLIBC);
    const patcher = patched(path, "protocol");
    const asNobody = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"];
    // The patcher from where that user reaches it.
    const folder = await Deno.makeTempDir({ prefix: "mptcpize-patch-" });
    try {
      await Deno.chmod(folder, 0o755);
      await Deno.copyFile(patcher[0]!, `${folder}/patcher`);
      const words = [`${folder}/patcher`, ...patcher.slice(1)];
      for (
        const [outside, protocol] of [
          [[], "262"],
          [asNobody, "262"],
          [["unshare", "--net"], "262"],
          [["unshare", "--user", "--map-root-user", "--net"], "262"],
          [[...asNobody, "unshare", "--user", "--net"], "262"],
          [["unshare", "--pid", "--fork"], "262"],
          [["unshare", "--pid", "--fork", "--mount-proc"], "262"],
          // Its first child would be the init of the new namespace.
          [["unshare", "--pid"], "6"],
        ] as const
      ) {
        const { out, err } = await run([...outside, ...words]);
        strictEqual(out, `${protocol}\n`, `${outside.join(" ")}: ${err}`);
        if (protocol === "6") match(err, /stays TCP: its children would be in another PID/);
      }
      // As the init of a namespace it would inherit whom its helpers leave behind: there is nobody.
      const { out } = await run([
        "unshare",
        "--pid",
        "--fork",
        "--mount-proc",
        ...words.slice(0, -1),
        "state",
      ]);
      match(out, /^child -1 errno 10$/m);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: "run() leaves a static set-user-ID program its rights and says so",
  ignore: skip("gcc").ignore || skipUnless("root", isRoot).ignore,
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "mptcpize-patch-" });
    try {
      await Deno.chmod(folder, 0o755);
      const path = `${folder}/setuid`;
      await Deno.copyFile(await buildMatrix(GLIBC), path);
      await Deno.chown(path, 1000, 1000);
      await Deno.chmod(path, 0o4755);
      const { out, err } = await run(mptcpize("run", "--method", "patch", path, "state"));
      match(out, /^Uid:\t0\t1000\t1000\t1000$/m);
      match(err, /stays TCP: it gains rights when it is executed/);
      strictEqual((await run(mptcpize("run", "--method", "patch", "--strict", path))).code, 125);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: "patch runs a program as it is and says so when something else traces it",
  ...skip("gcc", "strace"),
  async fn() {
    const path = await buildMatrix(GLIBC);
    const words = ["strace", "-o", "/dev/null", "-e", "trace=none", ...patched(path, "protocol")];
    const { out, err, code } = await run(words);
    strictEqual(out, "6\n");
    match(
      err,
      /^mptcpize: .* stays TCP: the kernel does not let it be traced \(ptrace: EPERM\)\n$/,
    );
    strictEqual(code, 0);
    const [patcher, , ...rest] = patched(path, "protocol");
    const strict = await run([...words.slice(0, 5), patcher!, "-s", ...rest]);
    deepStrictEqual([strict.code, strict.out], [125, ""]);
  },
});

Deno.test({
  name: "patch leaves a program that strace and gdb can trace afterwards",
  ...skip("gcc", "strace", "gdb"),
  async fn() {
    const path = await buildMatrix(GLIBC);
    await using program = startProgram(patched(path, "wait"));
    strictEqual(await program.read(), "262\n");
    const pid = String(program.child.pid);
    const gdb = await run(["gdb", "-p", pid, "-batch", "-ex", "info registers rip"]);
    match(gdb.out, /rip +0x/);
    const strace = await run(["timeout", "-s", "INT", "1", "strace", "-p", pid]);
    match(strace.err, /pause/);
  },
});

Deno.test({
  name: "patch goes no further than the program when that executes another",
  ...skip("gcc", "musl-gcc"),
  async fn() {
    const [glibc, musl] = [await buildMatrix(GLIBC), await buildMatrix(MUSL)];
    strictEqual((await run(patched(glibc, "exec", musl, "protocol"))).out, "6\n");
    // Patched by a patched program, and by itself.
    strictEqual((await run(patched(glibc, "exec", ...patched(musl, "protocol")))).out, "262\n");
    const [patcher, , ...rest] = patched(musl, "protocol");
    const nested = await run([patcher!, patcher!, patcher!, patcher!, ...rest]);
    strictEqual(nested.out, "262\n");
  },
});

for (
  const { name, machine, code, says } of [
    { name: "odd", machine: "x86_64", code: 0, says: /no call of socket\(2\) that can be/ },
    { name: "i386", machine: "i386", code: 9, says: /no program of this machine/ },
    { name: "edge", machine: "x86_64", code: 42, says: /ask for MPTCP now: 1\n$/ },
  ]
) {
  Deno.test({
    name: `patch is sure or leaves it when the program is ${name}.s`,
    ignore: skip("as", "ld").ignore || skipUnless("x86_64", isX86).ignore,
    async fn() {
      const path = await buildAssembly(name, machine);
      const forced = await run(patched(path));
      strictEqual(forced.code, code);
      match(forced.err, says);
      const [patcher, , ...rest] = patched(path);
      const strict = await run([patcher!, "-s", ...rest]);
      strictEqual(strict.code, name === "edge" ? code : 125);
    },
  });
}

Deno.test({
  name:
    "patch runs a program as it is, or not at all when strict, when there is no memory for its calls",
  ignore: skip("as", "ld", "prlimit").ignore || skipUnless("x86_64", isX86).ignore,
  async fn() {
    const path = await fillRoom(await buildAssembly("edge"));
    const limited = (pages: number, words: readonly string[]) =>
      run(["prlimit", `--as=${pages * 4096}`, ...words]);
    // The least that it runs with: nothing is left then.
    let [least, below] = [1024, 0];
    while (least - below > 1) {
      const pages = (least + below) >> 1;
      if ((await limited(pages, [path])).code === 6) least = pages;
      else below = pages;
    }
    const [patcher, , ...rest] = patched(path);
    const why =
      /^mptcpize: .*\/edge_full stays TCP: there is no memory for its new calls \(mmap\)\n$/;
    const forced = await limited(least, [patcher!, ...rest]);
    strictEqual(forced.code, 6);
    match(forced.err, why);
    const strict = await limited(least, [patcher!, "-s", ...rest]);
    strictEqual(strict.code, 125);
    match(strict.err, why);
    strictEqual((await limited(least + 64, [patcher!, ...rest])).code, 42);
  },
});

Deno.test({
  name: "run() and explain() patch what is static when they are told to",
  ...skip("gcc", "objdump", "strip"),
  async fn() {
    const path = await buildMatrix(GLIBC);
    const show = async (...words: string[]) => await run(mptcpize(...words));
    strictEqual((await show("run", "--method", "patch", path, "protocol")).out, "262\n");
    strictEqual((await show("run", "--allow-patch", path, "protocol")).out, "262\n");
    const refused = await show("run", path, "protocol");
    strictEqual(refused.code, 125);
    match(refused.err, /--method patch/);
    const explained = await show("explain", path);
    match(explained.out, /^patch +yes +\d+ places of its code would be/m);
    match(explained.out, /^ +PLACE +CALL +FUNCTION\n +0x\w+ +socket\(2\)/m);
    match(explained.out, /^ +0x\w+ +socket\(2\) +socket\+\d+$/m);
    match(explained.out, /^ +and \d+ more, which --json lists$/m);
    const { sites } = JSON.parse((await show("explain", "--json", path)).out);
    const replaced = /now: (\d+)/.exec((await run(patched(path, "protocol"))).err)?.[1];
    strictEqual(String(sites.length), replaced);
    ok(sites.some(({ calls, symbol }: PatchSite) => calls === "any" && /^syscall\+/.test(symbol!)));
    // As binutils see it, and a stripped file.
    const { out: code } = await run(["objdump", "-d", "--no-show-raw-insn", path]);
    for (const { address } of sites) {
      match(code, new RegExp(`^ +${address.toString(16)}:\t${isX86 ? "syscall" : "svc"}`, "m"));
    }
    const stripped = `${await Deno.makeTempDir()}/stripped`;
    await run(["strip", "-o", stripped, path]);
    match((await show("explain", stripped)).out, /^ +0x\w+ +socket\(2\)$/m);
    await Deno.remove(stripped.replace(/\/stripped$/, ""), { recursive: true });
    strictEqual(explained.code, 1);
    const allowed = await show("explain", "--method", "patch", path);
    match(allowed.out, /`mptcpize run` patches it in memory/);
    strictEqual(allowed.code, 0);
    const dynamic = await show("run", "--method", "patch", "sh", "-c", "exit 3");
    match(dynamic.err, /stays TCP: it is dynamically linked.*preload/);
    strictEqual(dynamic.code, 3);
    strictEqual((await show("run", "--method", "patch", "--strict", "sh", "-c", ":")).code, 125);
    const script = `${await Deno.makeTempDir()}/script`;
    await Deno.writeTextFile(script, `#!${path} protocol\n`);
    await Deno.chmod(script, 0o755);
    strictEqual((await show("run", "--method", "patch", script)).out, "262\n");
    await Deno.remove(script.replace(/\/script$/, ""), { recursive: true });
  },
});
