import { strict as assert } from "node:assert";
import { commandExists, isExpected, skipUnless } from "./skip.ts";

/** Runs a test file of its own, since what a missing feature does is seen only from outside. */
function runTests(body: string, env: Record<string, string>): { code: number; stdout: string } {
  const folder = Deno.makeTempDirSync({ prefix: "mptcpize-skip-" });
  try {
    const file = `${folder}/a_test.ts`;
    Deno.writeTextFileSync(
      file,
      `import { skipUnless } from ${JSON.stringify(import.meta.resolve("./skip.ts"))};\n${body}`,
    );
    const { code, stdout } = new Deno.Command(Deno.execPath(), {
      args: ["test", "-A", "--no-check", "--no-config", file],
      env: { NO_COLOR: "1", MPTCPIZE_EXPECT: "", MPTCPIZE_SKIPPED: `${folder}/skipped`, ...env },
      stderr: "null",
    }).outputSync();
    let text = new TextDecoder().decode(stdout);
    try {
      text += Deno.readTextFileSync(`${folder}/skipped`);
    } catch { /* nothing was skipped */ }
    return { code, stdout: text };
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

const ONE_TEST = `Deno.test({
  name: "one",
  ...skipUnless("flux", () => false, "buy one"),
  fn() { throw new Error("ran"); },
});
Deno.test("two", () => {});`;

Deno.test("skipUnless() lets the test run when the feature is there", () => {
  assert.deepEqual(skipUnless("anything", true), { ignore: false });
  assert.deepEqual(skipUnless("anything", () => true), { ignore: false });
});

Deno.test("skipUnless() leaves the test out and notes the feature once when it is absent", () => {
  const { code, stdout } = runTests(ONE_TEST + `\nskipUnless("flux", false);`, {});
  assert.equal(code, 0);
  assert.match(stdout, /1 passed \| 0 failed \| 1 ignored/);
  assert.equal(stdout.split("flux\tbuy one\n").length, 2);
});

Deno.test("skipUnless() fails a test of its own when the feature must be there", () => {
  for (const expect of ["all", "other, flux"]) {
    const { code, stdout } = runTests(ONE_TEST, { MPTCPIZE_EXPECT: expect });
    assert.equal(code, 1, stdout);
    assert.match(stdout, /feature flux must be there: buy one/);
    assert.match(stdout, /1 passed \| 1 failed \| 1 ignored/);
  }
});

Deno.test("skipUnless() throws when the feature must be there and a test is already running", () => {
  const body = `Deno.test("late", () => { skipUnless("flux", false); });`;
  const { code, stdout } = runTests(body, { MPTCPIZE_EXPECT: "flux" });
  assert.equal(code, 1);
  assert.match(stdout, /feature flux must be there/);
});

Deno.test("isExpected() is true for a named feature and for all", () => {
  assert.equal(isExpected("root", "all"), true);
  assert.equal(isExpected("root", "gcc,root"), true);
  assert.equal(isExpected("root", "gcc"), false);
  assert.equal(isExpected("root", undefined), false);
  assert.equal(isExpected("update_socket_protocol", "all"), false);
  assert.equal(isExpected("update_socket_protocol", "root,update_socket_protocol"), true);
});

Deno.test("commandExists() finds what PATH offers and nothing else", () => {
  assert.equal(commandExists("sh"), true);
  assert.equal(commandExists("no-such-command-here"), false);
  assert.equal(commandExists(".."), false);
});
