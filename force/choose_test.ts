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
  return chooseMethod({ program, uid, gid: uid, hasLibrary });
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
    deepStrictEqual(choice.reaches.map((reach) => reach.method), ["preload", "godebug"]);
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

Deno.test("waysToReach() names a way for each refusal", () => {
  match(waysToReach(program({ setUid: true })), /as the user that it becomes/);
  match(waysToReach(program({ elf: STATIC })), /dynamically linked build/);
  match(waysToReach(program({ elf: STATIC, go: go("go1.19.8", 19) })), /Go 1\.21/);
  match(waysToReach(program({ elf: { ...DYNAMIC, machine: "i386" } })), /--method preload/);
});

Deno.test("programNotes() knows native switches and what Go before 1.24 ignores", () => {
  match(programNotes(program({ path: "/usr/bin/curl" })).join(), /curl --mptcp/);
  match(programNotes(program({ path: "/usr/bin/sudo" })).join(), /sudo mptcpize run/);
  match(programNotes(program({ go: go("go1.23.5", 23) })).join(), /ListenTCP/);
  deepStrictEqual(programNotes(program({ go: go("go1.24.0", 24) })), []);
  deepStrictEqual(programNotes(program({ path: "/x/constructor" })), []);
});
