/**
 * Programs that these tests compile: C libraries and languages that make their sockets otherwise.
 *
 * @module
 */

import { type App, assertSameBytes } from "./app.ts";
import { buildC, buildGo, buildRust, GO, RUSTC } from "./build.ts";
import type { ProgramOptions } from "./program.ts";
import type { Scene } from "./scene.ts";

/** Serves a file by a program of ours and fetches it by the same. */
async function transfer(scene: Scene, path: string, options: ProgramOptions = {}): Promise<void> {
  const payload = scene.payload();
  const port = scene.port();
  await scene.start(port, [path, "serve", `${port}`, scene.path("payload")], options);
  assertSameBytes((await scene.run([path, "fetch", `${port}`], options)).stdout, payload);
}

/** An app that `run` refuses, and that works as TCP where `--method preload` insists. */
function refused(
  name: string,
  needs: readonly string[],
  build: (scene: Scene) => Promise<string>,
  reason: RegExp,
  ways: RegExp,
): App {
  return {
    name,
    needs,
    sides: { client: "TCP", server: "TCP" },
    async play(scene) {
      const path = await build(scene);
      await scene.refuse([path, "fetch", "1"], reason, ways);
      await transfer(scene, path, { force: { method: "preload" }, warning: /stays TCP: / });
    },
  };
}

const STATIC = /^mptcpize: Cannot force \S+: it is statically linked/;

/** The apps of this file. */
export const NATIVE_APPS: readonly App[] = [
  {
    name: "a dynamic musl program",
    needs: ["musl-gcc"],
    play: async (scene) => transfer(scene, await buildC(scene, "transfer.c", ["musl-gcc"])),
  },
  {
    name: "a Rust program that sets TTLs",
    needs: [RUSTC],
    play: async (scene) => transfer(scene, await buildRust(scene)),
  },
  {
    name: "a Go 1.23 program",
    needs: [GO["1.23"]],
    play: async (scene) => transfer(scene, await buildGo(scene, "1.23")),
  },
  refused(
    "a static musl program",
    ["musl-gcc"],
    (scene) => buildC(scene, "transfer.c", ["musl-gcc", "-static"]),
    STATIC,
    /dynamically linked build.*--method preload/,
  ),
  refused(
    "a Go 1.19 program",
    [GO["1.19"]],
    (scene) => buildGo(scene, "1.19"),
    /^mptcpize: Cannot force \S+: it was built with go1\.19\.\d+, and .* needs Go 1\.21/,
    /Go 1\.21 or newer.*--method preload/,
  ),
  {
    name: "busybox-static",
    needs: ["/bin/busybox"],
    sides: { client: "TCP", server: "TCP" },
    async play(scene) {
      const busybox = "/bin/busybox";
      await scene.refuse(
        [busybox, "wget", "-qO-", "http://127.0.0.1:1/"],
        STATIC,
        /--method preload/,
      );
      const payload = scene.payload();
      const port = scene.port();
      const options = { force: { method: "preload" }, warning: /stays TCP: / } as const;
      const httpd = [busybox, "httpd", "-f", "-p", `127.0.0.1:${port}`, "-h", scene.folder];
      await scene.start(port, httpd, options);
      const wget = [busybox, "wget", "-qO-", `http://127.0.0.1:${port}/payload`];
      assertSameBytes((await scene.run(wget, options)).stdout, payload);
    },
  },
];
