/**
 * Data bases.
 *
 * @module
 */

import { strict as assert } from "node:assert";
import { type App, assertSameBytes } from "./app.ts";

const POSTGRES = "/usr/lib/postgresql/15/bin";
/** `postgres` refuses to be root; the one that becomes it is forced as root, as a unit would. */
const AS_POSTGRES = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"];

/** The apps of this file. */
export const DATABASE_APPS: readonly App[] = [
  {
    name: "redis",
    needs: ["redis-server", "redis-cli", "redis-benchmark"],
    async play(scene) {
      const payload = scene.payload();
      const port = `${scene.port()}`;
      const server = ["--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", scene.folder];
      await scene.start(Number(port), ["redis-server", ...server]);
      const cli = ["redis-cli", "-h", "127.0.0.1", "-p", port];
      await scene.run([...cli, "-x", "set", "key"], { stdin: payload });
      const { stdout } = await scene.run([...cli, "--raw", "get", "key"]);
      assertSameBytes(stdout.subarray(0, -1), payload);
      const benchmark = ["redis-benchmark", "-h", "127.0.0.1", "-p", port];
      const { text } = await scene.run([...benchmark, "-q", "-n", "2000", "-c", "20", "-t", "get"]);
      assert.match(text, /GET: [\d.]+ requests per second/);
    },
  },
  {
    name: "postgresql",
    needs: [`${POSTGRES}/initdb`, `${POSTGRES}/postgres`, "psql", "setpriv"],
    async play(scene) {
      const [port, data] = [`${scene.port()}`, scene.path("data")];
      await scene.run(["install", "-d", "-o", "postgres", data], { force: false });
      const initdb = ["initdb", "-D", data, "-A", "trust", "-N", "--no-instructions"];
      await scene.run([...AS_POSTGRES, `${POSTGRES}/${initdb[0]}`, ...initdb.slice(1)], {
        force: false,
      });
      const settings = [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "fsync=off",
        "tcp_user_timeout=5000",
        "tcp_keepalives_idle=30",
      ].flatMap((setting) => ["-c", setting]);
      const postgres = [`${POSTGRES}/postgres`, "-D", data, "-p", port, ...settings];
      const server = await scene.start(Number(port), [...AS_POSTGRES, ...postgres]);
      const target = `host=127.0.0.1 port=${port} user=postgres tcp_user_timeout=3000`;
      const psql = async (query: string) =>
        (await scene.run(["psql", target, "-XAtc", query])).text.trim();
      const digits = await psql("select repeat('0123456789', 100000)");
      assert.ok(digits === "0123456789".repeat(100_000), "a million digits arrive");
      assert.equal(await psql("show tcp_user_timeout"), "5000");
      assert.doesNotMatch(server.output(), /failed|FATAL|PANIC/);
    },
  },
];
