/**
 * Runs the gate, or with `--all` the gate and every suite that this machine can run.
 *
 * @module
 */

import { exists, isProduct, listFiles, ROOT } from "./files.ts";
import { findMissing } from "./lab.ts";
import { RECIPE } from "./lab/recipe.ts";
import { renderTotals, runSuites, type Suite } from "./suites.ts";

/** Folders of tests that start real programs or need more than a checkout. */
const LADDER = [
  "tests/preload",
  "tests/launcher",
  "tests/patch",
  "tests/install",
  "tests/e2e",
  "tests/bpf",
  "tests/apps",
];
/** Those and the suites of the kernel lab. */
const NOT_UNIT = [...new Set([...LADDER, "tests/lab", ...RECIPE.alone, ...RECIPE.reboot])];

/** What a test opens it closes; but for the C library, which is opened before. */
const SANITIZE = ["--sanitize-ops", "--sanitize-resources", "--preload=tests/open_libc.ts"];

function gate(coverage: string): Suite[] {
  const product = listFiles(/\.ts$/).filter(isProduct);
  // A test run starts what it is given, and cli/ would end it.
  const library = product.filter((file) => !file.startsWith("cli/"));
  const quiet = { NO_COLOR: "1" };
  return [
    { name: "format", command: ["deno", "fmt", "--check"], env: quiet },
    { name: "lint", command: ["deno", "lint", "--quiet"], env: quiet },
    { name: "types", command: ["deno", "check", "--quiet", "."], env: quiet },
    {
      name: "types of the bundler",
      command: [
        "deno",
        "check",
        "--quiet",
        "--frozen",
        "--config=scripts/bundle/deno.json",
        "scripts/bundle",
      ],
      env: quiet,
    },
    { name: "public doc comments", command: ["deno", "doc", "--lint", "mod.ts"], env: quiet },
    { name: "doc comments", command: ["deno", "run", "-qA", "scripts/check_docs.ts", ...product] },
    { name: "layers", command: ["deno", "run", "-qA", "scripts/check_layers.ts"] },
    { name: "texts", command: ["deno", "run", "-qA", "scripts/check_text.ts"] },
    {
      name: "C format",
      command: [
        "clang-format-14",
        "--dry-run",
        "-Werror",
        "--ferror-limit=1",
        ...listFiles(/\.[ch]$/),
      ],
      needs: "clang-format-14",
    },
    {
      name: "native build",
      command: ["deno", "run", "-qA", "scripts/build_native.ts", "--check"],
      needs: "clang-14",
    },
    {
      name: "unit tests",
      command: [
        ...["deno", "test", "-qA", "--no-check", "--parallel", "--reporter=dot", ...SANITIZE],
        ...["--coverage-raw-data-only", `--coverage=${coverage}`, `--ignore=${NOT_UNIT}`],
      ],
      env: quiet,
    },
    {
      name: "doc examples",
      command: ["deno", "test", "-qA", "--no-check", "--doc", "--reporter=dot", ...library],
      env: quiet,
    },
  ];
}

/** The share of the product's lines that the unit tests ran. */
async function readCoverage(folder: string): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["coverage", folder, "--exclude=/(tests|scripts|bench)/|_test\\.ts$"],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stderr: "null",
  }).output();
  const [, , , , lines] = /^\| All files.*$/m.exec(new TextDecoder().decode(stdout))?.[0]
    .split("|") ?? [];
  return lines === undefined ? "unknown" : `${lines.trim()} %`;
}

function ladder(): Suite[] {
  return LADDER.filter((folder) => exists(new URL(folder, ROOT))).map((folder) => ({
    name: folder,
    command: ["deno", "test", "-qA", "--no-check", ...SANITIZE, `${folder}/`],
    stream: true,
  }));
}

/** The kernel lab, on the oldest of its kernels that has all that is tested. */
function lab(): Suite {
  const missing = findMissing();
  const lacks = { feature: "the kernel lab", remedy: missing.join("; ") };
  return {
    name: "tests/lab",
    command: ["deno", "run", "-qA", "scripts/lab.ts", "--kernel", "6.12"],
    stream: true,
    limitMinutes: 60,
    ...missing.length === 0 ? {} : { lacks },
  };
}

if (import.meta.main) {
  const all = Deno.args.includes("--all");
  const coverage = await Deno.makeTempDir({ prefix: "mptcpize-coverage-" });
  try {
    const suites = all ? [...gate(coverage), ...ladder(), lab()] : gate(coverage);
    const totals = await runSuites(suites);
    console.log(`The unit tests ran ${await readCoverage(coverage)} of the product's lines`);
    console.log(renderTotals(totals));
    Deno.exitCode = totals.failed === 0 ? 0 : 1;
  } finally {
    await Deno.remove(coverage, { recursive: true });
  }
}
