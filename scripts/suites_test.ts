import { strict as assert } from "node:assert";
import { addTotals, readTotals, renderSkipped, renderTotals } from "./suites.ts";

/** Runs suites, given as source text, so that its output and environment are its own. */
async function run(suites: string, env: Record<string, string> = {}): Promise<string> {
  const url = import.meta.resolve("./suites.ts");
  const file = await Deno.makeTempFile({ prefix: "mptcpize-suites-", suffix: ".ts" });
  try {
    await Deno.writeTextFile(
      file,
      `import { renderTotals, runSuites } from "${url}";\nconsole.log(renderTotals(await runSuites(${suites})));`,
    );
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "--no-config", file],
      env: { NO_COLOR: "1", MPTCPIZE_EXPECT: "", ...env },
    }).output();
    return new TextDecoder().decode(stdout);
  } finally {
    await Deno.remove(file);
  }
}

Deno.test("readTotals() adds up the summaries of deno test, colours and steps or not", () => {
  const output =
    "\x1b[32mok\x1b[0m | 12 passed (3 steps) | 0 failed | 3 ignored \x1b[2m(1s)\x1b[0m" +
    "\n\nFAILED | 1 passed | 2 failed (1 step) (3ms)\n";
  assert.deepEqual(readTotals(output, false), { passed: 13, failed: 2, skipped: 3 });
});

Deno.test("readTotals() counts a failure when the command fails and names no failed test", () => {
  assert.deepEqual(readTotals("ok | 3 passed | 0 failed (1s)\n", false), {
    passed: 3,
    failed: 1,
    skipped: 0,
  });
  assert.deepEqual(readTotals("error: Type checking failed", false), {
    passed: 0,
    failed: 1,
    skipped: 0,
  });
});

Deno.test("readTotals() counts a check that prints no summary as one", () => {
  assert.deepEqual(readTotals("Checked 14 files\n", true), { passed: 1, failed: 0, skipped: 0 });
});

Deno.test("addTotals() and renderTotals() give the closing line", () => {
  const totals = addTotals([
    { passed: 1, failed: 0, skipped: 2 },
    { passed: 10, failed: 1, skipped: 0 },
  ]);
  assert.equal(renderTotals(totals), "11 passed, 1 failed, 2 skipped");
});

Deno.test("renderSkipped() names each feature once under its remedy", () => {
  assert.deepEqual(renderSkipped("gdb\tinstall\nroot\tbe root\ngdb\tinstall\nnginx\tinstall\n"), [
    "Skipped, since this machine lacks gdb, nginx",
    "  to have it: install",
    "Skipped, since this machine lacks root",
    "  to have it: be root",
  ]);
});

Deno.test("runSuites() shows the output of a suite only when it fails or streams", async () => {
  const output = await run(`[
    { name: "quiet", command: ["sh", "-c", "echo hidden"] },
    { name: "loud", command: ["sh", "-c", "echo out; echo err >&2; exit 3"] },
    { name: "live", command: ["sh", "-c", "echo live"], stream: true },
  ]`);
  assert.doesNotMatch(output, /hidden/);
  assert.match(output, /out\n[^]*FAILED loud/);
  assert.match(output, /err\n[^]*FAILED loud/);
  assert.match(output, /── live\nlive\nok {5}live/);
  assert.match(output, /\n2 passed, 1 failed, 0 skipped\n$/);
});

Deno.test("runSuites() skips a suite whose command is absent, unless it must be there", async () => {
  const suite = `[{ name: "c", command: ["true"], needs: "no-such-thing" }]`;
  const skipped = await run(suite);
  assert.match(skipped, /lacks no-such-thing\n.*\n0 passed, 0 failed, 1 skipped\n$/);
  const demanded = await run(suite, { MPTCPIZE_EXPECT: "all" });
  assert.match(demanded, /no-such-thing must be there[^]*0 passed, 1 failed, 0 skipped\n$/);
  const lacks = `{ feature: "a kernel", remedy: "boot one" }`;
  const other = await run(`[{ name: "c", command: ["true"], lacks: ${lacks} }]`);
  assert.match(other, /lacks a kernel\n.*boot one\n0 passed, 0 failed, 1 skipped\n$/);
});

Deno.test("runSuites() ends a suite as failed when its time is up", async () => {
  const output = await run(`[
    { name: "slow", command: ["sleep", "60"], limitMinutes: 0.005 },
  ]`);
  assert.match(output, /FAILED slow \(0\.\d s\)/);
});
