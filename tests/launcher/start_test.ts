/**
 * How the launcher starts in odd places: with rights of others, not installed, moved, for another
 * machine, below itself.
 *
 * @module
 */

import { deepStrictEqual, match, ok, strictEqual } from "node:assert";
import { fillLauncher } from "../../install/mod.ts";
import { commandExists, isRoot, skipUnless, skipUnlessAll } from "../skip.ts";
import { HANDED_OVER, hasCompiler, World } from "./world.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const HOME = "HOME=/proc/self";

let built: World | undefined;
async function world(): Promise<World> {
  return built ??= await World.build();
}
Deno.test.afterAll(async () => await built?.[Symbol.asyncDispose]());

/** The entries that show.c printed. */
function entries(out: string): string[] {
  return [...out.matchAll(/^entry (.*)$/gm)]
    .map(([, hex]) => new TextDecoder().decode(Uint8Array.fromHex(hex!)));
}

/** A copy of a launcher with another owner or mode. */
function copyLauncher(from: string, to: string, mode: number, gid = 0): string {
  Deno.copyFileSync(from, to);
  Deno.chownSync(to, 0, gid);
  Deno.chmodSync(to, mode);
  return to;
}

Deno.test({
  name: "a launcher that was not installed says so, with the status of its command",
  ...skipUnless("gcc", hasCompiler),
  fn: async () => {
    const here = await world();
    const plain = `${ROOT}launcher/bin/${Deno.build.arch}/mptcpize`;
    const message =
      "mptcpize: Cannot find the files of mptcpize: this launcher was not installed\n\n" +
      "hint: `mptcpize install` in a checkout\n";
    for (
      const [words, status] of [[["run", here.path("show")], "125"], [["explain"], "1"], [[], "1"]]
    ) {
      const outcome = await here.start([plain, ...words!], { environment: [] });
      deepStrictEqual(outcome, { status, out: "", err: message });
    }
  },
});

Deno.test({
  name: "a set-user-ID or set-group-ID launcher starts nothing",
  ...skipUnless("root", isRoot() && hasCompiler),
  fn: async () => {
    const here = await world();
    for (const [mode, gid] of [[0o4755, 0], [0o2755, 0], [0o6755, 0]] as const) {
      const own = copyLauncher(here.launcher, `${here.root}/set-id`, mode, gid);
      for (const words of [["run", here.path("show")], ["--version"]]) {
        const { status, out, err } = await here.start([own, ...words], {
          environment: [`PATH=${here.programs}`, "LD_PRELOAD=/nonexistent/evil.so"],
          uid: 1000,
        });
        deepStrictEqual([status, out], [words[0] === "run" ? "125" : "1", ""]);
        match(err, /^mptcpize: Cannot start anything: this process has rights of another user/);
      }
      Deno.removeSync(own);
    }
  },
});

Deno.test({
  name: "a launcher in secure mode drops what a loader would drop, served and handed over",
  ...skipUnless("libcap2-bin", commandExists("setcap") && isRoot() && hasCompiler),
  fn: async () => {
    const here = await world();
    const own = copyLauncher(here.launcher, `${here.root}/capable`, 0o755);
    const { success } = await new Deno.Command("setcap", { args: ["cap_net_raw+ep", own] })
      .output();
    ok(success);
    const environment = [HOME, "LD_PRELOAD=/nonexistent/evil.so", "LD_AUDIT=/nonexistent/x", "A=1"];
    for (const flags of [[], ["--method=auto"]]) {
      const { status, out, err } = await here.start([own, "run", ...flags, here.path("show")], {
        environment,
        uid: 1000,
      });
      deepStrictEqual([status, err], ["0", ""]);
      deepStrictEqual(entries(out), [
        HOME,
        "A=1",
        `LD_PRELOAD=${here.library}`,
        "GODEBUG=multipathtcp=1",
      ]);
    }
    Deno.removeSync(own);
  },
});

Deno.test({
  name: "a launcher takes its files from where it was installed, wherever it is called from",
  ...skipUnless("gcc", hasCompiler),
  fn: async () => {
    const here = await world();
    const folder = `${here.root}/elsewhere`;
    Deno.mkdirSync(`${folder}/lib/mptcpize/lib/${Deno.build.arch}`, { recursive: true });
    Deno.mkdirSync(`${folder}/bin`);
    Deno.symlinkSync(here.launcher, `${folder}/bin/mptcpize`);
    Deno.linkSync(here.launcher, `${folder}/bin/linked`);
    for (const name of ["mptcpize", "linked"]) {
      const { out } = await here.start([`bin/${name}`, "run", here.path("show")], {
        environment: [],
        cwd: folder,
      });
      deepStrictEqual(entries(out), [`LD_PRELOAD=${here.library}`, "GODEBUG=multipathtcp=1"]);
    }
  },
});

Deno.test({
  name: "a launcher neither loads a library nor starts a Deno that others could replace",
  ...skipUnless("root", isRoot() && hasCompiler),
  fn: async () => {
    const here = await world();
    const folder = `${here.root}/telling`;
    const words = ["run", here.path("show")];
    const library = `${folder}/lib/${Deno.build.arch}/libmptcpize.so`;
    const served = () => here.isServed({ words, environment: [] });
    ok(await served());
    for (
      const [path, safe, unsafe] of [
        [library, 0o644, 0o666],
        [library, 0o644, 0o600],
        [`${folder}/lib`, 0o755, 0o775],
        [`${folder}/lib`, 0o755, 0o700],
      ] as const
    ) {
      Deno.chmodSync(path, unsafe);
      strictEqual(await served(), false, `${path} ${unsafe.toString(8)}`);
      Deno.chmodSync(path, safe);
    }
    Deno.chownSync(library, 1000, 1000);
    strictEqual(await served(), false);
    Deno.chownSync(library, 0, 0);
    Deno.renameSync(`${folder}/lib`, `${folder}/real`);
    Deno.symlinkSync("real", `${folder}/lib`);
    strictEqual(await served(), false);
    Deno.removeSync(`${folder}/lib`);
    Deno.renameSync(`${folder}/real`, `${folder}/lib`);
    ok(await served());

    Deno.chmodSync(`${folder}/deno`, 0o777);
    const { status, err } = await here.start([here.telling, "explain"], { environment: [] });
    strictEqual(status, "1");
    match(err, /^mptcpize: Cannot start the command line: .* another user could replace them\n/);
    Deno.chmodSync(`${folder}/deno`, 0o755);
  },
});

Deno.test({
  name: "a launcher hands over where the kernel makes no MPTCP sockets",
  ...skipUnless("root", isRoot() && hasCompiler),
  fn: async () => {
    const here = await world();
    const script = 'echo 0 >/proc/sys/net/mptcp/enabled && exec "$@"';
    const { stdout } = await new Deno.Command("unshare", {
      args: ["-n", "sh", "-c", script, "sh", here.telling, "run", here.path("show")],
    }).output();
    strictEqual(new TextDecoder().decode(stdout), HANDED_OVER);
  },
});

Deno.test({
  name: "run by the launcher is as invisible as run by the command line",
  ...skipUnless("gcc", hasCompiler),
  fn: async () => {
    const here = await world();
    const { success, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "-qA", "--no-check", `${ROOT}tests/e2e/process_test.ts`],
      env: { MPTCPIZE_LAUNCHER: here.launcher, NO_COLOR: "1" },
      stderr: "null",
    }).output();
    ok(success, new TextDecoder().decode(stdout));
  },
});

Deno.test({
  name: "run of the launcher itself forces what that one runs",
  ...skipUnless("gcc", hasCompiler),
  fn: async () => {
    const here = await world();
    const environment = [HOME, "A=1"];
    const once = await here.byLauncher({ words: ["run", here.path("show")], environment });
    for (const flags of [[], ["--method=auto"]]) {
      const words = ["run", ...flags, here.launcher, "run", here.path("show")];
      deepStrictEqual(await here.byLauncher({ words, environment }), once);
      deepStrictEqual(await here.byCommandLine({ words, environment }), once);
    }
    ok(await here.isServed({ words: ["run", here.launcher, "run", "x"], environment }));
  },
});

Deno.test({
  name: "a launcher whose words and environment are too long in sum says so, with status 126",
  ...skipUnless("gcc", hasCompiler),
  fn: async () => {
    const here = await world();
    const many = Array.from({ length: 15 }, (_, index) => `V${index}=${"x".repeat(131_000)}`);
    const start = (length: number) => {
      const rest = Array.from({ length: 2 }, (_, index) => `R${index}=${"y".repeat(length / 2)}`);
      const environment = [...many, ...rest];
      return here.start([here.launcher, "run", here.path("show"), "x"], { environment });
    };
    // The longest that the kernel takes for the launcher itself: 96 is the starter's own failure.
    let [fits, fails] = [0, 260_000];
    while (fails - fits > 16) {
      const middle = (fits + fails) >> 1;
      if ((await start(middle)).status === "96") fails = middle;
      else fits = middle;
    }
    const { status, out, err } = await start(fits);
    deepStrictEqual([status, out], ["126", ""]);
    match(err, /^mptcpize: Cannot start the command line: .* too long \(execve: E2BIG\)\n/);
    strictEqual((await start(fits - 2000)).status, "0");
  },
});

/** Registers QEMU for programs of aarch64 in a user namespace of its own (Linux 6.7 and newer). */
const BINFMT = `mount -t binfmt_misc none /proc/sys/fs/binfmt_misc &&
printf '%s' ':aarch64:M::\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00:\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff:/usr/bin/qemu-aarch64:F' >/proc/sys/fs/binfmt_misc/register &&
exec "$@"`;

function inQemu(...words: string[]): Deno.Command {
  return new Deno.Command("unshare", {
    args: ["-U", "-r", "-m", "sh", "-c", BINFMT, "sh", ...words],
    clearEnv: true,
    env: { PATH: "/usr/bin:/bin", QEMU_LD_PREFIX: "/usr/aarch64-linux-gnu", A: "1" },
    stderr: "null",
  });
}

function qemuWorks(): boolean {
  return Deno.build.arch === "x86_64" && commandExists("qemu-aarch64") &&
    commandExists("aarch64-linux-gnu-gcc") && hasCompiler && inQemu("true").outputSync().success;
}

Deno.test({
  name: "the launcher for aarch64 serves and hands over as well",
  // For others than root the launcher asks for file capabilities, which QEMU answers otherwise.
  ...skipUnlessAll(
    skipUnless("root", isRoot()),
    skipUnless("qemu-user with binfmt_misc in a user namespace", qemuWorks),
  ),
  fn: async () => {
    const here = await world();
    const folder = `${here.root}/aarch64`;
    const library = `${folder}/lib/aarch64/libmptcpize.so`;
    Deno.mkdirSync(`${folder}/lib/aarch64`, { recursive: true });
    Deno.copyFileSync(`${ROOT}preload/lib/aarch64/libmptcpize.so`, library);
    Deno.copyFileSync(`${here.root}/telling/deno`, `${folder}/deno`);
    Deno.writeTextFileSync(`${folder}/mptcpize.js`, "");
    const own = `${folder}/mptcpize`;
    Deno.writeFileSync(
      own,
      fillLauncher(Deno.readFileSync(`${ROOT}launcher/bin/aarch64/mptcpize`), folder),
      {
        mode: 0o755,
      },
    );
    for (const [name, flags] of [["show", []], ["static", ["-static"]]] as const) {
      const { success } = await new Deno.Command("aarch64-linux-gnu-gcc", {
        args: [...flags, "-o", `${folder}/${name}`, `${ROOT}tests/launcher/programs/show.c`],
      }).output();
      ok(success);
    }
    const out = async (...words: string[]) =>
      new TextDecoder().decode((await inQemu(own, "run", ...words).output()).stdout);
    const shown = await out("-d", `${folder}/show`, "x");
    match(shown, /^word 78$/m);
    // QEMU hands the environment over in an order of its own; the shell before it sets PWD.
    deepStrictEqual(entries(shown).filter((entry) => !entry.startsWith("PWD=")).sort(), [
      "A=1",
      "GODEBUG=multipathtcp=1",
      `LD_PRELOAD=${library}`,
      "MPTCPIZE_DEBUG=1",
      "PATH=/usr/bin:/bin",
      "QEMU_LD_PREFIX=/usr/aarch64-linux-gnu",
    ]);
    strictEqual(await out(`${folder}/static`), HANDED_OVER);
    strictEqual(await out(here.path("show")), HANDED_OVER);
    strictEqual(await out("--method=preload", `${folder}/show`), HANDED_OVER);
  },
});
