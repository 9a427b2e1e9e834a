/**
 * That `sockets --unit` finds all sockets of a unit of systemd's.
 *
 * @module
 */

import { deepStrictEqual, match, strictEqual } from "node:assert";
import type { SeenSocket } from "../../mod.ts";
import { skipUnless } from "../skip.ts";

const CLI = new URL("../../cli/mptcpize.ts", import.meta.url).pathname;

/** Listens in two processes of one service, which is ready when both do. */
const SERVICE = `import os, socket, time
os.fork()
listener = socket.socket(); listener.bind(("127.0.0.1", 0)); listener.listen()
time.sleep(600)`;

for (const user of [false, true]) {
  Deno.test({
    name: `sockets --unit lists those of all processes of a ${user ? "user's" : "system's"} unit`,
    ...skipUnless("the kernel lab", Deno.env.has("MPTCPIZE_LAB"), "`deno task lab`"),
    fn: async () => {
      const unit = `mptcpize-test-${Deno.pid}.service`;
      const scope = user ? ["--user"] : [];
      const env = { XDG_RUNTIME_DIR: "/run/user/0", NO_COLOR: "1" };
      const start = async (program: string, ...args: string[]) => {
        const { code, stdout, stderr } = await new Deno.Command(program, { args, env }).output();
        const text = new TextDecoder();
        return { code, out: text.decode(stdout), err: text.decode(stderr) };
      };
      const look = (...words: string[]) =>
        start(Deno.execPath(), "run", "-qA", CLI, "sockets", ...scope, "--unit", ...words);
      // The user's manager runs while this unit of the system's does.
      if (user) strictEqual((await start("systemctl", "start", "user@0.service")).code, 0);
      const name = unit.replace(".service", "");
      const words = [...scope, `--unit=${unit}`, "python3", "-c", SERVICE];
      strictEqual((await start("systemd-run", ...words)).code, 0);
      try {
        const deadline = performance.now() + 60_000;
        let found: readonly SeenSocket[] = [];
        while (found.length < 2 && performance.now() < deadline) {
          const { code, out, err } = await look(name, "--json");
          strictEqual(code, 0, err);
          found = JSON.parse(out).sockets;
        }
        deepStrictEqual(
          found.map(({ state, verdict, owners }) => [state, verdict, owners.length]),
          [["LISTEN", "tcp", 1], ["LISTEN", "tcp", 1]],
        );
        match((await look(name)).out, new RegExp(`^${name}: 2 sockets \\(2 TCP\\)$`, "m"));
      } finally {
        await start("systemctl", ...scope, "stop", unit);
      }
      const stopped = await look(name);
      strictEqual(stopped.code, 1);
      match(stopped.err, /there is no such unit|it does not run/);
    },
  });
}
