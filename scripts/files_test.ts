import { strict as assert } from "node:assert";
import { exists, isProduct, listFiles, ROOT } from "./files.ts";

Deno.test("isProduct() leaves out tests and what only they use", () => {
  for (const path of ["mod.ts", "cli/run.ts", "program/elf.ts", "ffi/testimony.ts"]) {
    assert.equal(isProduct(path), true, path);
  }
  const others = [
    "scripts/a.ts",
    "tests/skip.ts",
    "bench/main.ts",
    "program/elf_test.ts",
    "program/testing/elf.ts",
    "inspect/testdata/capture.ts",
  ];
  for (const path of others) assert.equal(isProduct(path), false, path);
});

Deno.test("listFiles() gives paths from the root, of any depth, sorted", () => {
  const files = listFiles(/^(scripts\/files.*|mod)\.ts$/);
  assert.deepEqual(files, ["mod.ts", "scripts/files.ts", "scripts/files_test.ts"]);
  assert.ok(files.every((file) => exists(new URL(file, ROOT))));
});
