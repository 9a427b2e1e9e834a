/**
 * In an empty Debian: no compiler, no checkout, no Deno; as root and as a user, and gone again.
 *
 * @module
 */

import { deepStrictEqual, match, strictEqual } from "node:assert";
import { applyInstall, collectFiles, planInstall } from "../../install/mod.ts";
import { CACHE, exists } from "../apps/build.ts";
import { commandExists, isRoot, skipUnless } from "../skip.ts";
import { readTree } from "./tree.ts";

/** Made once, by `mmdebstrap --variant=essential --format=tar`: what Debian calls essential, no more. */
const TAR = `${CACHE}/debian-12-essential.tar`;

/** Runs a command; it must succeed. */
async function run(...words: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(words[0]!, {
    args: words.slice(1),
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  strictEqual(success, true, `${words.join(" ")}: ${text(stdout)}${text(stderr)}`);
  return text(stdout);
}

async function makeTar(): Promise<void> {
  if (exists(TAR)) return;
  Deno.mkdirSync(CACHE, { recursive: true });
  await run(
    "mmdebstrap",
    "--quiet",
    "--variant=essential",
    "--format=tar",
    "bookworm",
    `${TAR}.new`,
  );
  Deno.renameSync(`${TAR}.new`, TAR);
}

Deno.test({
  name: "an installation in an empty Debian works for root and for a user, and leaves no trace",
  ...skipUnless("mmdebstrap", commandExists("mmdebstrap") && isRoot()),
  fn: async () => {
    await makeTar();
    const folder = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "mptcpize-debian-" }));
    const root = `${folder}/root`;
    try {
      Deno.mkdirSync(root);
      await run("tar", "-xf", TAR, "-C", root, "--exclude=./dev/*");
      Deno.mkdirSync(`${root}/home/user`);
      Deno.chownSync(`${root}/home/user`, 1000, 1000);

      // What a package would bring: another installation, with nothing to bundle any more.
      const places = { prefix: `${folder}/p`, folder: `${folder}/p/lib/mptcpize` };
      await applyInstall(await planInstall(places, "0.0.0", await collectFiles(places, {})));
      const inside = (uid: string, script: string) => {
        const chroot = 'mount --bind /dev "$1/dev" && mount -t proc none "$1/proc" && ' +
          'exec chroot --userspec="$2" "$1" env -i HOME="$3" PATH=/usr/local/bin:/usr/bin:/bin sh -euc "$4"';
        const home = uid === "0:0" ? "/root" : "/home/user";
        return run("unshare", "-m", "sh", "-euc", chroot, "sh", root, uid, home, script);
      };
      const before = readTree(root);
      for (
        const { uid, install, own, library } of [
          {
            uid: "0:0",
            install: "install",
            own: "mptcpize",
            library: "/usr/lib/mptcpize/lib",
          },
          {
            uid: "1000:1000",
            install: "install --user",
            own: "/home/user/.local/bin/mptcpize",
            library: "/home/user/.local/lib/mptcpize/lib",
          },
        ]
      ) {
        await run("cp", "-r", places.folder, `${root}/opt/package`);
        await inside(
          uid,
          `DENO_DIR=/dev/null /opt/package/deno run -qA /opt/package/mptcpize.js ${install}`,
        );
        Deno.removeSync(`${root}/opt/package`, { recursive: true });

        const shown = await inside(uid, `${own} run sh -c 'echo $LD_PRELOAD; ulimit -Sn'`);
        const handed = await inside(
          uid,
          `${own} run --method=auto sh -c 'echo $LD_PRELOAD; ulimit -Sn'`,
        );
        strictEqual(handed, shown);
        match(shown, new RegExp(`^${library}/\\w+/libmptcpize\\.so\n`));
        match(await inside(uid, `${own} explain sh`), /preload +yes/);
        match(await inside(uid, `${own} run perl -e 'print "perl"'`), /^perl$/);
        strictEqual(
          await inside(uid, `${own} run no-such-program 2>/dev/null || echo $?`),
          "127\n",
        );
        await inside(uid, `${own} uninstall`);
        deepStrictEqual(readTree(root), before, uid);
      }
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});
