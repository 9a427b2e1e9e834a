/**
 * That `mptcpize run` is invisible: what a command sees of its process is what it sees without.
 *
 * @module
 */

import { deepStrictEqual, match, ok, strictEqual } from "node:assert";
import { commandExists, skipUnless } from "../skip.ts";
import { withTerminal } from "./terminal.ts";

const CLI = new URL("../../cli/mptcpize.ts", import.meta.url).pathname;
/** What is tested: this checkout's command line, or a launcher that is named. */
const LAUNCHER = Deno.env.get("MPTCPIZE_LAUNCHER");
const RUN = LAUNCHER ? [LAUNCHER, "run"] : [Deno.execPath(), "run", "-qA", CLI, "run"];

interface Result {
  readonly status: string;
  readonly out: string;
  readonly err: string;
}

/** Runs words; the output is taken byte for byte. */
async function spawn(words: readonly string[], options: Deno.CommandOptions = {}): Promise<Result> {
  const output = await new Deno.Command(words[0]!, {
    args: words.slice(1),
    stdin: "null",
    ...options,
  })
    .output();
  const text = (bytes: Uint8Array) =>
    Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  return {
    status: output.signal ?? String(output.code),
    out: text(output.stdout),
    err: text(output.stderr),
  };
}

/** A word for sh, quoted. */
function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

const RUN_IN_SHELL = RUN.map(quote).join(" ");

/**
 * Runs a script of sh twice, RUN standing for nothing and for `mptcpize run`, and compares all that
 * can be seen of it.
 */
async function sameInShell(script: string, shell = "sh"): Promise<Result> {
  const bare = await spawn([shell, "-c", script.replaceAll("RUN", "")]);
  const forced = await spawn([shell, "-c", script.replaceAll("RUN", RUN_IN_SHELL)]);
  deepStrictEqual(forced, bare, script);
  return bare;
}

Deno.test("run gives the command's own exit status and signal", async () => {
  for (const script of ["exit 0", "exit 3", "exit 125", "kill -TERM $$", "kill -SEGV $$"]) {
    const command = ["sh", "-c", script];
    deepStrictEqual(await spawn([...RUN, ...command]), await spawn(command), script);
  }
});

Deno.test("run becomes the command in the same process", async () => {
  const child = new Deno.Command(RUN[0]!, {
    args: [...RUN.slice(1), "sh", "-c", "echo $$"],
    stdout: "piped",
  }).spawn();
  const { stdout } = await child.output();
  strictEqual(new TextDecoder().decode(stdout), `${child.pid}\n`);
});

Deno.test("run leaves signals as they were, SIGPIPE included", async () => {
  // 32 and 33 (bits 31 and 32) are the C library's own: each program of it sets them as it needs.
  const read = "awk '/^(Sig|Shd)(Blk|Ign|Pnd)/ { print $1, substr($2, 10) }' /proc/self/status";
  const seen = await sameInShell(`exec RUN ${read}`);
  match(seen.out, /SigIgn: 0{7}$/m);
  const hup = await sameInShell(`trap '' HUP; exec RUN ${read}`);
  match(hup.out, /SigIgn: 0{6}1$/m);
});

Deno.test("run leaves limits as they were, that of open files included", async () => {
  const { out } = await sameInShell("ulimit -Sn 256; RUN cat /proc/self/limits");
  match(out, /Max open files +256 /);
  await sameInShell("RUN cat /proc/self/limits");
});

Deno.test("run leaves descriptors, their flags, the folder and the umask as they were", async () => {
  // ls and grep open a descriptor of their own, the same one in both.
  await sameInShell(
    "umask 027; cd /usr; exec 7</dev/null; RUN ls /proc/self/fd; RUN pwd; RUN sh -c umask",
  );
  await sameInShell("exec 7>/dev/null; RUN grep -h flags /proc/self/fdinfo/0 /proc/self/fdinfo/7");
  await sameInShell(
    "RUN grep -h flags /proc/self/fdinfo/1 | cat; RUN grep -h flags /proc/self/fdinfo/2 2>&1",
  );
});

Deno.test("run passes every argument, whatever its bytes", async () => {
  await sameInShell(`RUN printf '<%s>' '' a 'b c' -d -- --method "$(printf '\\377\\376x')" '*' ''`);
  const { out } = await sameInShell("RUN printf '%s ' $(seq 10000)");
  ok(out.endsWith(" 10000 "));
});

Deno.test("run passes the environment byte for byte, but for what it sets", async () => {
  const script = (run: string) =>
    `weird() { :; }; export -f weird; export X="$(printf '\\377')" EMPTY= NL='a
b'; exec ${run} cat /proc/self/environ`;
  const options = { env: { PATH: Deno.env.get("PATH")! }, clearEnv: true };
  const bare = await spawn(["bash", "-c", script("")], options);
  const forced = await spawn(["bash", "-c", script(RUN_IN_SHELL)], options);
  // bash sets `_` to the program that it starts.
  const entries = (text: string) =>
    text.split("\0").filter((entry) => !entry.startsWith("_=")).sort();
  const set = /^(LD_PRELOAD=.*libmptcpize\.so|GODEBUG=multipathtcp=1)$/;
  deepStrictEqual(entries(forced.out).filter((entry) => !set.test(entry)), entries(bare.out));
  strictEqual(entries(forced.out).filter((entry) => set.test(entry)).length, 2);
  ok(entries(bare.out).includes("X=\xff"));
});

Deno.test("run inside run sets nothing twice", async () => {
  const environment = async (words: readonly string[]) =>
    (await spawn([...words, "cat", "/proc/self/environ"])).out.split("\0").sort();
  deepStrictEqual(await environment([...RUN, ...RUN]), await environment(RUN));
});

Deno.test("run ends by SIGPIPE when its reader goes, without a word", async () => {
  const script = (run: string) => `{ ${run} yes; echo $? >&2; } | head -1`;
  const bare = await spawn(["bash", "-c", script("")]);
  deepStrictEqual(await spawn(["bash", "-c", script(RUN_IN_SHELL)]), bare);
  deepStrictEqual([bare.out, bare.err], ["y\n", "141\n"]);
});

Deno.test("run gives the statuses of env(1) for what cannot be executed", async () => {
  const folder = Deno.makeTempDirSync();
  try {
    const path = (name: string) => `${folder}/${name}`;
    Deno.writeTextFileSync(path("noexec"), "#!/bin/sh\n", { mode: 0o644 });
    Deno.symlinkSync("loop", path("loop"));
    Deno.writeTextFileSync(path("nointerpreter"), "#!/no/such/shell\n", { mode: 0o755 });
    Deno.writeTextFileSync(path("noshebang"), "echo from sh $0 $1\n", { mode: 0o755 });
    Deno.writeTextFileSync(path("-x"), "#!/bin/sh\necho minus x\n", { mode: 0o755 });
    const options = { cwd: folder, env: { PATH: `${folder}:/usr/bin:/bin` } };
    for (
      const command of [
        [path("noexec")],
        [folder],
        [path("loop")],
        [path("missing")],
        [path("nointerpreter")],
        [path("noexec/below")],
        ["no-such-program"],
        [""],
        [path("noshebang"), "one"],
        ["noshebang", "two"],
        ["./noshebang"],
        ["x".repeat(5000)],
      ]
    ) {
      const env = await spawn(["env", ...command], options);
      const run = await spawn([...RUN, ...command], options);
      strictEqual(run.status, env.status, command.join(" ").slice(0, 80));
      strictEqual(run.out, env.out, command.join(" ").slice(0, 80));
      if (env.status !== "0") match(run.err, /^mptcpize: Cannot [^\n]+\n(\nhint: [^\n]+\n)?$/);
    }
    const minus = await spawn([...RUN, "--", "-x"], options);
    deepStrictEqual([minus.status, minus.out], ["0", "minus x\n"]);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("run of a file that is being written fails with status 126", async () => {
  const folder = Deno.makeTempDirSync();
  try {
    Deno.copyFileSync("/bin/true", `${folder}/busy`);
    using _writer = Deno.openSync(`${folder}/busy`, { append: true });
    const { status, err } = await spawn([...RUN, `${folder}/busy`]);
    strictEqual(status, "126");
    match(err, /ETXTBSY/);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test({
  name: "run keeps job control: ^Z stops, fg goes on, ^C interrupts",
  ...skipUnless("script (bsdutils)", commandExists("script")),
  fn: () =>
    withTerminal("dumb", async ({ type, until }) => {
      // Split words: the terminal echoes what is typed. No child: a stop between vfork and exec, as dash
      // starts one, would leave the shell waiting.
      const script = 'trap "echo ba""ck" CONT; echo be""gun; while :; do :; done';
      await type(`${RUN_IN_SHELL} bash -c '${script}'\n`);
      await until(/begun/);
      await type("\x1a");
      await until(/Stopped[^]*ready> /);
      await type("fg\n");
      await until(/back/);
      await type("\x03");
      await until(/ready> /);
      await type("echo status $?\n");
      await until(/status 130/);
    }),
});
