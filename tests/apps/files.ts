/**
 * Apps that move files: daemons with a protocol of their own.
 *
 * @module
 */

import { type App, assertSameBytes } from "./app.ts";

/** The apps of this file. */
export const FILE_APPS: readonly App[] = [
  {
    name: "rsync",
    needs: ["rsync"],
    async play(scene) {
      const payload = scene.payload();
      const port = `${scene.port()}`;
      const config = scene.write(
        "rsyncd.conf",
        `use chroot = no\nuid = nobody\ngid = nogroup\n[files]\npath = ${scene.folder}\n`,
      );
      const daemon = ["--daemon", "--no-detach", `--config=${config}`, "--address=127.0.0.1"];
      await scene.start(Number(port), ["rsync", ...daemon, `--port=${port}`]);
      const source = `rsync://127.0.0.1:${port}/files/payload`;
      await scene.run(["rsync", "--times", source, scene.path("copy")]);
      assertSameBytes(Deno.readFileSync(scene.path("copy")), payload);
    },
  },
  {
    name: "git",
    needs: ["git"],
    async play(scene) {
      const git = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org"];
      const repository = scene.path("repository");
      await scene.run([...git, "init", "-q", repository], { force: false });
      const payload = scene.payload("repository/payload");
      const inside = { force: false, cwd: repository } as const;
      await scene.run([...git, "add", "payload"], inside);
      await scene.run([...git, "commit", "-qm", "Add the payload"], inside);
      const port = scene.port();
      const daemon = ["--export-all", `--base-path=${scene.folder}`, "--listen=127.0.0.1"];
      await scene.start(port, ["git", "daemon", ...daemon, `--port=${port}`]);
      const clone = ["clone", "-q", `git://127.0.0.1:${port}/repository`, scene.path("clone")];
      await scene.run(["git", ...clone]);
      assertSameBytes(Deno.readFileSync(scene.path("clone/payload")), payload);
    },
  },
];
