import { strict as assert } from "node:assert";
import { findViolations, readImports } from "./check_layers.ts";

function judge(from: string, to: string): string {
  return findViolations([{ from, to }]).join("\n");
}

Deno.test("findViolations() is silent when every import goes down through a mod.ts", () => {
  const allowed = [
    ["cli/run.ts", "mod.ts"],
    ["cli/run.ts", "errors.ts"],
    ["cli/run.ts", "cli/flags.ts"],
    ["cli/main.ts", "deno.json"],
    ["mod.ts", "force/mod.ts"],
    ["mod.ts", "inspect/mod.ts"],
    ["force/choose.ts", "program/mod.ts"],
    ["force/apply.ts", "ffi/exec.ts"],
    ["program/elf.ts", "program/bytes.ts"],
    ["preload/library.ts", "features/mod.ts"],
    ["features/mptcp.ts", "ffi/libc.ts"],
    ["ffi/call.ts", "errors.ts"],
    ["inspect/mod.ts", "node:util"],
  ] as const;
  for (const [from, to] of allowed) assert.equal(judge(from, to), "", `${from} ${to}`);
});

Deno.test("findViolations() reports an import that goes up", () => {
  assert.equal(
    judge("ffi/call.ts", "features/mod.ts"),
    "ffi/call.ts imports features/mod.ts: features is above ffi",
  );
  assert.match(judge("errors.ts", "ffi/errno.ts"), /ffi is above errors.ts/);
  assert.match(judge("force/apply.ts", "mod.ts"), /mod.ts is above force/);
  assert.match(judge("mod.ts", "cli/main.ts"), /cli is above mod.ts/);
});

Deno.test("findViolations() reports an import between parts of the middle layer", () => {
  assert.match(judge("preload/library.ts", "program/mod.ts"), /on the same layer/);
  assert.match(judge("inspect/mod.ts", "preload/mod.ts"), /on the same layer/);
});

Deno.test("findViolations() reports cli when it reaches past mod.ts", () => {
  assert.match(judge("cli/run.ts", "force/mod.ts"), /cli imports mod.ts and errors.ts only/);
  assert.match(judge("cli/run.ts", "ffi/exec.ts"), /cli imports mod.ts and errors.ts only/);
});

Deno.test("findViolations() reports a file that is imported past its folder's mod.ts", () => {
  assert.match(judge("force/choose.ts", "program/elf.ts"), /through program\/mod.ts/);
  assert.match(judge("mod.ts", "force/choose.ts"), /through force\/mod.ts/);
});

Deno.test("findViolations() reports the product when it imports what is not part of it", () => {
  assert.match(judge("force/choose.ts", "tests/skip.ts"), /not part of the product/);
  assert.match(judge("force/choose.ts", "force/choose_test.ts"), /not part of the product/);
  assert.match(judge("cli/main.ts", "scripts/a.ts"), /not part of the product/);
});

Deno.test("findViolations() reports modules from elsewhere", () => {
  for (const to of ["https://example.org/a.ts", "jsr:@std/assert", "npm:chalk@5"]) {
    assert.match(judge("force/choose.ts", to), /only files of this repository/);
  }
});

Deno.test("findViolations() reports a folder that has no layer", () => {
  assert.match(judge("extra/a.ts", "errors.ts"), /extra has no layer/);
  assert.match(judge("force/a.ts", "extra/mod.ts"), /extra has no layer/);
});

Deno.test("findViolations() leaves tests, scripts and benchmarks free", () => {
  for (const from of ["force/a_test.ts", "scripts/a.ts", "tests/e2e/a.ts", "bench/a.ts"]) {
    assert.equal(judge(from, "ffi/call.ts"), "");
  }
});

Deno.test("readImports() finds values, types and what is not a file in Deno's own graph", async () => {
  const folder = await Deno.makeTempDir({ prefix: "mptcpize-graph-" });
  try {
    const write = (name: string, text: string) => Deno.writeTextFile(`${folder}/${name}`, text);
    await Deno.mkdir(`${folder}/ffi`);
    await write("mod.ts", 'import "./errors.ts"; import type { A } from "./ffi/a.ts"; let a: A;');
    await write("errors.ts", 'const b = await import("./ffi/b.ts"); import "node:util";');
    await write(
      "ffi/a.ts",
      'export type A = 1; import "data:text/javascript,1"; export * from "./b.ts";',
    );
    await write("ffi/b.ts", "export const b = 1;");
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--no-config", `${folder}/mod.ts`],
      stderr: "null",
    }).output();
    const graph = JSON.parse(new TextDecoder().decode(stdout));
    const imports = readImports(graph, new URL(`file://${folder}/`));
    assert.deepEqual(imports.map(({ from, to }) => `${from} ${to}`).sort(), [
      "errors.ts ffi/b.ts",
      "errors.ts node:util",
      "ffi/a.ts data:text/javascript,1",
      "ffi/a.ts ffi/b.ts",
      "mod.ts errors.ts",
      "mod.ts ffi/a.ts",
    ]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
