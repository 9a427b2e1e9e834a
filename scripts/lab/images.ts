/**
 * Makes what QEMU boots: the disks, and the first root that mounts them.
 *
 * @module
 */

import { type CpioEntry, encodeCpio } from "../cpio.ts";
import { ROOT } from "../files.ts";
import { makeRootTree, unpackPackages } from "./debian.ts";
import { cached, exists, type Kernel, RECIPE, remove, run } from "./recipe.ts";

/** What the first root loads before it mounts; those that a kernel has built in are left out. */
const BOOT_MODULES = ["crc32c_generic", "crc32c_cryptoapi", "virtio_pci", "virtio_blk", "ext4"];

/** Where a guest has the disk of the checkout; a folder that every system has. */
const GUEST = "/srv";

/** One kernel, ready to boot. */
export interface BootFiles {
  /** The kernel's image. */
  readonly vmlinuz: string;
  /** The modules that its first root loads, in order, unpacked. */
  readonly bootModules: string;
  /** A disk with its modules. */
  readonly modules: string;
}

async function makeDisk(folder: string, image: string, size: string): Promise<void> {
  await run(["mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-m", "0"].concat(
    ["-d", folder, image, size],
  ) as [string, ...string[]]);
}

/** Where the lab's own programs lie, in the checkout and in the system. */
const PROGRAMS = new URL("tests/lab/programs/", ROOT);
const BUILT = "usr/local/lib/lab";

async function readPrograms(): Promise<Record<string, string>> {
  const programs: Record<string, string> = {};
  const names = [...Deno.readDirSync(PROGRAMS)].map(({ name }) => name).sort();
  for (const name of names) programs[name] = await Deno.readTextFile(new URL(name, PROGRAMS));
  return programs;
}

/** Builds the lab's programs by the system's own Go, here where it is fast, and removes Go. */
async function buildPrograms(
  programs: Readonly<Record<string, string>>,
  tree: string,
): Promise<void> {
  Deno.mkdirSync(`${tree}/${BUILT}`);
  for (const [name, text] of Object.entries(programs)) {
    const stem = `${BUILT}/${name.replace(/\.go$/, "")}`;
    Deno.writeTextFileSync(`${tree}/${stem}.go`, text);
    const go = "/usr/lib/go-1.24";
    await run(["chroot", tree, `${go}/bin/go`, "build", "-o", `/${stem}`, `/${stem}.go`], {
      // Without /proc it does not find its own folder.
      env: { GOROOT: go, CGO_ENABLED: "0", GOFLAGS: "", GOTOOLCHAIN: "local", HOME: "/tmp" },
    });
  }
  const leftovers = ["tmp/.cache", "tmp/.config", "usr/lib/go-1.24", "usr/share/go-1.24"];
  for (const name of leftovers) await remove(`${tree}/${name}`);
}

/** The disk with the system that every kernel boots into; made on the first call. */
export async function rootDisk(): Promise<string> {
  const { suite, packages } = RECIPE.root;
  const programs = await readPrograms();
  const folder = await cached("root", { suite, packages, programs }, async (folder) => {
    const tree = `${folder}/tree`;
    await makeRootTree(suite, packages, tree);
    await buildPrograms(programs, tree);
    const units = `${tree}/etc/systemd/system`;
    // What its packages start by themselves is started by the tests alone.
    for (const { name } of Deno.readDirSync(units)) {
      if (name.endsWith(".wants")) await Deno.remove(`${units}/${name}`, { recursive: true });
    }
    // A system that knows its name and has mount points does not ask on its first boot.
    Deno.writeTextFileSync(`${tree}/etc/machine-id`, `${"6d707463".repeat(4)}\n`);
    Deno.writeTextFileSync(`${tree}/etc/hostname`, "lab\n");
    Deno.writeTextFileSync(`${tree}/etc/hosts`, "127.0.0.1 localhost lab\n::1 localhost\n");
    Deno.mkdirSync(`${tree}/usr/lib/modules`, { recursive: true });
    for (const name of ["var/cache/apt", "var/lib/apt/lists"]) {
      await Deno.remove(`${tree}/${name}`, { recursive: true });
    }
    await makeDisk(tree, `${folder}/root.img`, "3G");
    await Deno.remove(tree, { recursive: true });
  });
  return `${folder}/root.img`;
}

/** The files that load some modules, by their paths below the folder, each after what it needs. */
export function orderModules(dependencies: string, names: readonly string[]): string[] {
  const lines = dependencies.split("\n").map((line) => line.split(/:? +|:$/).filter(Boolean));
  const nameOf = (path: string) => path.replace(/^.*\/|\.ko.*$/g, "").replaceAll("-", "_");
  const needed = names.flatMap((name) =>
    (lines.find(([path]) => path !== undefined && nameOf(path) === name) ?? []).toReversed()
  );
  return [...new Set(needed)];
}

async function readModule(path: string): Promise<Uint8Array<ArrayBuffer>> {
  if (!path.endsWith(".xz")) return await Deno.readFile(path);
  const { success, stdout } = await new Deno.Command("xz", { args: ["-dc", path] }).output();
  if (!success) throw new Error(`Cannot unpack ${path}`);
  return stdout;
}

/** Makes the first root of a kernel: it loads the modules that disks need, and mounts them. */
export async function makeInitrd(files: BootFiles, image: string): Promise<void> {
  const entries: CpioEntry[] = ["bin", "dev", "proc", "sys", "root", "modules"]
    .map((name) => ({ name, mode: 0o040755 }));
  const file = async (name: string, from: string | URL) =>
    entries.push({ name, mode: 0o100755, data: await Deno.readFile(from) });
  await file("init", new URL("tests/lab/init", ROOT));
  await file("bin/busybox", "/bin/busybox");
  for (const { name } of Deno.readDirSync(files.bootModules)) {
    await file(`modules/${name}`, `${files.bootModules}/${name}`);
  }
  await Deno.writeFile(image, await encodeCpio(entries));
}

async function unpackBootModules(modules: string, folder: string): Promise<void> {
  const order = orderModules(await Deno.readTextFile(`${modules}/modules.dep`), BOOT_MODULES);
  Deno.mkdirSync(folder);
  for (const [index, path] of order.entries()) {
    const name = `${String(index).padStart(2, "0")}.ko`;
    await Deno.writeFile(`${folder}/${name}`, await readModule(`${modules}/${path}`));
  }
}

/** What boots a kernel; fetched and made on the first call. */
export async function bootFiles(name: string, kernel: Kernel): Promise<BootFiles> {
  const { suite, packages } = kernel;
  const recipe = { suite, packages, BOOT_MODULES };
  const folder = await cached(`linux_${name}`, recipe, async (folder) => {
    const tree = `${folder}/tree`;
    await unpackPackages(suite, packages, tree);
    // Older packages have it in /lib, newer ones in /usr/lib.
    const base = (await exists(`${tree}/usr/lib/modules`)) ? `${tree}/usr` : tree;
    const [version] = [...Deno.readDirSync(`${base}/lib/modules`)].map(({ name }) => name);
    if (version === undefined) throw new Error(`Cannot use ${name}: no modules in its packages`);
    const modules = `${base}/lib/modules/${version}`;
    await run(["depmod", "-b", base, version]);
    const inside = `${modules}/vmlinuz`;
    const vmlinuz = (await exists(inside)) ? inside : `${tree}/boot/vmlinuz-${version}`;
    await Deno.rename(vmlinuz, `${folder}/vmlinuz`);
    await unpackBootModules(modules, `${folder}/boot`);
    await makeDisk(`${base}/lib/modules`, `${folder}/modules.img`, "512M");
    await Deno.remove(tree, { recursive: true });
  });
  return {
    vmlinuz: `${folder}/vmlinuz`,
    bootModules: `${folder}/boot`,
    modules: `${folder}/modules.img`,
  };
}

/** Puts the command line into one file: in emulation it starts twice as fast as by its modules. */
async function bundleCommandLine(tree: string): Promise<void> {
  await run([
    ...[Deno.execPath(), "run", "-qA", "--config=scripts/bundle/deno.json"] as const,
    ...["scripts/bundle/bundle.ts", `${tree}/checkout/cli/mptcpize.ts`],
    `file://${GUEST}/checkout/`,
  ], { cwd: ROOT.pathname });
}

/**
 * Has Deno keep what it makes of the checkout, here where that is fast: JavaScript of all of it, and what its
 * engine makes of the command line. It counts only for the place that the files have in the guest, so this
 * happens in mounts of its own where they lie there.
 */
async function warmUp(tree: string, scripts: readonly string[]): Promise<void> {
  const shell = `mount --bind "$1" ${GUEST}
cd ${GUEST}/checkout
shift
${GUEST}/bin/deno cache -q --no-check "$@"
${GUEST}/bin/deno run -qA --no-check cli/mptcpize.ts status --json || true
${GUEST}/bin/deno run -qA --no-check cli/mptcpize.ts --version`;
  await run(
    ["unshare", "--mount", "--propagation=private", "sh", "-ec", shell, "sh", tree, ...scripts],
    { env: { DENO_DIR: `${GUEST}/deno` } },
  );
}

/** Makes a disk of this checkout as it lies there, with this Deno and what the guest is to do. */
export async function makeCheckoutDisk(job: unknown, image: string): Promise<void> {
  const tree = `${image}.tree`;
  const listed = await run(["git", "ls-files", "-z", "-co", "--exclude-standard"], {
    cwd: ROOT.pathname,
  });
  const folders = new Set<string>();
  const scripts: string[] = [];
  for (const file of listed.split("\0")) {
    const from = new URL(file, ROOT);
    if (file === "" || !(await exists(from))) continue;
    const to = `${tree}/checkout/${file}`;
    const folder = to.slice(0, to.lastIndexOf("/"));
    if (!folders.has(folder)) Deno.mkdirSync(folder, { recursive: true });
    folders.add(folder);
    await Deno.copyFile(from, to);
    // The bundler has dependencies of its own, and no part in the lab.
    if (/\.ts$/.test(file) && !file.startsWith("scripts/bundle/")) scripts.push(file);
  }
  Deno.mkdirSync(`${tree}/bin`);
  Deno.mkdirSync(`${tree}/results`);
  await Deno.copyFile(Deno.execPath(), `${tree}/bin/deno`);
  await bundleCommandLine(tree);
  await warmUp(tree, scripts);
  Deno.writeTextFileSync(`${tree}/job.json`, JSON.stringify(job));
  await makeDisk(tree, image, "512M");
  await Deno.remove(tree, { recursive: true });
}
