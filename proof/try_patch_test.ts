import { deepStrictEqual, strictEqual } from "node:assert";
import { findSites } from "../patch/mod.ts";
import { readProgram } from "../program/mod.ts";
import { trialProgram, tryPatch } from "./try_patch.ts";

Deno.test("trialProgram() is a static program with one place to patch, for each machine", () => {
  const path = Deno.makeTempFileSync();
  try {
    for (const arch of ["x86_64", "aarch64"] as const) {
      const program = trialProgram(arch);
      Deno.writeFileSync(path, program, { mode: 0o755 });
      const { elf } = readProgram(path);
      deepStrictEqual([elf?.machine, elf?.class, elf?.interpreter], [arch, 64, undefined]);
      // All of it is loaded, headers too.
      strictEqual(findSites(arch, [{ address: 0, bytes: program }]).length, 1);
    }
  } finally {
    Deno.removeSync(path);
  }
});

Deno.test("tryPatch() says what came of it, or why nothing did", () => {
  const { patched, failure } = tryPatch();
  // Where there is no MPTCP the socket stays TCP, and nobody says why.
  strictEqual(patched === undefined && failure === undefined, false);
});
