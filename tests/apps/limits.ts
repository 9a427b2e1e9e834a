/**
 * What mptcpize cannot reach, or must not pretend: refused with the reason, or visibly plain TCP.
 *
 * @module
 */

import { strict as assert } from "node:assert";
import { type App, assertSameBytes, PYTHON } from "./app.ts";
import { buildC } from "./build.ts";
import type { Scene } from "./scene.ts";

/** Becomes nobody, who yet can read this checkout and Deno, if they are in root's home. */
const NOBODY = [
  ...["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
  ...["--inh-caps=+dac_override", "--ambient-caps=+dac_override"],
];
const TCP = { client: "TCP", server: "TCP" } as const;

/** Serves the scene's payload by a forced C program. */
async function serve(scene: Scene): Promise<string> {
  const path = await buildC(scene, "transfer.c", ["gcc"]);
  const port = scene.port();
  await scene.start(port, [path, "serve", `${port}`, scene.path("payload")]);
  return `${port}`;
}

/** Copies a program, set-user-ID root, to where such programs may be; not so /tmp on many machines. */
function copySetUserId(program: string): { readonly path: string } & Disposable {
  const folder = Deno.makeTempDirSync({ dir: "/var/tmp", prefix: "mptcpize-app-" });
  const path = `${folder}/set_user_id`;
  Deno.chmodSync(folder, 0o755);
  Deno.copyFileSync(program, path);
  Deno.chmodSync(path, 0o4755);
  return { path, [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }) };
}

/** Whether the kernel makes a set-user-ID program's user its owner here, by trying. */
function honoursSetUserId(): boolean {
  if (Deno.uid() !== 0) return false;
  using copy = copySetUserId("/usr/bin/id");
  const [file, ...args] = [...NOBODY, copy.path, "-u"];
  const { stdout } = new Deno.Command(file!, { args, stderr: "null" }).outputSync();
  return new TextDecoder().decode(stdout) === "0\n";
}

/** The apps of this file. */
export const LIMIT_APPS: readonly App[] = [
  {
    name: "a set-user-ID program",
    needs: ["gcc", "setpriv"],
    feature: {
      name: "set-user-ID programs",
      present: honoursSetUserId,
      hint: "/var/tmp mounted without nosuid, and no no_new_privs",
    },
    sides: TCP,
    async play(scene) {
      const payload = scene.payload();
      const port = await serve(scene);
      using copy = copySetUserId(scene.path("transfer"));
      const { path } = copy;
      // mptcpize itself runs as nobody here, and compiles its own code to its own cache.
      Deno.mkdirSync(scene.path("deno"));
      Deno.chmodSync(scene.path("deno"), 0o777);
      const options = { before: NOBODY, env: { DENO_DIR: scene.path("deno") } };
      const reason = /^mptcpize: Cannot force \S+: it is set-user-ID \(owner 0\)/;
      await scene.refuse([path, "fetch", port], reason, /--method preload/, options);
      const { stdout } = await scene.run([path, "fetch", port], {
        ...options,
        force: { method: "preload" },
        warning: /stays TCP: it is set-user-ID/,
      });
      assertSameBytes(stdout, payload);
    },
  },
  {
    name: "a chain that clears the environment",
    needs: ["curl", PYTHON],
    sides: TCP,
    async play(scene) {
      const payload = scene.payload();
      const port = scene.port();
      const words = ["-m", "http.server", "--bind", "127.0.0.1", "--directory", scene.folder];
      await scene.start(port, [PYTHON, ...words, `${port}`]);
      const chain = `env -i curl -sS --fail http://127.0.0.1:${port}/payload`;
      assertSameBytes((await scene.run(["sh", "-c", chain])).stdout, payload);
    },
  },
  {
    name: "a program that asks for kernel TLS",
    needs: ["gcc"],
    async play(scene) {
      const payload = scene.payload();
      const port = await serve(scene);
      const path = await buildC(scene, "essential.c", ["gcc"]);
      const { text } = await scene.run([path, "ulp", port]);
      assert.match(text, scene.situation === "forced" ? /^refused: / : /^(refused: |set: really)/);
      if (text.startsWith("refused")) {
        assert.match(text, new RegExp(`^${payload.length} bytes$`, "m"));
      }
    },
  },
  {
    name: "a program that asks for TCP_MD5SIG",
    needs: ["gcc"],
    sides: TCP,
    async play(scene) {
      const path = await buildC(scene, "essential.c", ["gcc"]);
      const port = scene.port();
      await scene.start(port, [path, "md5-serve", `${port}`, "one key"], { listens: "TCP" });
      const fetch = [path, "md5-fetch", `${port}`];
      assert.equal((await scene.run([...fetch, "one key"])).text, "signed");
      await scene.run([...fetch, "another"], { code: 4 });
    },
  },
];
