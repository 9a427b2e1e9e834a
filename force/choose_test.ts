import { deepStrictEqual, match, strictEqual } from "node:assert";
import type { Elf, GoBuild, Program } from "../program/mod.ts";
import { chooseMethod, refusalReason, waysToReach } from "./choose.ts";
import { programNotes } from "./notes.ts";

const DYNAMIC: Elf = {
  class: 64,
  endian: "little",
  machine: "x86_64",
  type: "shared",
  interpreter: "/lib64/ld-linux-x86-64.so.2",
  libc: "glibc",
};
const { interpreter: _, ...rest } = DYNAMIC;
const STATIC: Elf = { ...rest, libc: "none", type: "executable" };

function program(changes: Partial<Program> = {}): Program {
  return {
    path: "/bin/x",
    format: "elf",
    setUid: false,
    setGid: false,
    ownerUid: 0,
    ownerGid: 0,
    fileCapabilities: false,
    unreadable: false,
    elf: DYNAMIC,
    ...changes,
  };
}

function go(version: string, minor: number | undefined): GoBuild {
  return { version, ...(minor === undefined ? {} : { release: { major: 1, minor } }) };
}

function choose(program: Program, uid = 1000) {
  const hasLibrary = (machine: string) => machine === "x86_64";
  return chooseMethod({ program, uid, gid: uid, hasLibrary, machine: "x86_64" });
}

Deno.test("chooseMethod() takes the method that reaches the program", () => {
  for (
    const [file, method, reason] of [
      [program(), "preload", /dynamically linked/],
      [
        program({ elf: { ...DYNAMIC, libc: "musl", interpreter: "/lib/ld-musl-x86_64.so.1" } }),
        "preload",
        /ld-musl/,
      ],
      [program({ elf: STATIC }), undefined, /statically linked/],
      [program({ elf: STATIC, launcher: true }), "preload", /mptcpize itself/],
      [program({ elf: { ...DYNAMIC, machine: "i386", class: 32 } }), undefined, /i386/],
      [program({ elf: STATIC, go: go("go1.23.5", 23) }), "godebug", /go1\.23\.5/],
      [program({ go: go("go1.21.0", 21) }), "godebug", /go1\.21\.0/],
      [program({ elf: STATIC, go: go("go1.20.14", 20) }), undefined, /needs Go 1\.21/],
      [program({ go: go("go1.19.8", 19) }), undefined, /needs Go 1\.21/],
      [program({ elf: STATIC, go: go("devel +abc", undefined) }), "godebug", /taken to be/],
      [program({ setUid: true }), undefined, /set-user-ID \(owner 0\)/],
      [program({ setGid: true }), undefined, /set-group-ID/],
      [program({ fileCapabilities: true }), undefined, /file capabilities/],
      [program({ setUid: true, ownerUid: 1000 }), "preload", /dynamically/],
    ] as const
  ) {
    const choice = choose(file);
    strictEqual(choice.method, method, String(reason));
    const reached = choice.reaches.find((reach) => reach.method === method);
    match(reached?.reason ?? refusalReason(choice, file), reason);
    deepStrictEqual(choice.reaches.map((reach) => reach.method), ["preload", "godebug", "patch"]);
  }
});

Deno.test("chooseMethod() minds who runs a set-id program", () => {
  strictEqual(choose(program({ setUid: true }), 0).method, "preload");
  strictEqual(choose(program({ setUid: true, ownerUid: 33 }), 0).method, undefined);
  strictEqual(choose(program({ fileCapabilities: true }), 0).method, "preload");
});

Deno.test("chooseMethod() takes what cannot be read for dynamic", () => {
  const { elf: _, ...unread } = program({ unreadable: true });
  strictEqual(choose(unread).method, "preload");
});

Deno.test("chooseMethod() patches only what it is allowed to", () => {
  const static_ = program({ elf: STATIC });
  const facts = { program: static_, uid: 0, gid: 0, hasLibrary: () => true, machine: "x86_64" };
  strictEqual(chooseMethod(facts).method, undefined);
  strictEqual(chooseMethod({ ...facts, allowPatch: true }).method, "patch");
  strictEqual(chooseMethod({ ...facts, allowPatch: true, sites: 0 }).method, undefined);
  strictEqual(chooseMethod({ ...facts, allowPatch: true, program: program() }).method, "preload");
  for (
    const [file, sites, reaches, reason] of [
      [static_, undefined, true, /can be replaced in memory/],
      [static_, 1, true, /^1 place of its code/],
      [static_, 7, true, /^7 places of its code/],
      [static_, 0, false, /no call of socket/],
      [program(), 7, false, /dynamically linked/],
      [program({ elf: STATIC, setUid: true, ownerUid: 5 }), 7, false, /gains rights/],
      [program({ elf: { ...STATIC, class: 32 } }), 7, false, /32-bit/],
      [program({ elf: { ...STATIC, machine: "aarch64" } }), 7, false, /aarch64/],
      [program({ elf: STATIC, unreadable: true }), 7, false, /cannot be read/],
    ] as const
  ) {
    const reach = chooseMethod({ ...facts, program: file, sites }).reaches.at(-1);
    strictEqual(reach?.reaches, reaches, String(reason));
    match(reach?.reason ?? "", reason);
  }
});

Deno.test("chooseMethod() takes bpf where the kernel permits it and nothing else reaches the program", () => {
  const facts = { uid: 0, gid: 0, hasLibrary: () => true, machine: "x86_64", allowPatch: true };
  const [yes, no, unknown] = [
    { state: "yes" },
    { state: "no", reason: "the kernel is too old", needs: "Linux 6.6" },
    { state: "unknown", cause: "it failed oddly" },
  ] as const;
  for (
    const [file, bpf, method, reason] of [
      [program(), yes, "preload", /but for io_uring's/],
      [program({ elf: STATIC, go: go("go1.23.5", 23) }), yes, "godebug", /the kernel makes/],
      [program({ elf: STATIC }), yes, "bpf", /and those of its children/],
      [program({ setUid: true, ownerUid: 5 }), yes, "bpf", /the kernel/],
      [program({ elf: STATIC }), no, "patch", /^the kernel is too old$/],
      [program({ elf: STATIC }), unknown, "patch", /^it failed oddly$/],
      [program({ setUid: true, ownerUid: 5 }), no, undefined, /too old/],
    ] as const
  ) {
    const choice = chooseMethod({ ...facts, program: file, bpf });
    strictEqual(choice.method, method);
    const reach = choice.reaches.find((reach) => reach.method === "bpf");
    strictEqual(reach?.reaches, bpf.state === "yes");
    match(reach?.reason ?? "", reason);
  }
  const untried = chooseMethod({ ...facts, program: program() }).reaches;
  deepStrictEqual(untried.map(({ method }) => method), ["preload", "godebug", "patch"]);
});

Deno.test("waysToReach() names a way for each refusal", () => {
  const ways = (file: Program) => waysToReach(choose(file), file);
  match(ways(program({ setUid: true })), /^run it as the user that it becomes/);
  match(ways(program({ elf: STATIC })), /--method patch.*dynamically linked build/);
  const own = program({ elf: STATIC, setUid: true, ownerUid: 1000 });
  match(ways(own), /^`--method patch/);
  match(ways(program({ elf: STATIC, go: go("go1.19.8", 19) })), /--method patch.*Go 1\.21/);
  match(ways(program({ elf: { ...STATIC, machine: "i386", class: 32 } })), /^use a dynamically/);
  match(ways(program({ elf: { ...DYNAMIC, machine: "i386" } })), /^`--method preload/);
  const file = program({ elf: STATIC });
  match(waysToReach(choose(file), file, 1000), /^as root `--method bpf`.*--method patch/);
});

Deno.test("programNotes() knows native switches and what Go before 1.24 ignores", () => {
  match(programNotes(program({ path: "/usr/bin/curl" })).join(), /curl --mptcp/);
  match(programNotes(program({ path: "/usr/bin/sudo" })).join(), /sudo mptcpize run/);
  match(programNotes(program({ go: go("go1.23.5", 23) })).join(), /ListenTCP/);
  deepStrictEqual(programNotes(program({ go: go("go1.24.0", 24) })), []);
  deepStrictEqual(programNotes(program({ path: "/x/constructor" })), []);
});
