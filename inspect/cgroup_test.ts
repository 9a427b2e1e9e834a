import { deepStrictEqual, strictEqual, throws } from "node:assert";
import { NotFoundError } from "../errors.ts";
import {
  cgroupName,
  findCgroup,
  listCgroupMounts,
  parseCgroupMounts,
  readProcessCgroup,
} from "./cgroup.ts";

Deno.test("parseCgroupMounts() finds version 2 alone, beside version 1, and under odd names", () => {
  const v1 = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
  const v2 = (point: string) => `41 31 0:38 / ${point} rw shared:4 - cgroup2 cgroup2 rw\n`;
  deepStrictEqual(parseCgroupMounts(v1), []);
  deepStrictEqual(parseCgroupMounts(v2("/sys/fs/cgroup")), ["/sys/fs/cgroup"]);
  deepStrictEqual(parseCgroupMounts(v1 + v2("/sys/fs/cgroup/unified") + v2("/mnt/a\\040b")), [
    "/sys/fs/cgroup/unified",
    "/mnt/a b",
  ]);
});

Deno.test("cgroupName() takes the mount point off, and only off what is below it", () => {
  const mounts = ["/sys/fs/cgroup/unified", "/mnt"];
  strictEqual(cgroupName("/sys/fs/cgroup/unified/a/b", mounts), "/a/b");
  strictEqual(cgroupName("/sys/fs/cgroup/unified", mounts), "/");
  strictEqual(cgroupName("/mnt/x", mounts), "/x");
  strictEqual(cgroupName("/mntx", mounts), undefined);
  strictEqual(cgroupName("/system.slice", mounts), undefined);
});

Deno.test("findCgroup() refuses what is no cgroup, and what leads out of them", () => {
  for (const name of ["/no-such", "no-such.service", "/../../../etc", "/etc/passwd", "a\0b"]) {
    throws(() => findCgroup(name), (error) => error instanceof NotFoundError, name);
  }
  for (const mount of listCgroupMounts()) {
    throws(() => findCgroup(`${mount}/../../..`), NotFoundError);
  }
});

Deno.test("findCgroup() finds the uppermost, by its folder and by its name", () => {
  const [mount] = listCgroupMounts();
  if (mount === undefined) return throws(() => findCgroup("/"), /no cgroups of version 2 are/);
  deepStrictEqual([findCgroup("/"), findCgroup(mount), findCgroup(`${mount}/`)], [
    mount,
    mount,
    mount,
  ]);
});

Deno.test("readProcessCgroup() knows that of this process, and none of a process that is not there", () => {
  const listed = /^0::/m.test(Deno.readTextFileSync("/proc/self/cgroup"));
  strictEqual(readProcessCgroup("self")?.startsWith("/") ?? false, listed);
  strictEqual(readProcessCgroup(0x7ffffffe), undefined);
});
