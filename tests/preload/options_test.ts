import { strict as assert } from "node:assert";
import { inspectLibrary } from "../../scripts/native/elf_checks.ts";
import { renderOptionsHeader } from "../../scripts/native/options_header.ts";
import { renderOptionTables } from "../../scripts/native/options_document.ts";
import { socketOptionLevels, socketOptions } from "../../preload/options.ts";
import { compile, GLIBC, libraryFor, MUSL, needs, run } from "./snippets.ts";

const ROOT = new URL("../../", import.meta.url);

Deno.test("the table names each option once, with what its kind needs", () => {
  const seen = new Set<string>();
  for (const { level, name, number, kind, rule, replay, why, ...rest } of socketOptions) {
    const key = `${socketOptionLevels[level]} ${number}`;
    assert.ok(!seen.has(key), `${name} is there twice`);
    seen.add(key);
    assert.equal(rule !== undefined, kind === "advisory", `${name} has a rule`);
    assert.equal(rest.default !== undefined, kind === "advisory", `${name} has a default`);
    if (kind === "replay") assert.ok(replay !== undefined, `${name} has a length`);
    // memory.h keeps a level in six bits and a name in eight; return_to_tcp.h has room for 32 bytes.
    assert.ok(socketOptionLevels[level] < 64 && number < 256 && (replay ?? 0) <= 32, name);
    assert.match(why, /^[A-Za-z].*\.$/);
  }
});

Deno.test("options.h is what options.json gives", async () => {
  assert.equal(await Deno.readTextFile(new URL("preload/options.h", ROOT)), renderOptionsHeader());
});

Deno.test("docs/options.md holds the tables that options.json gives", async () => {
  // The formatter pads tables and wraps lines.
  const plain = (text: string) => text.replace(/\s+/g, " ").replace(/-{3,}/g, "---");
  const text = plain(await Deno.readTextFile(new URL("docs/options.md", ROOT)));
  for (const table of renderOptionTables()) {
    assert.ok(text.includes(plain(table)), table.slice(0, 80));
  }
});

for (const machine of ["x86_64", "aarch64"] as const) {
  Deno.test(`libmptcpize.so for ${machine} exports three functions and needs no library`, async () => {
    assert.deepEqual(inspectLibrary(await Deno.readFile(libraryFor(machine))), []);
  });
}

// Not in QEMU's user mode: it makes options of its own, and has no SO_COOKIE.
for (const toolchain of [GLIBC, MUSL]) {
  Deno.test({
    name: `each advisory option answers as TCP does, on any argument (${toolchain.name})`,
    ...needs(toolchain),
    async fn() {
      const { lines } = await run(await compile("advisory", toolchain), [], { toolchain });
      const [, compared] = /^compared (\d+) differences 0$/.exec(lines.at(-1) ?? "") ?? [];
      assert.ok(Number(compared) > 50_000, lines.slice(0, 20).join("\n"));
      assert.equal(lines.length, 1, lines.slice(0, 20).join("\n"));
    },
  });
}

Deno.test({
  name: "the comparison finds a difference when nothing is softened",
  ...needs(GLIBC),
  async fn() {
    const env = { MPTCPIZE_STRICT: "1" };
    const { lines } = await run(await compile("advisory"), [], { env });
    assert.doesNotMatch(lines.at(-1) ?? "", /differences 0$/);
  },
});

const ESSENTIAL: Readonly<Record<string, number>> = { each: 600, replay: 500, keep: 24, works: 4 };
for (const [part, least] of Object.entries(ESSENTIAL)) {
  Deno.test({
    name: `an essential option is real or refused: ${part}`,
    ...needs(GLIBC),
    async fn() {
      const { lines } = await run(await compile("essential"), [part]);
      assert.equal(lines.length, 1, lines.join("\n"));
      const [, looked] = /^looked (\d+)$/.exec(lines[0] ?? "") ?? [];
      assert.ok(Number(looked) >= least, lines[0]);
    },
  });
}

for (const part of ["many", "reuse", "signals"]) {
  Deno.test({
    name: `getsockopt() gives back only what was set on that very socket: ${part}`,
    ...needs(GLIBC),
    async fn() {
      assert.deepEqual((await run(await compile("memory"), [part])).lines, ["wrong 0"]);
    },
  });
}

Deno.test({
  name: "MPTCPIZE_STRICT leaves every answer to the kernel, and forces all the same",
  ...needs(GLIBC),
  async fn() {
    const program = await compile("strict");
    const { lines } = await run(program, [], { env: { MPTCPIZE_STRICT: "1" } });
    assert.deepEqual(lines, [
      "protocol 262 user_timeout -92 zerocopy -95 sndbuf kernel rcvbuf kernel",
    ]);
  },
});

Deno.test({
  name: "SO_RCVBUF and SO_SNDBUF read back as TCP has them, and never shrink an MPTCP socket",
  ...needs(GLIBC),
  async fn() {
    assert.deepEqual((await run(await compile("buffers"))).lines, ["wrong 0"]);
  },
});
