import { deepStrictEqual, match } from "node:assert";
import type { Program } from "../program/mod.ts";
import type { ProcessFacts } from "./process_facts.ts";
import { explainTcp, type TcpFacts } from "./tcp_reasons.ts";

const PROCESS: ProcessFacts = {
  visible: true,
  libraryNamed: false,
  libraryLoaded: false,
  godebug: false,
  secure: false,
  program: undefined,
  passedIn: 0,
};

function explain(facts: Partial<TcpFacts>, process: Partial<ProcessFacts> = {}) {
  return explainTcp({
    listener: undefined,
    owner: { pid: 12, fds: [5] },
    held: true,
    heldByInit: false,
    process: { ...PROCESS, ...process },
    ulp: undefined,
    md5: false,
    enabled: true,
    accepted: 10,
    counters: new Map(),
    ...facts,
  });
}

function codes(...parameters: Parameters<typeof explain>): string[] {
  return explain(...parameters).map(({ code, certainty }) => `${code} ${certainty}`);
}

function programOf(changes: object): Program {
  return changes as Program;
}

function go(version: string, major: number, minor: number): Partial<ProcessFacts> {
  return { godebug: true, program: programOf({ go: { version, release: { major, minor } } }) };
}

Deno.test("explainTcp() finds the client, or the way to it, when the listener is MPTCP", () => {
  deepStrictEqual(codes({ listener: "mptcp" }), ["answered-as-tcp likely"]);
  const counters = (wentTcp: number) =>
    new Map([["MPCapableFallbackACK", wentTcp], ["MPCapableACKRX", 2], ["MPJoinAckRx", 1]]);
  deepStrictEqual(codes({ listener: "mptcp", counters: counters(5) }), [
    "client-went-tcp likely",
    "answered-as-tcp possible",
  ]);
  deepStrictEqual(codes({ listener: "mptcp", counters: counters(2) }), [
    "answered-as-tcp likely",
    "client-went-tcp possible",
  ]);
});

Deno.test("explainTcp() finds nothing that forces the process when nothing does", () => {
  deepStrictEqual(codes({}), ["not-forced certain"]);
  const [accepted] = explain({ listener: "tcp" });
  match(accepted?.evidence[0] ?? "", /TCP listener/);
  deepStrictEqual(codes({}, { godebug: true }), ["not-forced certain"]);
});

Deno.test("explainTcp() finds why the library is not loaded when the environment names it", () => {
  const named = { libraryNamed: true };
  deepStrictEqual(codes({}, named), ["library-not-loaded certain"]);
  deepStrictEqual(codes({}, { ...named, secure: true }), ["secure certain"]);
  deepStrictEqual(codes({}, { ...named, program: programOf({ elf: {} }) }), ["static certain"]);
  deepStrictEqual(
    codes({}, { ...named, program: programOf({ elf: { interpreter: "/lib/ld.so" } }) }),
    ["library-not-loaded certain"],
  );
});

Deno.test("explainTcp() tells a Go program's reasons by its version", () => {
  deepStrictEqual(codes({}, go("go1.19.8", 1, 19)), ["old-go certain"]);
  deepStrictEqual(codes({}, go("go1.22.1", 1, 22)), ["go-listen possible"]);
  match(explain({}, go("go1.24.1", 1, 24))[0]?.words ?? "", /turned MPTCP off itself/);
});

Deno.test("explainTcp() lists what may have happened when the library is loaded", () => {
  const loaded = { libraryNamed: true, libraryLoaded: true };
  deepStrictEqual(codes({}, loaded), ["back-to-tcp possible", "past-the-library possible"]);
  deepStrictEqual(codes({ enabled: false }, loaded)[0], "mptcp-off likely");
  deepStrictEqual(codes({ ulp: "tls" }, loaded), ["back-to-tcp certain"]);
  deepStrictEqual(codes({ md5: true }, loaded), ["back-to-tcp certain"]);
});

Deno.test("explainTcp() sees that a service manager passed the socket in", () => {
  deepStrictEqual(codes({ owner: { pid: 12, fds: [4] } }, { passedIn: 2 }), ["passed-in likely"]);
  deepStrictEqual(codes({ owner: { pid: 12, fds: [3] }, heldByInit: true }, { passedIn: 1 }), [
    "passed-in certain",
  ]);
  deepStrictEqual(codes({ owner: { pid: 12, fds: [5] } }, { passedIn: 2 }), ["not-forced certain"]);
});

Deno.test("explainTcp() says what it cannot see", () => {
  deepStrictEqual(codes({ owner: undefined }), ["not-visible certain"]);
  deepStrictEqual(codes({ owner: undefined, held: false }), ["no-owner certain"]);
  deepStrictEqual(codes({}, { visible: false }), ["not-visible certain"]);
});
