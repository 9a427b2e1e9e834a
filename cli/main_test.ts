import { match, ok, strictEqual } from "node:assert";
import { COMMANDS } from "./commands.ts";
import { ClosedPipe, type Env } from "./env.ts";
import { main } from "./main.ts";

/** Runs the command line in a world of our own, which cannot become another process. */
async function mptcpize(
  words: readonly string[],
  changes: Partial<Env> = {},
): Promise<{ status: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const status = await main({
    words,
    wordBytes: words.map((word) => new TextEncoder().encode(word)),
    environment: ["PATH=/usr/bin:/bin"],
    openFilesLimit: undefined,
    ignoreSigpipe: false,
    ignoredSignals: 0n,
    columns: undefined,
    size: () => undefined,
    onSignal: () => {},
    offSignal: () => {},
    stop: () => {},
    color: false,
    out: (text) => out += text,
    err: (text) => err += text,
    ...changes,
  });
  return { status, out, err };
}

Deno.test("main() gives help for the program and for each command, within 80 columns", async () => {
  const all = [
    ["--help"],
    ["-h"],
    ["help"],
    ...COMMANDS.flatMap(({ name }) => [
      [name, "--help"],
      [name, "-h"],
      ["help", name],
    ]),
  ];
  for (const words of all) {
    const { status, out, err } = await mptcpize(words);
    strictEqual(status, 0, words.join(" "));
    strictEqual(err, "");
    match(out, /Usage: mptcpize/);
    for (const line of out.split("\n")) ok(line.length <= 80, `${words.join(" ")}: ${line}`);
  }
});

Deno.test("main() names each flag and each command in the help", async () => {
  const { out } = await mptcpize(["--help"]);
  for (const command of COMMANDS) {
    ok(out.includes(command.name) && out.includes(command.summary));
    const help = (await mptcpize([command.name, "--help"])).out;
    for (const flag of command.flags) {
      ok(help.includes(`--${flag.name}`), `${command.name} ${flag.name}`);
    }
    for (const [words] of command.examples) ok(help.includes(words));
  }
});

Deno.test("main() prints the version", async () => {
  match((await mptcpize(["--version"])).out, /^mptcpize \d+\.\d+\.\d+\n$/);
});

Deno.test("main() answers bad words with one error, a hint and status 2", async () => {
  for (
    const [words, message] of [
      [["rnu"], /^mptcpize: Cannot parse rnu: .*\n\nhint: did you mean `mptcpize run`\?\n$/],
      [["--frob"], /Cannot parse --frob: mptcpize has no such flag/],
      [["--verison"], /did you mean `mptcpize --version`/],
      [["version"], /did you mean `mptcpize --version`/],
      [["help", "nosuch"], /Cannot parse nosuch/],
      [
        ["sockets"],
        /Cannot list sockets: no process is given\n\nhint: `mptcpize sockets --pid PID`, or/,
      ],
      [["sockets", "--pid", "x"], /Cannot parse --pid x: it is no process id/],
      [["sockets", "--pid", "0"], /--pid 0/],
      [["sockets", "--pid", "99999999999"], /--pid 99999999999/],
      [["sockets", "--unit", "a/b"], /a\/b/],
      [["sockets", "--all", "--user"], /Cannot parse --user: it says whose unit/],
      [["sockets", "--all", "--unit", "nginx"], /--unit and --all are given/],
      [["sockets", "12"], /takes no operand/],
      [["status", "0"], /Cannot tell the status of 0: it is no process id/],
      [["status", ""], /Cannot tell the status of '': it is empty/],
      [["demo", "fast"], /takes no operand/],
      [["explain"], /Cannot run a command: none is given/],
      [["explain", "--user", "sh"], /Cannot parse --user: it says whose unit is meant/],
      [["explain", "--unit", "../x"], /Cannot take "\.\.\/x" as a unit: it is a path/],
      [["explain", "x.service", "y"], /Cannot explain x\.service and y: one unit/],
      [["explain", "x.service", "--frob"], /Cannot parse --frob/],
      [["explain", "--method", "patch", "x.socket"], /units are not patched\n\nhint: `--method`/],
      [["attach"], /Cannot find a target: none is given\n\nhint: name a unit/],
      [["attach", ""], /Cannot take "" as a target/],
      [["attach", "--pid", "x"], /Cannot parse --pid x: it is no process id/],
      [["attach", "--pid", "0"], /--pid 0/],
      [["attach", "--container", "web"], /Cannot parse --container web: it is no id/],
      [["attach", "--comm", "systemd-resolved"], /keeps 15\n\nhint: `--comm systemd-resolve`/],
      [["attach", "a b"], /Cannot take "a b" as a unit/],
      [["attach", "--persit", "x"], /--persit.*no such flag\n\nhint: did you mean `--persist`/],
      [["detach", "--comm", "/x"], /Cannot parse --comm "\/x"/],
      [["detach", "--persist", "x"], /--persist: `mptcpize detach` has no such flag/],
      [["completions"], /no shell is given/],
      [["completions", "tcsh"], /tcsh is no shell known here/],
    ] as const
  ) {
    const { status, out, err } = await mptcpize(words);
    strictEqual(status, 2, words.join(" "));
    strictEqual(out, "");
    match(err, message);
    match(err, /^mptcpize: [^\n]+\n(\nhint: [^\n]+\n)?$/);
  }
});

Deno.test("main() shows the help on stderr and status 2 without words", async () => {
  const { status, out, err } = await mptcpize([]);
  strictEqual(status, 2);
  strictEqual(out, "");
  match(err, /Usage/);
});

Deno.test("main() gives an error as one JSON line under --json", async () => {
  const { status, err } = await mptcpize(["explain", "--json", "no-such-program"]);
  strictEqual(status, 1);
  const error = JSON.parse(err);
  strictEqual(error.error, "NotFoundError");
  match(error.message, /^Cannot /);
  strictEqual(err.trim().includes("\n"), false);
});

Deno.test("main() keeps the statuses of env(1) for a command that cannot run", async () => {
  for (
    const [words, status] of [
      [["run"], 125],
      [["run", "--frob", "true"], 125],
      [["run", "no-such-program"], 127],
      [["run", "/no/such/program"], 127],
      [["run", ""], 127],
      [["run", "/"], 126],
      [["run", "/etc/passwd"], 126],
    ] as const
  ) strictEqual((await mptcpize(words)).status, status, words.join(" "));
});

Deno.test("main() prints a plan as text and as JSON, and does nothing", async () => {
  const text = await mptcpize(["run", "--dry-run", "-d", "sh", "-c", "exit 3"]);
  strictEqual(text.status, 0);
  match(text.out, /program +\/(usr\/)?bin\/sh/);
  match(text.out, /set +LD_PRELOAD=\/\S+libmptcpize\.so/);
  match(text.out, /set +GODEBUG=multipathtcp=1/);
  match(text.out, /set +MPTCPIZE_DEBUG=1/);
  match(text.out, /exec +sh -c 'exit 3'/);
  const json = JSON.parse((await mptcpize(["run", "--dry-run", "--json", "sh"])).out);
  strictEqual(json.method, "preload");
  strictEqual(json.environment.GODEBUG, "multipathtcp=1");
});

Deno.test("main() sets only what was insisted on", async () => {
  const plan = async (method: string) =>
    JSON.parse((await mptcpize(["run", "--dry-run", "--json", `--method=${method}`, "sh"])).out);
  const preload = await plan("preload");
  strictEqual("LD_PRELOAD" in preload.environment, true);
  strictEqual("GODEBUG" in preload.environment, false);
  const godebug = await plan("godebug");
  strictEqual("LD_PRELOAD" in godebug.environment, false);
  strictEqual("GODEBUG" in godebug.environment, true);
  match(godebug.warnings.join(), /stays TCP: it is no Go program/);
});

Deno.test("main() explains a dynamic program and a script", async () => {
  const { status, out } = await mptcpize(["explain", "sh"]);
  strictEqual(status, 0);
  match(out, /dynamic program for (x86_64|aarch64), glibc/);
  match(out, /preload +yes +it is dynamically linked/);
  match(out, /godebug +no +it is no Go program/);
  const folder = Deno.makeTempDirSync();
  try {
    Deno.writeTextFileSync(`${folder}/script`, "#!/bin/sh\nexit\n", { mode: 0o755 });
    const script = await mptcpize(["explain", `${folder}/script`]);
    match(script.out, /script of \/bin\/sh/);
    match(script.out, /preload +yes/);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("main() tells what is not there as a target, by one error and status 1", async () => {
  for (
    const [words, message] of [
      [["attach", "/no/such/cgroup"], /\/no\/such\/cgroup/],
      [["attach", "--pid", "2147483646"], /process 2147483646 as a target/],
      [["attach", "--container", "0123456789abcdef"], /container 0123456789abcdef as a target/],
    ] as const
  ) {
    const { status, out, err } = await mptcpize(words);
    strictEqual(status, 1, words.join(" "));
    strictEqual(out, "");
    match(err, message);
    match(err, /^mptcpize: Cannot [^\n]+\n\nhint: [^\n]+\n$/);
    const json = await mptcpize([words[0], "--json", ...words.slice(1)]);
    strictEqual(JSON.parse(json.err).error, "NotFoundError");
  }
});

Deno.test("main() plans an attachment of what has a name, and does nothing", async () => {
  const words = ["attach", "--dry-run", "--comm=java", "--all"];
  const { status, out } = await mptcpize(words);
  strictEqual(status, 0);
  strictEqual(out, "attach  programs named java\nattach  everything\n");
  const { targets, done } = JSON.parse((await mptcpize([...words, "--json"])).out);
  strictEqual(done, false);
  strictEqual(targets[0].kind, "comm");
  strictEqual(targets[0].attachedBefore, false);
});

Deno.test("main() takes a closed pipe for success", async () => {
  const closed = () => {
    throw new ClosedPipe();
  };
  strictEqual((await mptcpize(["--help"], { out: closed })).status, 0);
  strictEqual((await mptcpize(["nosuch"], { err: closed })).status, 2);
});

Deno.test("main() prints completions that name every command and flag", async () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    const { out } = await mptcpize(["completions", shell]);
    for (const command of COMMANDS) {
      ok(out.includes(command.name));
      for (const flag of command.flags) ok(out.includes(flag.name), `${shell}: ${flag.name}`);
    }
  }
});

Deno.test("enable and disable refuse what is no unit, whatever runs here", async () => {
  for (const verb of ["enable", "disable"]) {
    for (
      const [words, message] of [
        [[], /none is given/],
        [["../nginx"], /it is a path/],
        [["my unit"], /" " is in no name/],
        [["x".repeat(300)], /at most 255/],
        [["nginx", "a;b"], /";" is in no name/],
      ] as const
    ) {
      const { status, err } = await mptcpize([verb, ...words]);
      strictEqual(status, 2, err);
      match(err, message);
    }
  }
});
