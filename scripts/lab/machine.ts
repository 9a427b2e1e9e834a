/**
 * Boots one kernel of the lab, and brings back what its guest left.
 *
 * @module
 */

import { qemuCommand } from "../qemu.ts";
import type { Job, Result } from "./guest.ts";
import { type BootFiles, makeCheckoutDisk, makeInitrd } from "./images.ts";
import { run } from "./recipe.ts";

/** Far more than a run takes, which is minutes, even with other work beside it. */
const LIMIT_MINUTES = 45;
const RESULTS_BYTES = 64 << 20;
const MEMORY_MIB = 2048;

/** Discarded when the machine is turned off. */
const DISCARDED = "snapshot=on";
const KEPT = "cache=unsafe";

function disk(file: string, options = DISCARDED): string[] {
  return ["-drive", `file=${file},if=virtio,format=raw,${options}`];
}

/** The words that boot a kernel with its disks; the checkout's and those for results lie in a folder. */
function command(
  files: BootFiles,
  root: string,
  folder: string,
  append: string,
  serial: readonly string[],
  { keeps = false, cx16 = false } = {},
): [string, ...string[]] {
  return qemuCommand({
    kernel: files.vmlinuz,
    initrd: `${folder}/initrd`,
    memory: MEMORY_MIB,
    cx16,
    append: `net.ifnames=0 systemd.show_status=0 ${append}`,
    devices: [
      ...disk(root, keeps ? KEPT : DISCARDED),
      ...disk(files.modules, "readonly=on"),
      ...disk(`${folder}/checkout.img`),
      ...disk(`${folder}/results.img`, KEPT),
      ...serial,
    ],
  });
}

async function prepare(files: BootFiles, folder: string, job: Job): Promise<void> {
  await makeInitrd(files, `${folder}/initrd`);
  await makeCheckoutDisk(job, `${folder}/checkout.img`);
}

/** Empties the disk for results: what an earlier boot left must not count. */
function clearResults(folder: string): string {
  const image = `${folder}/results.img`;
  Deno.writeFileSync(image, new Uint8Array());
  Deno.truncateSync(image, RESULTS_BYTES);
  return image;
}

async function inFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await Deno.makeTempDir({ prefix: "mptcpize-lab-" });
  try {
    return await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** How often a guest is booted that does not come to its suites. */
const BOOTS = 3;
/** Many times what a boot takes. */
const BOOT_LIMIT_MINUTES = 10;

/** Boots once, tells what the guest prints, and puts its results into a folder. */
async function bootOnce(
  [program, ...args]: readonly [string, ...string[]],
  folder: string,
  results: string,
  tell: (text: string) => void,
  stop: AbortSignal,
): Promise<{ readonly began: boolean; readonly result?: Result }> {
  const image = clearResults(folder);
  const silent = new AbortController();
  const timer = setTimeout(() => silent.abort(), BOOT_LIMIT_MINUTES * 60_000);
  const limit = AbortSignal.timeout(LIMIT_MINUTES * 60_000);
  const child = new Deno.Command(program, {
    args,
    stdin: "null",
    stdout: "piped",
    signal: AbortSignal.any([stop, silent.signal, limit]),
  }).spawn();
  let output = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    clearTimeout(timer);
    const plain = text.replaceAll("\r", "");
    output += plain;
    tell(plain);
  }
  await child.status;
  clearTimeout(timer);
  // Another run on this kernel may have begun, and removed it.
  Deno.mkdirSync(results, { recursive: true });
  Deno.writeTextFileSync(`${results}/output.txt`, output);
  try {
    await run(["tar", "-xf", image, "-C", results]);
    return { began: true, result: JSON.parse(Deno.readTextFileSync(`${results}/result.json`)) };
  } catch {
    return { began: output !== "" };
  }
}

/** What came of both boots. */
function joined(first: Result, second: Result): Result {
  const sum = (name: keyof Result["totals"]) => first.totals[name] + second.totals[name];
  return {
    release: second.release,
    totals: { passed: sum("passed"), failed: sum("failed"), skipped: sum("skipped") },
    skipped: [...new Set([...first.skipped, ...second.skipped])].sort(),
  };
}

/**
 * Does a job on a kernel; boots a second time where the machine reboots.
 *
 * @param results where the results go: result.json, junit.xml, logs; those of a second boot into `reboot`
 * below
 * @param tell gets what is printed, as it comes
 * @param stop turns the machine off when it is aborted
 * @returns undefined when the guest ended without a result
 */
export function runJob(
  files: BootFiles,
  root: string,
  job: Job,
  results: string,
  tell: (text: string) => void,
  stop: AbortSignal,
): Promise<Result | undefined> {
  return inFolder(async (folder) => {
    await prepare(files, folder, job);
    await Deno.remove(results, { recursive: true }).catch(() => {});
    const boot = async (system: string, keeps: boolean, number: 1 | 2) => {
      const own = number === 1 ? results : `${results}/reboot`;
      Deno.mkdirSync(own, { recursive: true });
      const serial = ["-serial", `file:${own}/console.txt`, "-serial", "stdio"];
      const append = `lab.boot=${number}`;
      const { cx16 = false } = job.machine;
      const words = command(files, system, folder, append, serial, { keeps, cx16 });
      for (let boots = 1;; boots++) {
        const { began, result } = await bootOnce(words, folder, own, tell, stop);
        if (began || stop.aborted || boots === BOOTS) return result;
        // QEMU 7.2 may execute what the kernel has already put another instruction in the place of.
        tell(`The kernel did not come up (${own}/crash_${boots}.txt): booted again\n`);
        Deno.renameSync(`${own}/console.txt`, `${own}/crash_${boots}.txt`);
      }
    };
    if (!job.machine.reboots) return await boot(root, false, 1);
    const own = `${folder}/root.img`;
    await run(["cp", "--reflink=auto", "--sparse=always", root, own]);
    const first = await boot(own, true, 1);
    const second = first && await boot(own, true, 2);
    return first && second && joined(first, second);
  });
}

/** Gives a root shell in the lab on this terminal, until it is left. */
export function openShell(
  files: BootFiles,
  root: string,
  job: Job,
  stop: AbortSignal,
): Promise<number> {
  return inFolder(async (folder) => {
    await prepare(files, folder, job);
    clearResults(folder);
    const [program, ...args] = command(files, root, folder, "lab.shell", ["-serial", "mon:stdio"]);
    const { code } = await new Deno.Command(program, {
      args,
      stdin: "inherit",
      stdout: "inherit",
      stderr: "inherit",
      signal: stop,
    }).spawn().status;
    return code;
  });
}
