/**
 * Runs the suites inside the lab, and leaves what came out in /srv/results.
 *
 * @module
 */

import { listFiles, ROOT } from "../files.ts";
import { runSuites, type Suite } from "../suites.ts";
import { RECIPE } from "./recipe.ts";

/** One guest: it is booted for the tests that it runs. */
export interface Machine {
  /** What its tests have in common; also a folder's name. */
  readonly name: string;
  /** Files and folders of tests. */
  readonly paths: readonly string[];
  /** Whether they run side by side, which makes use of both processors. */
  readonly parallel?: boolean;
  /** Whether they are run again after a reboot. */
  readonly reboots?: boolean;
  /** Whether a program of theirs needs the instruction CMPXCHG16B. */
  readonly cx16?: boolean;
}

/** What the host asks for, in /srv/job.json. */
export interface Job {
  /** The kernel, by its name in kernels.json. */
  readonly kernel: string;
  /** Part of the names of tests. */
  readonly filter?: string;
  /** The guest that is to do it. */
  readonly machine: Machine;
}

/** What the host is told, in /srv/results/result.json. */
export interface Result {
  /** As uname(2) says it. */
  readonly release: string;
  /** Tests that passed, failed and were skipped. */
  readonly totals: { readonly passed: number; readonly failed: number; readonly skipped: number };
  /** The features that tests were skipped for. */
  readonly skipped: readonly string[];
}

const RESULTS = "/srv/results";

const COMMON = ["-qA", "--no-check", "--preload=tests/open_libc.ts"];
const SANITIZE = ["--sanitize-ops", "--sanitize-resources"];

/**
 * The jobs for a kernel: tests that leave the machine alone share one, and those that change it have one for
 * each path. A filter for names leaves out those that reboot.
 *
 * @param filter part of a test file's path, or else of the names of tests
 */
export function jobsOf(kernel: string, filter = ""): Job[] {
  const { tests, alone, reboot, cx16 } = RECIPE;
  const nameOf = (path: string) =>
    path.replace(/^tests\/|(_test)?\.ts$|\/$/g, "").replaceAll("/", "_");
  // The longest first, so that the others fill the time beside it.
  const machines: Machine[] = [
    ...alone.map((path) => ({
      name: nameOf(path),
      paths: [path],
      ...cx16.includes(path) && { cx16: true },
    })),
    { name: "side_by_side", paths: tests, parallel: true },
    { name: "reboot", paths: reboot, reboots: true },
  ];
  if (filter === "") return machines.map((machine) => ({ kernel, machine }));
  const files = listFiles(/_test\.ts$/);
  const choose = (among: readonly Machine[], isMeant: (file: string) => boolean) =>
    among.flatMap((machine) => {
      const paths = files.filter((file) =>
        machine.paths.some((path) => file.startsWith(path)) && isMeant(file)
      );
      return paths.length === 0 ? [] : [{ kernel, machine: { ...machine, paths } }];
    });
  const byPath = choose(machines, (file) => file.includes(filter));
  if (byPath.length > 0) return byPath;
  const byName = choose(
    machines.filter(({ reboots }) => !reboots),
    (file) => Deno.readTextFileSync(new URL(file, ROOT)).includes(filter),
  );
  return byName.map((job) => ({ ...job, filter }));
}

/** What a job runs after its first or its second boot. */
export function suiteOf({ kernel, filter, machine }: Job, boot: 1 | 2): Suite {
  const again = boot === 2 ? " after a reboot" : "";
  return {
    name: `Linux ${kernel}, ${machine.name}${again}`,
    command: [
      ...["deno", "test", ...COMMON, ...SANITIZE, `--junit-path=${RESULTS}/junit.xml`],
      ...machine.parallel ? ["--parallel"] : [],
      ...filter === undefined ? [] : [`--filter=${filter}`],
      ...machine.paths,
    ],
    stream: true,
    limitMinutes: 45,
    env: {
      MPTCPIZE_LAB: kernel,
      MPTCPIZE_EXPECT: RECIPE.kernels[kernel]?.has.join(",") ?? "",
      MPTCPIZE_RESULTS: RESULTS,
      MPTCPIZE_BOOT: `${boot}`,
    },
  };
}

if (import.meta.main) {
  const job: Job = JSON.parse(Deno.readTextFileSync("/srv/job.json"));
  const notes = `${RESULTS}/skipped.tsv`;
  Deno.writeTextFileSync(notes, "");
  const boot = /\blab\.boot=2\b/.test(Deno.readTextFileSync("/proc/cmdline")) ? 2 : 1;
  const totals = await runSuites([suiteOf(job, boot)], notes);
  const lines = Deno.readTextFileSync(notes).split("\n").filter(Boolean);
  const skipped = [...new Set(lines.map((line) => line.split("\t")[0] ?? ""))].sort();
  const result: Result = { release: Deno.osRelease(), totals, skipped };
  Deno.writeTextFileSync(`${RESULTS}/result.json`, JSON.stringify(result));
}
