/**
 * Runs the suites inside the lab, and leaves what came out in /lab/results.
 *
 * @module
 */

import { runSuites, type Suite } from "../suites.ts";
import { RECIPE } from "./recipe.ts";

/** What the host asks for, in /lab/job.json. */
export interface Job {
  /** The kernel, by its name in kernels.json. */
  readonly kernel: string;
  /** Part of the path of tests, or else of their names. */
  readonly filter?: string;
}

/** What the host is told, in /lab/results/result.json. */
export interface Result {
  /** As uname(2) says it. */
  readonly release: string;
  /** Tests that passed, failed and were skipped. */
  readonly totals: { readonly passed: number; readonly failed: number; readonly skipped: number };
  /** The features that tests were skipped for. */
  readonly skipped: readonly string[];
}

const RESULTS = "/lab/results";

const COMMON = ["-qA", "--no-check", "--preload=tests/open_libc.ts"];
const SANITIZE = ["--sanitize-ops", "--sanitize-resources"];

/**
 * What a job runs: tests side by side, which makes use of both processors, then those that want the machine
 * to themselves, then those that go on after a reboot, which are all that runs then. A filter for names
 * leaves those out.
 */
export function suitesOf({ filter = "", kernel }: Job, boot: 1 | 2): Suite[] {
  const { tests, alone, reboot } = RECIPE;
  const paths = [...tests, ...alone, ...reboot];
  const byPath = filter !== "" && paths.some((path) => path.includes(filter));
  const byName = filter === "" || byPath ? [] : [`--filter=${filter}`];
  const suite = (name: string, paths: readonly string[], flags: readonly string[]): Suite[] => {
    const chosen = byPath ? paths.filter((path) => path.includes(filter)) : paths;
    return chosen.length === 0 ? [] : [{
      name: `Linux ${kernel}, ${name}`,
      command: [
        ...["deno", "test", ...COMMON, ...SANITIZE, ...flags, ...byName],
        ...[`--junit-path=${RESULTS}/junit_${name.replaceAll(" ", "_")}.xml`, ...chosen],
      ],
      stream: true,
      limitMinutes: 45,
      env: {
        MPTCPIZE_LAB: kernel,
        MPTCPIZE_EXPECT: RECIPE.kernels[kernel]?.has.join(",") ?? "",
        MPTCPIZE_RESULTS: RESULTS,
        MPTCPIZE_BOOT: `${boot}`,
      },
    }];
  };
  const rebooting = byName.length > 0 ? [] : reboot;
  if (boot === 2) return suite("after a reboot", rebooting, []);
  return [
    ...suite("side by side", tests, ["--parallel"]),
    ...suite("one at a time", alone, []),
    ...suite("before a reboot", rebooting, []),
  ];
}

if (import.meta.main) {
  const job: Job = JSON.parse(Deno.readTextFileSync("/lab/job.json"));
  const notes = `${RESULTS}/skipped.tsv`;
  Deno.writeTextFileSync(notes, "");
  const boot = /\blab\.boot=2\b/.test(Deno.readTextFileSync("/proc/cmdline")) ? 2 : 1;
  const totals = await runSuites(suitesOf(job, boot), notes);
  const lines = Deno.readTextFileSync(notes).split("\n").filter(Boolean);
  const skipped = [...new Set(lines.map((line) => line.split("\t")[0] ?? ""))].sort();
  const result: Result = { release: Deno.osRelease(), totals, skipped };
  Deno.writeTextFileSync(`${RESULTS}/result.json`, JSON.stringify(result));
}
