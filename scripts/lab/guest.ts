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
  /** Part of a suite's folder, or else of the names of tests. */
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

function suitesOf({ filter = "", kernel }: Job): Suite[] {
  const folders = Object.keys(RECIPE.suites);
  const isFolder = filter !== "" && folders.some((folder) => folder.includes(filter));
  const sanitize = ["--sanitize-ops", "--sanitize-resources", "--preload=tests/open_libc.ts"];
  return folders
    .filter((folder) => !isFolder || folder.includes(filter))
    .map((folder) => ({
      name: folder,
      command: [
        ...["deno", "test", "-qA", "--no-check", "--parallel", ...sanitize],
        `--junit-path=${RESULTS}/${folder.replaceAll("/", "_")}.xml`,
        ...filter === "" || isFolder ? [] : [`--filter=${filter}`],
        ...RECIPE.suites[folder] ?? [],
      ],
      stream: true,
      env: {
        MPTCPIZE_LAB: kernel,
        MPTCPIZE_EXPECT: RECIPE.kernels[kernel]?.has.join(",") ?? "",
        MPTCPIZE_RESULTS: RESULTS,
      },
    }));
}

if (import.meta.main) {
  const job: Job = JSON.parse(Deno.readTextFileSync("/lab/job.json"));
  const notes = `${RESULTS}/skipped.tsv`;
  Deno.writeTextFileSync(notes, "");
  const totals = await runSuites(suitesOf(job), notes);
  const lines = Deno.readTextFileSync(notes).split("\n").filter(Boolean);
  const skipped = [...new Set(lines.map((line) => line.split("\t")[0] ?? ""))].sort();
  const result: Result = { release: Deno.osRelease(), totals, skipped };
  Deno.writeTextFileSync(`${RESULTS}/result.json`, JSON.stringify(result));
}
