import { deepStrictEqual, match, ok, strictEqual } from "node:assert";
import { findSites } from "../../patch/mod.ts";
import { readCode, readProgram } from "../../program/mod.ts";
import { Random, runSeed } from "../../program/testing/random.ts";
import { commandExists, skipUnless } from "../skip.ts";
import {
  buildArm,
  buildAssembly,
  buildGo,
  buildHost,
  buildMatrix,
  FLAVOURS,
  hasGo,
  patched,
  run,
} from "./world.ts";

const skip = (...needs: readonly string[]) => ({
  ignore: needs.some((need) => skipUnless(need, commandExists(need)).ignore),
});

const SEARCH = ["x86_sites", "x86_bytes", "x86_length", "arm_sites"];

/** What the native search finds in stretches of code, offsets from their beginnings. */
async function searchNatively(machine: string, codes: readonly Uint8Array[]): Promise<string[]> {
  const search = await buildHost("find_sites", ...SEARCH);
  const folder = await Deno.makeTempDir();
  try {
    const files = codes.map((code, index) => {
      Deno.writeFileSync(`${folder}/${index}`, code);
      return `${folder}/${index}`;
    });
    const { out, err, code } = await run([search, machine, ...files]);
    strictEqual(code, 0, err);
    return out.split(/^\/.*\n/m).slice(1);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function searchHere(machine: string, bytes: Uint8Array): string {
  return findSites(machine, [{ address: 0, bytes }])
    .map(({ at, call, end, kind }) => `${at} ${call} ${end} ${kind}\n`).join("");
}

async function compare(machine: string, codes: readonly Uint8Array[]): Promise<number> {
  const native = await searchNatively(machine, codes);
  deepStrictEqual(codes.map((code) => searchHere(machine, code)), native);
  return native.filter((found) => found !== "").length;
}

Deno.test({
  name: "findSites() finds what the native search finds when programs are real",
  ...skip("gcc", "musl-gcc", "busybox", "as"),
  async fn() {
    const busybox = (await run(["sh", "-c", "command -v busybox"])).out.trim();
    const paths = [busybox, await buildAssembly("odd"), await buildAssembly("edge")];
    for (const flavour of FLAVOURS) paths.push(await buildMatrix(flavour));
    for (const version of ["1.19", "1.23"] as const) {
      if (hasGo(version)) paths.push(await buildGo(version));
    }
    // Dynamic ones too: it is code all the same.
    paths.push("/bin/sh", "/usr/bin/strace", Deno.execPath());
    for (const path of paths) {
      const codes = readCode(path).map(({ bytes }) => bytes);
      const { elf } = readProgram(path);
      await compare(elf!.machine, codes);
    }
  },
});

Deno.test({
  name: "findSites() counts what the patcher replaces",
  ...skip("gcc", "musl-gcc"),
  async fn() {
    for (const flavour of FLAVOURS) {
      const path = await buildMatrix(flavour);
      const count = findSites(Deno.build.arch, readCode(path)).length;
      const { err } = await run(patched(path, "exit", "0"));
      match(err, new RegExp(`ask for MPTCP now: ${count}\n$`));
    }
  },
});

Deno.test({
  name: "findSites() finds what the native search finds when code is damaged",
  ...skip("gcc", "musl-gcc"),
  async fn() {
    const seed = runSeed();
    const draw = new Random(seed);
    const random = (bound: number) => draw.below(bound);
    const sources: Uint8Array[] = [];
    for (const flavour of FLAVOURS) {
      for (const { address, bytes } of readCode(await buildMatrix(flavour))) {
        // Around each site, with what leads to it.
        for (const { at } of findSites("x86_64", [{ address, bytes }])) {
          const from = Math.max(0, at - address - 96);
          sources.push(bytes.slice(from, from + 320));
        }
      }
    }
    ok(sources.length > 20);
    const codes: Uint8Array[] = [];
    for (let round = 0; round < 4000; round++) {
      const code = sources[random(sources.length)]!.slice(random(60));
      for (let change = random(6); change > 0; change--) code[random(code.length)] = random(256);
      codes.push(code.slice(0, 80 + random(240)));
    }
    for (let round = 0; round < 500; round++) {
      // Nothing but what the search looks for, in every order.
      const parts = [
        [0xb8, 0x29, 0, 0, 0],
        [0x0f, 0x05],
        [0x48, 0x3d, 1, 0xf0, 0xff, 0xff],
        [
          0x48,
          0x89,
          0xc7,
        ],
        [0x90],
        [0xeb, random(256)],
        [0x48],
        [0xc3],
        [0x0f],
      ];
      const code = Array.from({ length: 90 }, () => parts[random(parts.length)]!).flat();
      codes.push(Uint8Array.from(code));
    }
    const found = await compare("x86_64", codes).catch((cause) => {
      throw new Error(`MPTCPIZE_SEED=${seed}`, { cause });
    });
    ok(found > 200 && found < codes.length, `${found} of ${codes.length}, MPTCPIZE_SEED=${seed}`);
  },
});

Deno.test({
  name: "findSites() finds what the native search finds when the program is for aarch64",
  ...skip("gcc", "aarch64-linux-gnu-gcc"),
  async fn() {
    const codes = readCode(await buildArm("matrix")).map(({ bytes }) => bytes);
    ok(await compare("aarch64", codes) > 0);
  },
});

Deno.test({
  name: "the aarch64 code keeps every register and makes MPTCP when qemu runs it patched by hand",
  ...skip("aarch64-linux-gnu-gcc", "qemu-aarch64"),
  async fn() {
    const path = await buildArm("arm_patched", "stub", "arm_sites");
    const { out, err, code } = await run(["qemu-aarch64", path]);
    strictEqual(code, 0, err);
    const [before, after] = out.split("sites 1\n");
    const expected = before!.replaceAll(
      /^tcp.*protocol 6$/gm,
      (line) => line.replace("protocol 6", "protocol 262"),
    )
      // qemu takes flags for valid that are none.
      .replace("bad flag 0 protocol 6", "bad flag 0 protocol 262");
    strictEqual(after, `${expected}left 0 pending 0\n`);
    ok(!out.includes("changed"));
    strictEqual(before!.match(/^tcp/gm)?.length, 4);
  },
});
