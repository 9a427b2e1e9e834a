/**
 * Compares what this folder says of a command with what execvp(3) and execve(2) do with it.
 */

import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { NotFoundError, NotPermittedError } from "../errors.ts";
import { isRoot, skipUnless } from "../tests/skip.ts";
import { findCommand } from "./read.ts";
import { parseScriptLine } from "./script.ts";
import {
  copyProgram,
  type Execution,
  execvp,
  findInChild,
  runTool,
  temporaryDirectory,
  writeFile,
} from "./testing/execution.ts";
import { buildElf } from "./testing/elf_builder.ts";
import type { FindAnswer } from "./testing/find_child.ts";
import { Random, runSeed } from "./testing/random.ts";

const NOBODY = 65534;
const ECHO_PATH = '#!/bin/sh\necho "$0"\n';
/** readlink(1) copied as the command tells where it is; scripts do not look at the argument. */
const ARGUMENT = "/proc/self/exe";

/** Ways to put a command at a path; each says by its output which file it is. */
const KINDS: Readonly<Record<string, (at: string, root: string) => void>> = {
  absent: () => {},
  script: (at) => writeFile(at, ECHO_PATH),
  text: (at) => writeFile(at, 'echo "$0"\n'),
  empty: (at) => writeFile(at, ""),
  elf: (at) => copyProgram("/usr/bin/readlink", at),
  "unreadable elf": (at) => {
    copyProgram("/usr/bin/readlink", at);
    Deno.chmodSync(at, 0o711);
  },
  "owner's script": (at) => writeFile(at, ECHO_PATH, 0o700),
  "not executable": (at) => writeFile(at, ECHO_PATH, 0o644),
  directory: (at) => Deno.mkdirSync(at),
  pipe: (at) => runTool("mkfifo", "-m", "777", at),
  dangling: (at) => Deno.symlinkSync("nowhere", at),
  loop: (at) => Deno.symlinkSync("cmd", at),
  link: (at, root) => Deno.symlinkSync(`${root}/i/good`, at),
  "missing interpreter": (at) => writeFile(at, "#!/nonexistent/sh\n"),
  "refused interpreter": (at) => writeFile(at, "#!/etc/passwd\n"),
  "directory as interpreter": (at) => writeFile(at, "#!/etc\n"),
  "relative interpreter": (at) => writeFile(at, '#!i/sh\necho "$0"\n'),
  chain: (at, root) => writeFile(at, `#!${root}/i/first\n`),
  "chain to text": (at, root) => writeFile(at, `#!${root}/i/text\necho "$0"\n`),
  "endless chain": (at, root) => writeFile(at, `#!${root}/i/endless\n`),
  "missing loader": (at) =>
    writeFile(
      at,
      buildElf({
        class: 64,
        endian: "little",
        machine: Deno.build.arch === "aarch64" ? 183 : 62,
        interpreter: "/nonexistent/ld.so.1",
      }),
    ),
};

function makeLayout(root: string, random: Random): string {
  Deno.mkdirSync(root);
  const interpreters = `${root}/i`;
  Deno.mkdirSync(interpreters);
  writeFile(`${interpreters}/good`, ECHO_PATH);
  writeFile(`${interpreters}/first`, '#!/bin/sh\necho "$1"\n');
  writeFile(`${interpreters}/text`, 'echo "wrong: $0"\n');
  writeFile(`${interpreters}/endless`, `#!${interpreters}/endless\n`);
  Deno.symlinkSync("/bin/sh", `${interpreters}/sh`);
  const kinds = Object.keys(KINDS);
  const made = ["", "a", "b", "c", "private"].map((name) => {
    const directory = name === "" ? root : `${root}/${name}`;
    if (name !== "") Deno.mkdirSync(directory);
    const kind = random.below(3) === 0 ? "absent" : random.pick(kinds);
    KINDS[kind]!(`${directory}/cmd`, root);
    return `${name || "."}: ${kind}`;
  });
  Deno.chmodSync(`${root}/private`, 0o700);
  return made.join(", ");
}

function randomPath(root: string, random: Random): string | undefined {
  if (random.below(20) === 0) return undefined;
  const elements = [
    `${root}/a`,
    `${root}/b`,
    `${root}/c/`,
    "a",
    "./b",
    "c/../c",
    "",
    "nowhere",
    "a/cmd",
    `${root}/private`,
    "/bin",
    "l".repeat(300),
  ];
  return Array.from({ length: 1 + random.below(5) }, () => random.pick(elements)).join(":");
}

const COMMANDS = [
  ...Array(20).fill("cmd"),
  ...["./cmd", "a/cmd", "a/cmd/", "a", "missing", "missing/cmd", "true", "n".repeat(255)],
  ...["n".repeat(256), "n".repeat(300), `./${"n".repeat(256)}`, "p/".repeat(2100)],
];

/** Compares the error, or the path that was executed. */
function compare(found: FindAnswer, real: Execution, root: string, context: string): void {
  const { path = "", error } = found;
  if (real.error !== undefined || error !== undefined) {
    return equal(error ?? `found ${path}`, real.error, context);
  }
  // Not every command tells: what the shell cannot read, an empty file, true(1).
  const told = real.output.trimEnd();
  if (told === "" || told === path) return;
  // readlink tells its path without relative parts.
  equal(Deno.realPathSync(path.startsWith("/") ? path : `${root}/${path}`), told, context);
}

for (const uid of [undefined, NOBODY]) {
  const who = uid === undefined ? "this user" : "a user without rights";
  Deno.test({
    name: `findCommand() finds what execvp(3) executes when ${who} asks`,
    ...skipUnless("root", uid === undefined || isRoot()),
    async fn() {
      const seed = runSeed();
      const random = new Random(seed);
      const layouts = Number(Deno.env.get("MPTCPIZE_LAYOUTS") ?? 15);
      using directory = temporaryDirectory();
      const outcomes = new Map<string, number>();
      for (let layout = 0; layout < layouts; layout++) {
        const root = `${directory.path}/${layout}`;
        const made = makeLayout(root, random);
        const cases = Array.from({ length: 12 }, () => ({
          command: random.pick<string>(COMMANDS),
          path: randomPath(root, random),
        }));
        const found = await findInChild(root, { uid, cases });
        cases.forEach(({ command, path }, index) => {
          const real = execvp([command, ARGUMENT], { path, cwd: root, uid });
          const context = `${command} in ${path}, ${made}, seed ${seed}`;
          compare(found[index]!, real, root, context);
          const outcome = real.error ?? "executed";
          outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        });
      }
      // The layouts must be such that each kind of answer occurs.
      ok((outcomes.get("executed") ?? 0) > layouts, JSON.stringify([...outcomes]));
      ok((outcomes.get("No such file or directory") ?? 0) > layouts, JSON.stringify([...outcomes]));
      ok(outcomes.has("Permission denied"), JSON.stringify([...outcomes]));
    },
  });
}

/** A random `#!` line about the interpreter `echo`, with all that decides how it is read. */
function randomScript(interpreter: string, random: Random): string {
  const blanks = () => random.pick(["", "", " ", "\t", "  \t "]);
  const padding = random.pick([0, 0, 0, 200, 245, 253 + random.below(6)]);
  const path = random.below(12) === 0
    ? random.pick(["", "/nonexistent/x", "\0", "x\0y"])
    : "/".repeat(Math.max(0, padding - interpreter.length - 2)) + interpreter;
  const argument = random.pick(["", "-e", "a b", "a \t b", "\0", "a\0b", "x".repeat(250)]);
  const end = random.pick(["\n", "\n", "", "\0", "\0\n", "\r\n", " \nrest\n", "\n\0", "  "]);
  return `#!${blanks()}${path}${blanks()}${argument && ` ${argument}`}${blanks()}${end}`;
}

Deno.test("parseScriptLine() reads what execve(2) reads, for random lines", () => {
  const seed = runSeed();
  const random = new Random(seed);
  using directory = temporaryDirectory();
  const root = directory.path;
  copyProgram("/usr/bin/echo", `${root}/echo`);
  const outcomes = { executed: 0, shell: 0, missing: 0 };
  for (let round = 0; round < Number(Deno.env.get("MPTCPIZE_LINES") ?? 300); round++) {
    const content = randomScript(`${root}/echo`, random);
    const script = `${root}/s`;
    writeFile(script, content);
    const real = execvp([script], {});
    const line = parseScriptLine(new TextEncoder().encode(content).subarray(0, 256))?.line;
    const context = `${JSON.stringify(content)} gave ${JSON.stringify(real)}, seed ${seed}`;
    if (line === undefined) {
      outcomes.shell++;
      deepEqual(real, { error: undefined, output: "" }, context);
    } else if (!line.interpreter.endsWith(`${root}/echo`)) {
      outcomes.missing++;
      const error = line.interpreter === "" ? "Permission denied" : "No such file or directory";
      equal(real.error, error, context);
      throws(
        () => findCommand(script, undefined),
        error === "Permission denied" ? NotPermittedError : NotFoundError,
        context,
      );
    } else {
      outcomes.executed++;
      const argument = line.argument === undefined ? [] : [line.argument];
      // echo takes -e as an option.
      const words = argument[0] === "-e" ? [script] : [...argument, script];
      deepEqual(real, { error: undefined, output: `${words.join(" ")}\n` }, context);
    }
  }
  ok(Math.min(...Object.values(outcomes)) > 0, `${JSON.stringify(outcomes)}, seed ${seed}`);
});

Deno.test("findCommand() follows as many interpreters as the kernel does", async () => {
  using directory = temporaryDirectory();
  const root = directory.path;
  copyProgram("/usr/bin/echo", `${root}/s0`);
  for (let depth = 1; depth <= 8; depth++) {
    writeFile(`${root}/s${depth}`, `#!${root}/s${depth - 1}\n`);
  }
  const names = Array.from({ length: 9 }, (_, depth) => `${root}/s${depth}`);
  const found = await findInChild(root, { cases: names.map((command) => ({ command })) });
  const errors = names.map((name) => execvp([name], {}).error);
  deepEqual(found.map(({ error }) => error), errors);
  equal(errors[5], undefined);
  equal(errors[6], "Too many levels of symbolic links");
});
