/**
 * Cgroups and a bpffs of the test's own, and what this kernel can do with them.
 *
 * @module
 */

import type { Place } from "../../bpf/loading.ts";
import { rootPath } from "../../bpf/cgroups.ts";
import { missingCapabilities } from "../../bpf/object.ts";
import { probeBpf, type TargetSpec } from "../../bpf/mod.ts";
import { listSetsockoptPrograms } from "../../ffi/bpf.ts";
import { Fd } from "../../ffi/fd.ts";
import { openFolder } from "../../ffi/files.ts";
import { openLibbpf } from "../../ffi/libbpf.ts";
import { commandExists, isRoot, skipUnless, skipUnlessAll } from "../skip.ts";

/** Whether the program that forces can be loaded here. */
export const canForce = isRoot() && probeBpf().state === "yes";

function hasLibbpf(): boolean {
  try {
    openLibbpf();
    return true;
  } catch {
    return false;
  }
}

function hasCgroups(): boolean {
  try {
    using cgroup = new Cgroup("probe");
    return cgroup.path !== "";
  } catch {
    return false;
  }
}

/** What all tests of BPF need, but for the program that forces. */
export function skipUnlessBpf(): { ignore: boolean } {
  return skipUnlessAll(
    skipUnless("root", isRoot),
    skipUnless("libbpf", hasLibbpf),
    skipUnless(
      "BPF",
      () => isRoot() && missingCapabilities(["CAP_BPF", "CAP_NET_ADMIN"]).length === 0,
    ),
    skipUnless("cgroup v2", hasCgroups),
    skipUnless("python3", commandExists("python3")),
  );
}

/** What tests of the program that forces need. */
export function skipUnlessForce(): { ignore: boolean } {
  return skipUnlessAll(
    skipUnlessBpf(),
    skipUnless(
      "update_socket_protocol",
      canForce,
      "`deno task lab`, or Linux 6.6 and newer that is not locked down",
    ),
  );
}

/** A cgroup; removed by `using`, with those below it. */
export class Cgroup implements Disposable {
  /** Its folder. */
  readonly path: string;

  /** Makes one below the root, or below another. */
  constructor(name: string, above: string = rootPath()) {
    this.path = above === rootPath() ? `${above}/mptcpize-${name}-${Deno.pid}` : `${above}/${name}`;
    Deno.mkdirSync(this.path);
  }

  /** Makes one below this one. */
  below(name: string): Cgroup {
    return new Cgroup(name, this.path);
  }

  /** Removes it; a second time does nothing. */
  [Symbol.dispose](): void {
    removeCgroup(this.path);
  }
}

function removeCgroup(path: string): void {
  let below: string[];
  try {
    below = [...Deno.readDirSync(path)].filter(({ isDirectory }) => isDirectory)
      .map(({ name }) => name);
  } catch {
    return;
  }
  for (const name of below) removeCgroup(`${path}/${name}`);
  Deno.removeSync(path);
}

/** The target that is a cgroup. */
export function cgroupSpec(
  { path }: Cgroup,
  strict = false,
): Extract<TargetSpec, { kind: "cgroup" }> {
  return { kind: "cgroup", path, strict };
}

/** How many setsockopt programs are attached to a cgroup itself. */
export function countPrograms(path: string): number {
  const cgroup = openFolder(path);
  if (!(cgroup instanceof Fd)) throw new Error(`Cannot open ${path}: ${cgroup.errno}`);
  using fd = cgroup;
  return listSetsockoptPrograms(fd).length;
}

function run(command: string, ...args: string[]): void {
  const { success, stderr } = new Deno.Command(command, { args }).outputSync();
  if (!success) throw new Error(`${command} ${args}: ${new TextDecoder().decode(stderr)}`);
}

/** A bpffs of its own; proves that nothing is left in it when it is unmounted by `using`. */
export class OwnPlace implements Place, Disposable {
  /** Where it is mounted. */
  readonly bpffs = Deno.makeTempDirSync({ prefix: "mptcpize-bpffs-" });
  /** Whether the program that forces is loaded. */
  readonly force: boolean;

  /** Mounts it. */
  constructor(force = canForce, options = "mode=0700") {
    this.force = force;
    run("mount", "-t", "bpf", "-o", options, "bpf", this.bpffs);
  }

  /** What is in it, but for what each bpffs has. */
  entries(): string[] {
    return [...Deno.readDirSync(this.bpffs)].map(({ name }) => name)
      .filter((name) => !name.endsWith(".debug"));
  }

  /** Unmounts it. */
  [Symbol.dispose](): void {
    const left = this.entries();
    run("umount", this.bpffs);
    Deno.removeSync(this.bpffs);
    if (left.length > 0) throw new Error(`left in the bpffs: ${left}`);
  }
}
