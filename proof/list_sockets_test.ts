import { deepStrictEqual, ok, strictEqual, throws } from "node:assert";
import { NotFoundError } from "../errors.ts";
import { readProcessSockets } from "../inspect/mod.ts";
import { hasMptcp, startHolder } from "../tests/live_sockets.ts";
import { skipUnless } from "../tests/skip.ts";
import { listSockets } from "./list_sockets.ts";

Deno.test({
  name: "listSockets() agrees with the descriptors about every kind of socket",
  ...skipUnless("MPTCP", hasMptcp),
  fn: async () => {
    await using holder = await startHolder();
    const { sockets, unseen } = listSockets({ pid: holder.pid });
    const told = readProcessSockets(holder.pid).sockets;
    strictEqual(unseen, 0);
    deepStrictEqual(
      sockets.map(({ inode }) => inode).sort(),
      told.map(({ inode }) => inode).sort(),
    );
    for (const socket of sockets) {
      const own = told.find(({ inode }) => inode === socket.inode);
      strictEqual(socket.verdict, own?.verdict);
      strictEqual(socket.disagreement, undefined);
      deepStrictEqual(socket.owners[0]?.fds, own?.fds);
      strictEqual(socket.reasons.length > 0, socket.verdict !== "mptcp", JSON.stringify(socket));
    }
    const code = (name: string) =>
      sockets.find(({ owners }) => owners[0]?.fds.includes(holder.fds[name] ?? -1))?.reasons[0]
        ?.code;
    strictEqual(code("v4 fallback"), "answered-as-tcp");
    strictEqual(code("v6 fallback"), "answered-as-tcp");
    strictEqual(code("v4 acceptedTcp"), "answered-as-tcp");
    strictEqual(code("v4 tcp"), "not-forced");
    strictEqual(code("v4 tcpListener"), "not-forced");

    const all = listSockets({ all: true }).sockets;
    for (const { inode } of sockets) ok(all.some((socket) => socket.inode === inode));
  },
});

Deno.test("listSockets() says that there is no such process or cgroup", () => {
  throws(() => listSockets({ pid: 0x7ffffffe }), NotFoundError);
  throws(() => listSockets({ cgroup: "/no/such.slice" }), NotFoundError);
});
