import { deepStrictEqual, rejects, strictEqual, throws } from "node:assert";
import { NotFoundError, UsageError } from "../errors.ts";
import { parseSubject, readStatusOf } from "./status_subject.ts";

Deno.test("parseSubject() tells a process, a unit and a cgroup by their form", () => {
  for (
    const [word, systemd, kind, name] of [
      ["12", true, "process", "12"],
      ["012", true, "process", "12"],
      ["nginx", true, "unit", "nginx.service"],
      ["foo@1.service", true, "unit", "foo@1.service"],
      ["system.slice", true, "unit", "system.slice"],
      ["/system.slice", true, "cgroup", "/system.slice"],
      ["a/b", true, "cgroup", "a/b"],
      ["nginx", false, "cgroup", "nginx"],
    ] as const
  ) deepStrictEqual(parseSubject(word, systemd), { kind, name });
  for (const word of ["0", "4294967296", "", "a b"]) {
    throws(() => parseSubject(word, true), UsageError);
  }
});

Deno.test("readStatusOf() knows this process, whose sockets it counts", async () => {
  using _listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const status = await readStatusOf(String(Deno.pid));
  deepStrictEqual([status.kind, status.forced, status.processes], ["process", false, []]);
  strictEqual(status.sockets.tcp > 0, true);
  strictEqual(status.sockets.reasons[0]?.reason.code, "not-forced");
});

Deno.test("readStatusOf() refuses what is not there", async () => {
  await rejects(readStatusOf("2147483646"), NotFoundError);
  await rejects(readStatusOf("/no/such/cgroup"), NotFoundError);
  await rejects(readStatusOf("no-such-thing"), NotFoundError);
});
