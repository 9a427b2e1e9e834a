import { deepStrictEqual, ok, strictEqual } from "node:assert";
import {
  findPatchPages,
  type ForcedProcess,
  groupProcesses,
  judgeProcess,
  parseStat,
  readForcedProcesses,
} from "./forced_process.ts";
import { type ProcessFacts, readProcessFacts } from "./process_facts.ts";

const PLAIN: ProcessFacts = {
  visible: true,
  libraryNamed: false,
  libraryLoaded: false,
  godebug: false,
  secure: false,
  program: undefined,
  passedIn: 0,
};
const DYNAMIC = readProcessFacts(Deno.pid).program!;

function go(minor: number): ProcessFacts["program"] {
  const version = `go1.${minor}`;
  return {
    ...DYNAMIC,
    go: { version, release: { major: 1, minor } },
  } as NonNullable<ProcessFacts["program"]>;
}

Deno.test("judgeProcess() names the method that reaches a process, and the obstacle where none does", () => {
  const judge = (facts: Partial<ProcessFacts>, patched = false) => {
    const judged = judgeProcess({ ...PLAIN, ...facts }, patched);
    return judged && [judged.method, judged.obstacle?.code];
  };
  const named = { libraryNamed: true, godebug: true };
  for (
    const [judged, wanted] of [
      [judge({}), undefined],
      [judge({ program: DYNAMIC, godebug: true }), undefined],
      [judge({ program: DYNAMIC, ...named, libraryLoaded: true }), ["preload", undefined]],
      // A server that has written over its environment.
      [judge({ program: DYNAMIC, libraryLoaded: true }), ["preload", undefined]],
      [judge({ program: DYNAMIC, ...named }), ["preload", "library-not-loaded"]],
      [judge({ program: DYNAMIC, ...named, secure: true }), ["preload", "secure"]],
      [judge({ program: go(21), ...named }), ["godebug", undefined]],
      [judge({ program: go(24), godebug: true }), ["godebug", undefined]],
      [judge({ program: go(20), ...named }), ["godebug", "old-go"]],
      [judge({ program: go(20), ...named }, true), ["patch", undefined]],
      [judge({ program: go(20) }), undefined],
      [judge({ program: DYNAMIC }, true), ["patch", undefined]],
    ]
  ) deepStrictEqual(judged, wanted);
});

Deno.test("parseStat() reads names with blanks and parentheses", () => {
  const rest = Array.from({ length: 40 }, (_, index) => String(index)).join(" ");
  deepStrictEqual(parseStat(`12 (a) (b) S ${rest}`), { command: "a) (b", parent: 0, start: 18 });
});

Deno.test("findPatchPages() takes anonymous code of its size, and the program's last page", () => {
  const maps = [
    "003f0000-003f4000 r-xp 00000000 00:00 0 ",
    "00400000-00404000 r-xp 00001000 08:01 77                         /bin/a static",
    "00404000-00405000 rw-p 00004000 08:01 77                         /bin/a static",
    "00500000-00504000 rwxp 00000000 00:00 0 ",
    "00600000-00608000 r-xp 00000000 00:00 0 ",
    "7ffb0000-7ffb4000 r-xp 00000000 08:01 78                         /lib/other.so",
    "7ffd0000-7ffd4000 r-xp 00000000 00:00 0                          [vdso]",
    "",
  ].join("\n");
  deepStrictEqual(findPatchPages(maps, "/bin/a static"), [0x3f0000n, 0x403000n]);
});

Deno.test("groupProcesses() takes forks with their parent, and nothing else", () => {
  const process = (
    pid: number,
    parent: number,
    command: string,
    changes: Partial<ForcedProcess> = {},
  ): ForcedProcess => ({
    ...{ pid, parent, command, method: "preload", since: new Date(0) },
    ...changes,
  });
  const groups = groupProcesses([
    process(10, 1, "nginx"),
    process(11, 10, "nginx"),
    process(12, 11, "nginx"),
    process(13, 10, "php"),
    process(14, 10, "nginx", { method: "godebug" }),
    process(15, 2, "nginx"),
    // Two that call each other their parent, as a number that was given anew may look.
    process(20, 21, "x"),
    process(21, 20, "x"),
  ]);
  deepStrictEqual(groups.map(({ pids }) => pids), [[10, 11, 12], [13], [14], [15], [20], [21]]);
});

Deno.test("readForcedProcesses() leaves out this process, and what has gone", () => {
  const { processes, unseen } = readForcedProcesses([Deno.pid, 0x7ffffffe]);
  deepStrictEqual([processes, unseen], [[], 0]);
  ok(readForcedProcesses().processes.every(({ pid }) => pid !== Deno.pid));
  strictEqual(readForcedProcesses([]).unseen, 0);
});
