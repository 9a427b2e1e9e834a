import { deepStrictEqual } from "node:assert";
import { isCgroupOf } from "./unit_bpf.ts";

Deno.test("isCgroupOf() knows the cgroups of a unit, and of the instances of a template", () => {
  const slice = "/sys/fs/cgroup/system.slice";
  deepStrictEqual(
    [
      isCgroupOf(`${slice}/nginx.service`, "nginx.service"),
      isCgroupOf(`${slice}/nginx.service/child`, "nginx.service"),
      isCgroupOf(`${slice}/xnginx.service`, "nginx.service"),
      isCgroupOf(`${slice}/system-foo.slice/foo@a.service`, "foo@.service"),
      isCgroupOf(`${slice}/foobar@a.service`, "foo@.service"),
      isCgroupOf("/sys/fs/cgroup/no unit", "foo@.service"),
    ],
    [true, false, false, true, false, false],
  );
});
