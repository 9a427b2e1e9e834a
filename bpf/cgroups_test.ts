import { deepStrictEqual, strictEqual, throws } from "node:assert";
import { NotFoundError, UsageError } from "../errors.ts";
import { levelOf, parseMounts, resolveSpec } from "./cgroups.ts";
import { LEVELS, UNKNOWN_LEVEL } from "./layout.ts";
import { mountedType } from "./bpffs.ts";

const INITIAL = "cgroup:[4026531835]";
const MOUNTINFO = `29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate
30 23 0:27 / /sys/fs/bpf rw,nosuid - bpf bpf rw,mode=700
31 29 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu
40 23 0:26 /a/b /mnt/with\\040space rw - cgroup2 none rw
`;

Deno.test("parseMounts() gives the mounts of version 2, and what is seen there", () => {
  deepStrictEqual(parseMounts(MOUNTINFO), [
    { point: "/sys/fs/cgroup", root: "/" },
    { point: "/mnt/with space", root: "/a/b" },
  ]);
});

Deno.test("levelOf() counts from the root of the hierarchy", () => {
  const whole = { point: "/sys/fs/cgroup", root: "/" };
  strictEqual(levelOf("/sys/fs/cgroup", whole, INITIAL), 0);
  strictEqual(levelOf("/sys/fs/cgroup/system.slice/a.service", whole, INITIAL), 2);
  strictEqual(levelOf("/mnt/c", { point: "/mnt", root: "/a/b" }, INITIAL), 3);
});

Deno.test("levelOf() does not know the level where only a part of the tree is seen", () => {
  const whole = { point: "/sys/fs/cgroup", root: "/" };
  strictEqual(levelOf("/sys/fs/cgroup/a", whole, "cgroup:[4026532000]"), UNKNOWN_LEVEL);
  strictEqual(levelOf("/mnt/c", { point: "/mnt", root: "/../b" }, INITIAL), UNKNOWN_LEVEL);
  strictEqual(UNKNOWN_LEVEL >= LEVELS, true);
});

Deno.test("resolveSpec() refuses what names nothing", () => {
  const strict = false;
  for (const name of ["", "sixteen--letters", "ääääääää", "a\0b"]) {
    throws(() => resolveSpec({ kind: "comm", name, strict }), UsageError, name);
  }
  throws(() => resolveSpec({ kind: "cgroup", path: "system.slice", strict }), UsageError);
  for (const path of ["/no/such/folder", "/tmp", "/proc/self/stat"]) {
    throws(() => resolveSpec({ kind: "cgroup", path, strict }), NotFoundError, path);
  }
});

Deno.test("mountedType() names what is mounted at a folder, the last of several", () => {
  strictEqual(mountedType(MOUNTINFO, "/sys/fs/bpf"), "bpf");
  strictEqual(mountedType(MOUNTINFO, "/sys/fs"), undefined);
  const covered = MOUNTINFO + "50 23 0:30 / /sys/fs/bpf rw - tmpfs tmpfs rw\n";
  strictEqual(mountedType(covered, "/sys/fs/bpf"), "tmpfs");
});
