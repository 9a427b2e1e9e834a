import { ok, strictEqual } from "node:assert";
import { indexOfBytes } from "../program/mod.ts";
import { holdsPatch, PATCH_PAGE_HEAD, PATCH_PAGE_MARKS } from "./page.ts";

Deno.test("holdsPatch() knows what the built patchers put into a program", () => {
  for (const [index, machine] of ["x86_64", "aarch64"].entries()) {
    const patcher = Deno.readFileSync(
      new URL(`./bin/${machine}/mptcpize-patch`, import.meta.url),
    );
    const at = indexOfBytes(patcher, PATCH_PAGE_MARKS[index]!);
    ok(at > 0, machine);
    const page = patcher.slice(at - 16, at - 16 + 64);
    // The entry of the program and the patcher's process id are written there.
    page.set([0xf0, 0xeb, 0x40], 0);
    page.set([0x6a, 0x63], 8);
    strictEqual(holdsPatch(page), true, machine);
    const full = new Uint8Array(PATCH_PAGE_HEAD).fill(0x90);
    full.set(page, 16 * 191);
    strictEqual(holdsPatch(full), true, machine);
    full.fill(0x90).set(page, 16 * 191 + 8);
    strictEqual(holdsPatch(full), false, machine);
  }
});

Deno.test("holdsPatch() refuses other memory", () => {
  strictEqual(holdsPatch(new Uint8Array()), false);
  strictEqual(holdsPatch(new Uint8Array(PATCH_PAGE_HEAD)), false);
  const short = new Uint8Array(20);
  short.set(PATCH_PAGE_MARKS[0]!.subarray(0, 4), 16);
  strictEqual(holdsPatch(short), false);
});
