import { deepStrictEqual, ok, strictEqual } from "node:assert";
import { readCommand, readSocketFds, readSocketOwners } from "./socket_owners.ts";
import { readDiagSockets } from "./sock_diag.ts";

Deno.test("readSocketOwners() finds this process as the owner of its listener", () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { inode } = readDiagSockets({ localPort: listener.addr.port }).tcp[0]!;
  const { byInode } = readSocketOwners([Deno.pid]);
  const [owner] = byInode.get(inode) ?? [];
  strictEqual(owner?.pid, Deno.pid);
  strictEqual(owner?.command, readCommand(Deno.pid));
  ok((owner?.fds.length ?? 0) === 1);
  ok(readSocketOwners().byInode.has(inode));
});

Deno.test("readSocketFds() gives no socket, and no error, when the process is not there", () => {
  deepStrictEqual(readSocketFds(0x7fffffff), new Map());
  strictEqual(readCommand(0x7fffffff), "");
  deepStrictEqual(readSocketOwners([0x7fffffff]), { byInode: new Map(), unreadable: 0 });
});
