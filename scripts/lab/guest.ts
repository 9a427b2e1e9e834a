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

/** All tests in one run: side by side they make use of both processors. */
function suiteOf({ filter = "", kernel }: Job): Suite {
  const chosen = filter === "" ? [] : RECIPE.tests.filter((path) => path.includes(filter));
  return {
    name: `Linux ${kernel}`,
    command: [
      ...["deno", "test", "-qA", "--no-check", "--parallel", `--junit-path=${RESULTS}/junit.xml`],
      ...["--sanitize-ops", "--sanitize-resources", "--preload=tests/open_libc.ts"],
      ...filter === "" || chosen.length > 0 ? [] : [`--filter=${filter}`],
      ...chosen.length > 0 ? chosen : RECIPE.tests,
    ],
    stream: true,
    env: {
      MPTCPIZE_LAB: kernel,
      MPTCPIZE_EXPECT: RECIPE.kernels[kernel]?.has.join(",") ?? "",
      MPTCPIZE_RESULTS: RESULTS,
    },
  };
}

if (import.meta.main) {
  const job: Job = JSON.parse(Deno.readTextFileSync("/lab/job.json"));
  const notes = `${RESULTS}/skipped.tsv`;
  Deno.writeTextFileSync(notes, "");
  const totals = await runSuites([suiteOf(job)], notes);
  const lines = Deno.readTextFileSync(notes).split("\n").filter(Boolean);
  const skipped = [...new Set(lines.map((line) => line.split("\t")[0] ?? ""))].sort();
  const result: Result = { release: Deno.osRelease(), totals, skipped };
  Deno.writeTextFileSync(`${RESULTS}/result.json`, JSON.stringify(result));
}
