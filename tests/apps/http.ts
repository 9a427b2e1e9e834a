/**
 * Apps that speak HTTP.
 *
 * @module
 */

import { strict as assert } from "node:assert";
import { type App, assertSameBytes, program, PYTHON } from "./app.ts";
import { ESBUILD } from "./build.ts";
import type { Scene } from "./scene.ts";

/** Serves the scene's folder with python3's http.server. */
async function servePython(scene: Scene, address = "127.0.0.1"): Promise<number> {
  const port = scene.port();
  const words = ["-m", "http.server", "--bind", address, "--directory", scene.folder, `${port}`];
  await scene.start(port, [PYTHON, ...words]);
  return port;
}

const NGINX = (folder: string, files: number, proxy: number) => `
pid ${folder}/nginx.pid;
error_log stderr warn;
worker_processes 2;
daemon off;
events {}
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  sendfile on;
  tcp_nopush on;
  server {
    listen 127.0.0.1:${files} reuseport deferred fastopen=16 so_keepalive=30s:5s:3;
    root ${folder};
  }
  server {
    listen [::1]:${proxy};
    location / { proxy_pass http://127.0.0.1:${files}; }
  }
}
`;

/** The user ids of a process's children. */
function childUsers(pid: number): number[] {
  const children = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim().split(" ");
  return children.map((child) =>
    Number(/^Uid:\s+(\d+)/m.exec(Deno.readTextFileSync(`/proc/${child}/status`))?.[1])
  );
}

/** Serves two megabytes by a script and fetches them by another, `serve(port)` and `fetch(url)`. */
function scripted(
  name: string,
  interpreter: readonly string[],
  server: string,
  client: string,
): App {
  return {
    name,
    needs: [interpreter[0]!],
    async play(scene) {
      const payload = scene.payload();
      const port = scene.port();
      await scene.start(port, [...interpreter, server, `${port}`, scene.path("payload")]);
      for (const round of ["first", "second"]) {
        const url = `http://127.0.0.1:${port}/${round}`;
        const { stdout } = await scene.run([...interpreter, client, url]);
        assertSameBytes(stdout, payload);
      }
    },
  };
}

/** The apps of this file. */
export const HTTP_APPS: readonly App[] = [
  {
    name: "curl",
    needs: ["curl", PYTHON],
    async play(scene) {
      const payload = scene.payload();
      const port = await servePython(scene);
      const url = `http://127.0.0.1:${port}/payload`;
      const { stdout } = await scene.run(["curl", "-sS", "--fail", url, "--next", "-sSI", url]);
      assertSameBytes(stdout.subarray(0, payload.length), payload);
    },
  },
  {
    name: "wget",
    needs: ["wget", PYTHON],
    async play(scene) {
      const payload = scene.payload();
      const port = await servePython(scene, "::1");
      const { stdout } = await scene.run(["wget", "-nv", "-O-", `http://[::1]:${port}/payload`]);
      assertSameBytes(stdout, payload);
    },
  },
  {
    name: "python3",
    needs: [PYTHON],
    async play(scene) {
      const payload = scene.payload();
      for (const address of ["127.0.0.1", "::1"]) {
        const port = await servePython(scene, address);
        const host = address.includes(":") ? `[${address}]` : address;
        const script = "import sys, urllib.request as u; " +
          "sys.stdout.buffer.write(u.urlopen(sys.argv[1]).read())";
        const url = `http://${host}:${port}/payload`;
        assertSameBytes((await scene.run([PYTHON, "-c", script, url])).stdout, payload);
      }
    },
  },
  {
    name: "nginx",
    needs: ["nginx", "curl"],
    async play(scene) {
      const payload = scene.payload();
      const [files, proxy] = [scene.port(), scene.port()];
      const config = scene.write("nginx.conf", NGINX(scene.folder, files, proxy));
      const nginx = await scene.start(proxy, ["nginx", "-c", config, "-e", "stderr"]);
      const { stdout } = await scene.run([
        "curl",
        "-sS",
        "--fail",
        `http://[::1]:${proxy}/payload`,
      ]);
      assertSameBytes(stdout, payload);
      assert.ok(childUsers(nginx.pid).every((user) => user > 0), "the workers have dropped root");
      assert.doesNotMatch(nginx.output(), /\[(warn|error|crit|alert|emerg)\]/);
    },
  },
  scripted("node", ["node"], program("node_server.cjs"), program("node_client.mjs")),
  scripted(
    "deno",
    [Deno.execPath(), "run", "-qA", "--no-config"],
    program("deno_server.ts"),
    program("deno_client.ts"),
  ),
  {
    name: "esbuild",
    needs: [ESBUILD, "curl"],
    async play(scene) {
      const payload = scene.payload();
      const port = scene.port();
      // Without the watch it ends when its standard input does.
      const serve = [`--serve=127.0.0.1:${port}`, `--servedir=${scene.folder}`, "--watch=forever"];
      await scene.start(port, [ESBUILD, ...serve]);
      const { stdout } = await scene.run(["curl", "-sS", `http://127.0.0.1:${port}/payload`]);
      assertSameBytes(stdout, payload);
    },
  },
  scripted("java", ["java"], program("Server.java"), program("Client.java")),
];
