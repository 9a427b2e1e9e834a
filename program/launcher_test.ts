import { equal } from "node:assert/strict";
import { bytesSource } from "./byte_source.ts";
import { indexOfBytes, isLauncher, LAUNCHER_MARK } from "./launcher.ts";

Deno.test("isLauncher() knows the launchers that are built, and no other program", () => {
  for (const machine of ["x86_64", "aarch64"]) {
    const bytes = Deno.readFileSync(
      new URL(`../launcher/bin/${machine}/mptcpize`, import.meta.url),
    );
    equal(isLauncher(bytesSource(bytes)), true);
    const at = indexOfBytes(bytes, LAUNCHER_MARK);
    equal(indexOfBytes(bytes, LAUNCHER_MARK, at + 1), -1, "the mark stands there once");
  }
  equal(isLauncher(bytesSource(Deno.readFileSync("/bin/true"))), false);
  equal(isLauncher(bytesSource(new Uint8Array())), false);
});

Deno.test("indexOfBytes() finds the first place, up to the end", () => {
  const bytes = Uint8Array.of(1, 1, 2, 1, 2);
  equal(indexOfBytes(bytes, Uint8Array.of(1, 2)), 1);
  equal(indexOfBytes(bytes, Uint8Array.of(1, 2), 2), 3);
  equal(indexOfBytes(bytes, Uint8Array.of(2, 1, 2)), 2);
  equal(indexOfBytes(bytes, Uint8Array.of(2, 3)), -1);
});
