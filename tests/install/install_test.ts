/**
 * Installing and uninstalling for real: the tree afterwards is the tree before, byte for byte.
 *
 * @module
 */

import { deepStrictEqual, match, ok, strictEqual } from "node:assert";
import { commandExists, isRoot, skipUnless, skipUnlessAll } from "../skip.ts";
import { readTree } from "./tree.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const STOP = new URL("./stop_at_step.ts", import.meta.url).pathname;
/** What of a checkout an installation needs. */
const PARTS = [
  ...[
    "bpf",
    "cli",
    "features",
    "ffi",
    "force",
    "inspect",
    "install",
    "launcher",
    "patch",
    "preload",
    "bpf",
    "systemd",
    "program",
    "proof",
    "systemd",
  ],
  ...["scripts", "mod.ts", "errors.ts", "deno.json"],
];

interface Result {
  readonly status: string;
  readonly out: string;
  readonly err: string;
}

async function run(words: readonly string[], options: Deno.CommandOptions = {}): Promise<Result> {
  const output = await new Deno.Command(words[0]!, {
    args: words.slice(1),
    stdin: "null",
    ...options,
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return {
    status: output.signal ?? String(output.code),
    out: text(output.stdout),
    err: text(output.stderr),
  };
}

/** Runs it, and gives what it printed; it must succeed. */
async function succeed(words: readonly string[], options?: Deno.CommandOptions): Promise<string> {
  const { status, out, err } = await run(words, options);
  strictEqual(status, "0", `${words.join(" ")}: ${err}`);
  return out;
}

/** A folder with a copy of this checkout and of Deno, as npx would have it, in it. */
async function inWorld(
  test: (world: { root: string; checkout: string; npx: string; cli: string[] }) => Promise<void>,
): Promise<void> {
  const root = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "mptcpize-world-" }));
  const [checkout, npx] = [`${root}/checkout`, `${root}/npx`];
  try {
    Deno.chmodSync(root, 0o755);
    Deno.mkdirSync(checkout);
    Deno.mkdirSync(npx);
    await succeed(["cp", "-r", ...PARTS.map((part) => ROOT + part), checkout]);
    await succeed(["cp", Deno.execPath(), `${npx}/deno`]);
    const cli = [`${npx}/deno`, "run", "-qA", `${checkout}/cli/mptcpize.ts`];
    await test({ root, checkout, npx, cli });
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

Deno.test("an installation works without checkout and Deno, and leaves nothing when it goes", async () => {
  await inWorld(async ({ root, checkout, npx, cli }) => {
    Deno.mkdirSync(`${root}/there/share`, { recursive: true });
    Deno.writeTextFileSync(`${root}/there/share/mine`, "mine");
    const before = readTree(`${root}/there`);
    const prefix = `${root}/there/prefix`;
    const dry = await succeed([...cli, "install", "--prefix", prefix, "--dry-run"]);
    match(dry, /write +\S+\/prefix\/bin\/mptcpize\n/);
    deepStrictEqual(readTree(`${root}/there`), before);
    match(await succeed([...cli, "install", "--prefix", prefix]), /is installed: \S+bin\/mptcpize/);
    Deno.removeSync(checkout, { recursive: true });
    Deno.removeSync(npx, { recursive: true });

    const own = `${prefix}/bin/mptcpize`;
    const library = `${prefix}/lib/mptcpize/lib/${Deno.build.arch}/libmptcpize.so`;
    // Where bpf/object.ts looks beside the one file.
    deepStrictEqual(
      Deno.readFileSync(`${prefix}/lib/mptcpize/lib/mptcpify.bpf.o`),
      Deno.readFileSync(new URL("../../bpf/lib/mptcpify.bpf.o", import.meta.url)),
    );
    const options = { clearEnv: true, env: { PATH: "/usr/bin:/bin", HOME: `${root}/home` } };
    match(await succeed([own, "--version"], options), /^mptcpize \d/);
    const shown = await succeed([own, "run", "sh", "-c", "echo $LD_PRELOAD $GODEBUG"], options);
    strictEqual(shown, `${library} multipathtcp=1\n`);
    const handed = await succeed([own, "run", "--method=preload", "env"], options);
    deepStrictEqual(handed.trim().split("\n").sort(), [
      `HOME=${root}/home`,
      `LD_PRELOAD=${library}`,
      "PATH=/usr/bin:/bin",
    ]);
    match(await succeed([own, "explain", "sh"], options), new RegExp(`LD_PRELOAD=${library}`));
    strictEqual((await run([own, "run", "no-such-program"], options)).status, "127");

    // An installation is a package itself.
    await succeed([own, "install", "--prefix", `${root}/there/second`], options);
    const second = `${root}/there/second/bin/mptcpize`;
    match(
      await succeed([second, "run", "sh", "-c", "echo $LD_PRELOAD"], options),
      /\/second\/lib\/mptcpize\/lib\/\w+\/libmptcpize\.so\n/,
    );
    const json = JSON.parse(
      await succeed([second, "install", "--json", "--prefix", prefix], options),
    );
    deepStrictEqual([json.written, json.done, json.before], [[], true, json.version]);
    await succeed([second, "uninstall"], options);
    match(await succeed([own, "uninstall", "--dry-run"], options), /would be removed/);
    await succeed([own, "uninstall"], options);
    deepStrictEqual(readTree(`${root}/there`), before);
  });
});

Deno.test({
  name: "an installation says on a terminal what it says elsewhere, and nothing of its Deno",
  ...skipUnless("script (bsdutils)", commandExists("script")),
  fn: () =>
    inWorld(async ({ root, cli }) => {
      await succeed([...cli, "install", "--prefix", `${root}/prefix`]);
      const own = `${root}/prefix/bin/mptcpize`;
      const options = { clearEnv: true, env: { PATH: "/usr/bin:/bin", HOME: `${root}/home` } };
      const elsewhere = await succeed([own, "--version"], options);
      const words = ["script", "-qec", `${own} --version`, "/dev/null"];
      strictEqual(await succeed(words, options), elsewhere.replace("\n", "\r\n"));
    }),
});

Deno.test({
  name: "install --user needs no root, whatever the umask, and says so without it",
  ...skipUnless("root", isRoot()),
  fn: async () => {
    await inWorld(async ({ root, cli }) => {
      const home = `${root}/home`;
      Deno.mkdirSync(home);
      Deno.chownSync(home, 1000, 1000);
      const user = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"];
      const options = { clearEnv: true, env: { PATH: "/usr/bin:/bin", HOME: home }, cwd: home };
      const before = readTree(home);
      // Its command line is one file already: the user needs nothing from npm.
      await succeed([...cli, "install", "--prefix", `${root}/first`]);
      const first = `${root}/first/bin/mptcpize`;
      const closed = await run([...user, first, "install"], options);
      strictEqual(closed.status, "1");
      match(closed.err, /^mptcpize: Cannot install to \/usr\/lib\/mptcpize: .*ermission denied/);
      match(closed.err, /hint: nothing was changed; `mptcpize install --user` needs no root\n$/);

      const umask = ["sh", "-c", 'umask 077; exec "$@"', "sh"];
      await succeed([...user, ...umask, first, "install", "--user"], options);
      const own = `${home}/.local/bin/mptcpize`;
      const environment = await succeed([...user, own, "run", "env"], options);
      match(environment, /^LD_PRELOAD=\S+\/\.local\/lib\/mptcpize\/lib\/\w+\/libmptcpize\.so$/m);
      for (const [path, entry] of Object.entries(readTree(`${home}/.local`))) {
        match(entry, /^(folder 755|file (755|644) )/, path);
      }
      // Root does not remove what a list of somebody else names.
      const byRoot = await run([own, "uninstall", "--prefix", `${home}/.local`], options);
      strictEqual(byRoot.status, "1");
      match(byRoot.err, /its list is not to be trusted: \S+ belongs to user 1000\n/);
      await succeed([...user, own, "uninstall", "--user"], options);
      deepStrictEqual(readTree(home), before);
    });
  },
});

Deno.test({
  name: "install fails without a trace where the target is read-only",
  ...skipUnlessAll(
    skipUnless("root", isRoot()),
    skipUnless("mount", commandExists("mount") && commandExists("unshare")),
  ),
  fn: async () => {
    await inWorld(async ({ root, cli }) => {
      const prefix = `${root}/target`;
      Deno.mkdirSync(prefix);
      const mount = `mount --bind ${prefix} ${prefix} && mount -o remount,bind,ro ${prefix}`;
      const script = `${mount} && exec "$@"`;
      const words = ["unshare", "-m", "sh", "-c", script, "sh", ...cli];
      const { status, err } = await run([...words, "install", "--prefix", prefix]);
      strictEqual(status, "1");
      match(
        err,
        /^mptcpize: Cannot install to \S+: .*[Rr]ead-only.*\n\nhint: nothing was changed\n$/,
      );
      deepStrictEqual(readTree(prefix), { "": "folder 755" });
    });
  },
});

Deno.test({
  name: "install names the package whose file is in the way",
  ...skipUnless("mptcpize of Debian", () => {
    try {
      return Deno.readTextFileSync("/var/lib/dpkg/info/mptcpize.list").includes("/bin/mptcpize");
    } catch {
      return false;
    }
  }, "as root: `deno task setup`"),
  fn: async () => {
    await inWorld(async ({ cli }) => {
      const { status, err } = await run([...cli, "install", "--prefix", "/usr", "--dry-run"]);
      strictEqual(status, "1");
      match(err, /Cannot install \/usr\/bin\/mptcpize: .* it belongs to the package mptcpize\n/);
    });
  },
});

/** Each change, and what is there before it. */
const CHANGES: readonly (readonly [before: string | undefined, change: string])[] = [
  [undefined, "1"],
  ["1", "2"],
  ["1", "none"],
];

for (const [before, change] of CHANGES) {
  Deno.test(`a change from ${before ?? "nothing"} to ${change} killed at any step can be undone`, async () => {
    let steps = 0;
    for (let limit = 1;; limit++) {
      const root = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "mptcpize-killed-" }));
      try {
        const tree = readTree(root);
        const stop = (version: string, step: number) =>
          run([Deno.execPath(), "run", "-qA", STOP, `${root}/p`, version, String(step)]);
        if (before !== undefined) strictEqual((await stop(before, 0)).status, "0");
        const { status, err } = await stop(change, limit);
        if (status === "0") break;
        strictEqual(status, "SIGKILL", err);
        steps++;
        // In turn: taken away at once, or installed over and then taken away.
        if (limit % 2 === 0) strictEqual((await stop("2", 0)).status, "0");
        const last = await stop("none", 0);
        ok(last.status === "0" || /there is no installation/.test(last.err), last.err);
        deepStrictEqual(readTree(root), tree, `killed at step ${limit}`);
      } finally {
        Deno.removeSync(root, { recursive: true });
      }
    }
    ok(steps > 8, `${steps} steps`);
  });
}

Deno.test({
  name: "the manual page of an installation has no fault that man(1) knows",
  ...skipUnless("man-db", commandExists("man")),
  fn: async () => {
    const { manualPage } = await import("../../cli/manual.ts");
    const file = Deno.makeTempFileSync({ suffix: ".1" });
    try {
      Deno.writeTextFileSync(file, manualPage("1.2.3"));
      const { status, out, err } = await run(["man", "--warnings", "-P", "cat", "-l", file], {
        env: { MANWIDTH: "80", LC_ALL: "C.UTF-8" },
      });
      deepStrictEqual([status, err], ["0", ""]);
      match(out, /mptcpize\s+run/);
    } finally {
      Deno.removeSync(file);
    }
  },
});
