import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import {
  FormatError,
  MptcpizeError,
  NotFoundError,
  NotPermittedError,
  SyscallError,
  UsageError,
} from "../errors.ts";
import { openFds } from "../ffi/fd.ts";
import { commandExists, isRoot, skipUnless, skipUnlessAll } from "../tests/skip.ts";
import { imageOf } from "./program.ts";
import { findCommand, readProgram } from "./read.ts";
import { buildElf, inlineGoRecord } from "./testing/elf_builder.ts";
import {
  copyProgram,
  findInChild,
  runTool,
  temporaryDirectory,
  writeFile,
} from "./testing/execution.ts";

const NOBODY = 65534;
const X86 = { class: 64, endian: "little" } as const;
/** The machine of this build of Deno, as an ELF file numbers it. */
const THIS_MACHINE = Deno.build.arch === "aarch64" ? 183 : 62;

function thrown(action: () => unknown): MptcpizeError {
  try {
    action();
  } catch (error) {
    ok(error instanceof MptcpizeError, `${error}`);
    return error;
  }
  throw new Error("nothing was thrown");
}

Deno.test("readProgram() reads this machine's own programs", () => {
  const shell = readProgram("/bin/sh");
  equal(shell.format, "elf");
  equal(shell.elf?.libc, "glibc");
  equal(shell.elf?.machine, Deno.build.arch);
  equal(imageOf(shell), shell);
  equal(readProgram(Deno.execPath()).go, undefined);
});

Deno.test({
  name: "readProgram() finds no loader when the program is busybox-static",
  ...skipUnless(
    "busybox-static",
    () => commandExists("busybox") && readProgram("/bin/busybox").elf?.interpreter === undefined,
  ),
  fn() {
    equal(readProgram("/bin/busybox").elf?.libc, "none");
  },
});

const GO = "/usr/lib/go-1.19/bin/go";
Deno.test({
  name: "readProgram() reads what Go 1.19 builds, stripped too",
  ...skipUnless("golang-1.19", () => findsFile(GO)),
  fn() {
    match(readProgram(GO).go?.version ?? "", /^go1\.19/);
    using directory = temporaryDirectory();
    const { path } = directory;
    Deno.mkdirSync(`${path}/tool`);
    writeFile(`${path}/tool/main.go`, "package main\n\nfunc main() {}\n");
    writeFile(`${path}/tool/go.mod`, "module example.org/tool\n\ngo 1.19\n");
    for (const [name, flags] of [["plain", "-ldflags="], ["stripped", "-ldflags=-s -w"]] as const) {
      const { success } = new Deno.Command(GO, {
        args: ["build", "-p", "1", flags, "-o", `../${name}`, "."],
        cwd: `${path}/tool`,
        env: { GOCACHE: `${path}/cache`, GOFLAGS: "-mod=mod", GOPROXY: "off", HOME: path },
      }).outputSync();
      ok(success, name);
      const { elf, go } = readProgram(`${path}/${name}`);
      deepEqual(go?.release, { major: 1, minor: 19 }, name);
      equal(go?.mainModule, "example.org/tool", name);
      equal(elf?.libc, "none", name);
    }
  },
});

function findsFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

Deno.test("readProgram() gives a script with the interpreter that is loaded for it", () => {
  using directory = temporaryDirectory();
  const script = `${directory.path}/script`;
  const outer = `${directory.path}/outer`;
  writeFile(script, "#!/usr/bin/env -S sh -e\n", 0o6755);
  writeFile(outer, `#!${script} -x\n`);
  const program = readProgram(outer);
  deepEqual(program.script, { interpreter: script, argument: "-x", envCommand: undefined });
  equal(program.interpreterProgram?.script?.envCommand, "sh");
  // The bits of a script count for nothing.
  equal(program.interpreterProgram?.setUid, false);
  equal(program.interpreterProgram?.setGid, false);
  equal(imageOf(program).path, "/usr/bin/env");
  equal(imageOf(program).format, "elf");
});

Deno.test("readProgram() reads a script that is not executable", () => {
  using directory = temporaryDirectory();
  writeFile(`${directory.path}/s`, "#!/bin/sh\n", 0o644);
  equal(readProgram(`${directory.path}/s`).format, "script");
});

Deno.test("readProgram() gives the shell as interpreter when the kernel says ENOEXEC", () => {
  using directory = temporaryDirectory();
  const text = `${directory.path}/text`;
  const script = `${directory.path}/script`;
  for (const content of ["echo text\n", "", "#!\n", "\x7fEL"]) {
    writeFile(text, content);
    const program = readProgram(text);
    equal(program.format, "unknown", content);
    equal(program.unreadable, false);
    equal(imageOf(program).path, "/bin/sh", content);
  }
  writeFile(script, `#!${text}\n`);
  const program = readProgram(script);
  equal(program.format, "unknown");
  equal(program.script?.interpreter, text);
  equal(program.interpreterProgram?.path, "/bin/sh");
});

Deno.test("readProgram() throws FormatError when interpreters never end", () => {
  using directory = temporaryDirectory();
  const [self, other] = [`${directory.path}/self`, `${directory.path}/other`];
  writeFile(self, `#!${self}\n`);
  match(thrown(() => readProgram(self)).message, /execve: ELOOP/);
  writeFile(self, `#!${other}\n`);
  writeFile(other, `#!${self}\n`);
  throws(() => readProgram(self), FormatError);
});

Deno.test("readProgram() names the file in the error when it is broken", () => {
  using directory = temporaryDirectory();
  const path = `${directory.path}/broken`;
  writeFile(path, "\x7fELF");
  const error = thrown(() => readProgram(path));
  ok(error instanceof FormatError);
  equal(error.message, `Cannot read ${path}: its header ends after 4 bytes`);
});

Deno.test("readProgram() opens regular files only", () => {
  using directory = temporaryDirectory();
  const pipe = `${directory.path}/pipe`;
  runTool("mkfifo", "-m", "777", pipe);
  // A pipe without a writer would block for ever, and a terminal or /dev/zero never ends.
  for (const path of [pipe, "/dev/zero", "/dev/tty"]) {
    const error = thrown(() => readProgram(path));
    ok(error instanceof NotPermittedError);
    equal(error.message, `Cannot execute ${path}: it is no regular file (execve: EACCES)`);
  }
  const error = thrown(() => readProgram(directory.path));
  equal(error.message, `Cannot execute ${directory.path}: it is a directory (execve: EACCES)`);
  writeFile(`${directory.path}/s`, `#!${pipe}\n`);
  throws(() => readProgram(`${directory.path}/s`), NotPermittedError);
});

Deno.test("readProgram() reads pieces only when a file is of 64 GiB", () => {
  using directory = temporaryDirectory();
  const size = 64 * 2 ** 30;
  const path = `${directory.path}/large`;
  const bytes = buildElf({
    ...X86,
    data: inlineGoRecord("go1.22.2", ""),
    section: ".go.buildinfo",
  });
  // The section headers stand at the end of the file.
  const view = new DataView(bytes.buffer);
  const sections = Number(view.getBigUint64(40, true));
  view.setBigUint64(40, BigInt(size - 192), true);
  writeFile(path, bytes);
  Deno.truncateSync(path, size);
  using file = Deno.openSync(path, { write: true });
  file.seekSync(size - 192, Deno.SeekMode.Start);
  file.writeSync(bytes.subarray(sections, sections + 192));
  equal(readProgram(path).go?.version, "go1.22.2");
});

Deno.test("readProgram() says what is wrong with a path", () => {
  using directory = temporaryDirectory();
  const { path } = directory;
  writeFile(`${path}/script`, "#!/nonexistent/sh\n");
  writeFile(`${path}/refused`, "#!/etc/passwd\n");
  Deno.symlinkSync("loop", `${path}/loop`);
  const message = (name: string) => thrown(() => readProgram(`${path}/${name}`)).message;
  const where = (name: string) => `Cannot execute ${path}/${name}`;
  equal(message("none"), `${where("none")}: there is no such file (execve: ENOENT)`);
  equal(
    message("script"),
    `${where("script")}: its interpreter /nonexistent/sh is not there (execve: ENOENT)`,
  );
  equal(
    message("refused"),
    `${where("refused")}: its interpreter /etc/passwd may not be executed (execve: EACCES)`,
  );
  equal(message("script/x"), `${where("script/x")}: Not a directory (execve: ENOTDIR)`);
  equal(message("loop"), `${where("loop")}: Too many levels of symbolic links (execve: ELOOP)`);
  const long = "n".repeat(300);
  equal(message(long), `${where(long)}: File name too long (execve: ENAMETOOLONG)`);
  throws(() => readProgram(`${path}/script\0`), UsageError);
  throws(() => readProgram(""), NotFoundError);
});

Deno.test("findCommand() says where it looked when there is nothing", () => {
  const error = thrown(() => findCommand("no-such-command", "/bin:/nowhere:"));
  ok(error instanceof NotFoundError);
  equal(
    error.message,
    "Cannot find no-such-command: it is in no directory of PATH (execvp: ENOENT)",
  );
  deepEqual(error.tried, ["/bin/no-such-command", "/nowhere/no-such-command", "no-such-command"]);
  equal(
    thrown(() => findCommand("/nowhere/x", "/bin")).message,
    "Cannot find /nowhere/x: there is no such file (execvp: ENOENT)",
  );
  equal(
    thrown(() => findCommand("", "/bin")).message,
    "Cannot find a command: its name is empty (execvp: ENOENT)",
  );
  throws(() => findCommand("true\0", "/bin"), UsageError);
});

Deno.test("findCommand() says why when what is there cannot be executed", () => {
  using directory = temporaryDirectory();
  const { path } = directory;
  const where = (name: string) => `Cannot execute ${path}/${name}`;
  writeFile(`${path}/plain`, "#!/bin/sh\n", 0o644);
  writeFile(`${path}/dangling`, "#!/nonexistent/sh\n");
  const loader = "/nonexistent/ld.so.1";
  writeFile(`${path}/dynamic`, buildElf({ ...X86, machine: THIS_MACHINE, interpreter: loader }));
  const fail = (name: string) => thrown(() => findCommand(name, `/nowhere:${path}:/nowhere`));

  const plain = fail("plain");
  ok(plain instanceof NotPermittedError);
  equal(plain.message, `${where("plain")}: it is not marked as executable (execve: EACCES)`);
  const dangling = fail("dangling");
  ok(dangling instanceof NotFoundError);
  match(dangling.message, /its interpreter \/nonexistent\/sh is not there/);
  const dynamic = fail("dynamic");
  ok(dynamic instanceof NotFoundError);
  match(dynamic.message, /its loader \/nonexistent\/ld\.so\.1 is not there/);
  equal(readProgram(`${path}/dynamic`).elf?.interpreter, loader);
  const notDirectory = thrown(() => findCommand("x", `${path}/plain`));
  ok(notDirectory instanceof SyscallError && notDirectory.code === "ENOTDIR");
});

Deno.test("findCommand() leaves the loader alone when the program is for another machine", () => {
  using directory = temporaryDirectory();
  const bytes = buildElf({ ...X86, machine: 243, interpreter: "/nonexistent/ld.so.1" });
  writeFile(`${directory.path}/foreign`, bytes);
  equal(findCommand("foreign", directory.path).program.elf?.machine, "riscv");
});

Deno.test("findCommand() and readProgram() take paths that are not UTF-8", () => {
  using directory = temporaryDirectory();
  // The runtime's own calls cannot make such names.
  const script = 'cd "$0" && d=$(printf "d\\377") && mkdir "$d" && cp /bin/true "$d/t" && ' +
    'chmod 4755 "$d/t" && printf "#!%s/%s/t\\n" "$0" "$d" > "$d/s" && chmod 755 "$d/s" && ' +
    'mkfifo -m 777 "$d/p"';
  runTool("sh", "-c", script, directory.path);
  const folder = Uint8Array.from([...new TextEncoder().encode(`${directory.path}/d`), 0xff]);
  const inFolder = (name: string) =>
    Uint8Array.from([...folder, ...new TextEncoder().encode(`/${name}`)]);
  const found = findCommand("s", folder);
  deepEqual(found.bytes, inFolder("s"));
  equal(found.path, `${directory.path}/d\ufffd/s`);
  deepEqual(readProgram(found.bytes), found.program);
  equal(imageOf(found.program).path, `${directory.path}/d\ufffd/t`);
  equal(imageOf(found.program).elf?.libc, "glibc");
  equal(imageOf(found.program).setUid, true);
  throws(() => readProgram(inFolder("p")), NotPermittedError);
  throws(() => readProgram(inFolder("none")), NotFoundError);
  deepEqual(openFds(), []);
});

Deno.test({
  name: "findCommand() gives what stat tells when a program may be executed but not read",
  ...skipUnless("root", isRoot),
  async fn() {
    using directory = temporaryDirectory();
    const { path } = directory;
    copyProgram("/bin/true", `${path}/hidden`);
    Deno.chmodSync(`${path}/hidden`, 0o4111);
    writeFile(`${path}/closed`, "#!/bin/sh\n", 0o600);
    const cases = ["hidden", "closed"].map((name) => ({ command: `${path}/${name}` }));
    const [hidden, closed] = await findInChild(path, { uid: NOBODY, cases });
    deepEqual(hidden?.program, {
      path: `${path}/hidden`,
      format: "unknown",
      unreadable: true,
      setUid: true,
      setGid: false,
      fileCapabilities: false,
      ownerUid: 0,
      ownerGid: 0,
    });
    equal(closed?.error, "Permission denied");
  },
});

/** Whether the kernel starts a program in secure mode: the loader then shows no auxiliary vector. */
function startsSecure(path: string, uid: number): boolean {
  const { success, stdout } = new Deno.Command(path, {
    uid,
    gid: uid,
    env: { LD_SHOW_AUXV: "1" },
  }).outputSync();
  ok(success, path);
  const vector = new TextDecoder().decode(stdout);
  ok(vector === "" || /AT_SECURE: *0\n/.test(vector), vector);
  return vector === "";
}

/** Whether the temporary directory is on a file system that heeds set-id bits. */
function heedsSetId(): boolean {
  if (!isRoot()) return false;
  using directory = temporaryDirectory();
  copyProgram("/bin/true", `${directory.path}/true`);
  Deno.chmodSync(`${directory.path}/true`, 0o4755);
  try {
    return startsSecure(`${directory.path}/true`, NOBODY);
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) return false;
    throw error;
  }
}

const SECURE_CASES: [
  name: string,
  change: (path: string) => void,
  expected: [setUid: boolean, setGid: boolean, fileCapabilities: boolean],
  forSelf: boolean,
][] = [
  ["nothing", () => {}, [false, false, false], false],
  ["set-user-ID", (path) => Deno.chmodSync(path, 0o4755), [true, false, false], true],
  ["set-group-ID", (path) => Deno.chmodSync(path, 0o2755), [false, true, false], true],
  ["set-group-ID without x", (path) => Deno.chmodSync(path, 0o2745), [false, false, false], false],
  ["capabilities", (path) => runTool("setcap", "cap_net_raw=ep", path), [false, false, true], true],
  [
    "permitted ones",
    (path) => runTool("setcap", "cap_net_raw=p", path),
    [false, false, true],
    true,
  ],
  [
    "inheritable ones",
    (path) => runTool("setcap", "cap_net_raw=i", path),
    [false, false, false],
    false,
  ],
  [
    "set-user-ID of who executes it",
    (path) => {
      Deno.chownSync(path, NOBODY, NOBODY);
      Deno.chmodSync(path, 0o4755);
    },
    [true, false, false],
    false,
  ],
];

for (const [name, change, expected, secure] of SECURE_CASES) {
  Deno.test({
    name: `readProgram() and the kernel agree on rights when a file has ${name}`,
    ...skipUnlessAll(
      skipUnless("set-id files", heedsSetId, "run as root where /tmp is not mounted nosuid"),
      skipUnless("setcap", () => commandExists("setcap")),
    ),
    fn() {
      using directory = temporaryDirectory();
      const path = `${directory.path}/true`;
      copyProgram("/bin/true", path);
      change(path);
      const { setUid, setGid, fileCapabilities, ownerUid } = readProgram(path);
      deepEqual([setUid, setGid, fileCapabilities], expected);
      equal(startsSecure(path, NOBODY), secure);
      equal((setUid && ownerUid !== NOBODY) || setGid || fileCapabilities, secure);
    },
  });
}
