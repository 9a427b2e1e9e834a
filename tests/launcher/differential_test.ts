/**
 * That the launcher does exactly what the command line does: both are given the same cases.
 *
 * @module
 */

import { deepStrictEqual, ok, strictEqual } from "node:assert";
import { explainCommand } from "../../force/mod.ts";
import { forceEnvironment } from "../../preload/environment.ts";
import { decodeByteString, encodeByteString, toByteString } from "../../preload/mod.ts";
import { exists, GO } from "../apps/build.ts";
import { commandExists, isRoot, skipUnless } from "../skip.ts";
import { GODEBUGS, KINDS, preloads } from "./cases.ts";
import { type Case, forEach, HANDED_OVER, hasCompiler, type Outcome, World } from "./world.ts";

const PATH = "PATH=/usr/bin:/bin";
/** No home: the runtime keeps its caches in memory then, and nothing is left anywhere. */
const HOME = "HOME=/proc/self";
const gcc = skipUnless("gcc", hasCompiler);

let built: World | undefined;
async function world(): Promise<World> {
  return built ??= await World.build();
}
Deno.test.afterAll(async () => await built?.[Symbol.asyncDispose]());

/** Numbers that look random and are the same in each run (mulberry32). */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Both do the same, and the launcher does it itself, or not, as expected. */
async function same(given: Case, served?: boolean): Promise<void> {
  const here = await world();
  const name = JSON.stringify(given);
  // The loader complains about a library that is not there to Deno, too.
  const seen = ({ status, out, err }: Outcome) => ({
    status,
    out,
    err: err.replace(/^ERROR: ld\.so: [^]*?: ignored\.\n/gm, ""),
  });
  deepStrictEqual(seen(await here.byLauncher(given)), seen(await here.byCommandLine(given)), name);
  if (served !== undefined) strictEqual(await here.isServed(given), served, `served: ${name}`);
}

Deno.test({
  name: "the launcher composes the environment as the command line does",
  ...gcc,
  fn: async () => {
    const here = await world();
    const cases: Case[] = [];
    const add = (entries: readonly string[], words: readonly string[] = []) =>
      cases.push({ words: ["run", ...words, here.path("show")], environment: entries });
    for (const value of preloads(here.library)) add([PATH, HOME, `LD_PRELOAD=${value}`, "Z=1"]);
    for (const value of GODEBUGS) add([PATH, HOME, `GODEBUG=${value}`, "Z=1"]);
    add([]);
    add([
      "",
      "=",
      "=x",
      "NOVALUE",
      "A=1",
      "A=2",
      "A=1",
      "B=\xff\xfe",
      "C=a\nb",
      "BASH_FUNC_x%%=()",
    ]);
    add(["A=1", "", ""]);
    add(["LD_PRELOAD=/nonexistent/1.so", "A=1", "LD_PRELOAD=/nonexistent/2.so"]);
    add([
      "LD_PRELOAD=/nonexistent/1.so",
      "LD_PRELOAD",
      "LD_PRELOADX=1",
      `LD_PRELOAD=${here.library}`,
    ]);
    add(["GODEBUG=a=1", "GODEBUG=b=1", "LD_PRELOAD=", "GODEBUG=multipathtcp=1"]);
    add(["GODEBUG=multipathtcp=1", "A=1", "GODEBUG=b=1"]);
    add(["MPTCPIZE_DEBUG=0", "MPTCPIZE_STRICT=0", "MPTCPIZE_DEBUG=2"]);
    add(["MPTCPIZE_DEBUG=0", "MPTCPIZE_STRICT=", "MPTCPIZE_DEBUG=2"], ["-d", "--strict"]);
    add(["MPTCPIZE_START=nofile:3", PATH]);
    add([`DENO_DIR=${here.path("deno")}`, "DENO_NO_UPDATE_CHECK=", "A=1"]);
    add(Array.from({ length: 3000 }, (_, index) => `V${index}=${index}`));
    await forEach(cases, (given) => same(given, true));
  },
});

Deno.test({
  name: "the launcher takes words as the command line does",
  ...gcc,
  fn: async () => {
    const here = await world();
    const show = here.path("show");
    const environment = [PATH, HOME];
    const served: string[][] = [
      ["run", show],
      ["run", "--", show],
      ["run", "-d", show],
      ["run", "--debug", "--strict", "-d", show],
      ["run", "--strict", "--", show, "-d", "--", "--strict"],
      ["run", show, "", "a b", "\xff\xfe", "-h", "--method", "*", "\n"],
      ["run", show, "fail"],
      ["run", show, ...Array.from({ length: 2000 }, (_, index) => `${index}`)],
    ];
    const handed: string[][] = [
      [],
      ["--version"],
      ["--help"],
      ["run"],
      ["run", "--"],
      ["run", "-d"],
      ["run", ""],
      ["run", "-"],
      ["run", "--", "-d"],
      ["run", "-dd", show],
      ["run", "-ds", show],
      ["run", "--debug=1", show],
      ["run", "--method", "preload", show],
      ["run", "--method=godebug", show],
      ["run", "--dry-run", show],
      ["run", "--json", "no-such-program"],
      ["run", "--help"],
      ["run", "--strict", "--frob", show],
      ["run", "--", "--", show],
      ["runs", show],
      ["explain", show],
      ["explain", "no-such-program"],
      ["completions", "bash"],
      ["\xff"],
    ];
    await forEach(served, (words) => same({ words, environment }, true));
    await forEach(handed, (words) => same({ words, environment }, false));
  },
});

Deno.test({
  name: "the launcher judges files as the command line does",
  ...gcc,
  fn: async () => {
    const here = await world();
    await forEach(
      Object.entries(KINDS),
      ([name, served]) =>
        same({ words: ["run", toByteString(here.path(name)), "x"], environment: [HOME] }, served),
    );
    await same({ words: ["run", "/dev/null"], environment: [] }, false);
    await same({ words: ["run", `./${"x".repeat(5000)}`], environment: [] }, false);
  },
});

Deno.test({
  name: "the launcher has static programs patched as the command line does",
  ...gcc,
  fn: async () => {
    const here = await world();
    const program = here.path("static");
    const environment = [PATH, HOME, "LD_PRELOAD=/nonexistent/a.so", "GODEBUG=a=1"];
    for (
      const [flags, served] of [
        [["--method", "patch"], true],
        [["--method=patch"], true],
        [["-d", "--method", "patch", "--strict", "--"], true],
        [["--method=patch", "--method", "patch"], true],
        [["--method=preload", "--method=patch"], false],
        [["--method=patch", "--method=preload"], false],
        [["--method=patch", "--allow-patch"], false],
        [["--method=patch", "--dry-run"], false],
        [["--method=patched"], false],
        [["--method=patch="], false],
        [["--method"], false],
        [["--allow-patch"], false],
      ] as const
    ) {
      await same({ words: ["run", ...flags, program, "a b", "\xff"], environment }, served);
    }
    const many = Array.from({ length: 2000 }, (_, index) => `${index}`);
    await same({ words: ["run", "--method=patch", program, ...many], environment }, true);
    // Found in PATH, and in the folder that it is in.
    const found = [`PATH=/nonexistent:${here.path("shadow")}:${here.programs}`, HOME];
    await same({ words: ["run", "--method=patch", "static", "x"], environment: found }, true);
    const inside: Case = {
      words: ["run", "--method=patch", "./static"],
      environment,
      cwd: here.programs,
    };
    await same(inside, true);
    const kinds = Object.keys(KINDS);
    const isStatic = (name: string) => name === "static" || name === "static-pie";
    await forEach(kinds, (name) => {
      const words = ["run", "--method", "patch", toByteString(here.path(name)), "x"];
      return same({ words, environment: [HOME] }, isStatic(name));
    });
    const builds = ["go-1.19-exe", "go-1.19-pie", "go-1.23-exe", "go-1.23-bare"];
    for (const name of builds.filter((name) => exists(here.path(name)))) {
      const words = ["run", "--method", "patch", here.path(name)];
      await same({ words, environment: [HOME] });
    }
    if (!isRoot()) return;
    // Rights: a set-id program is the command line's, also for its owner.
    for (const name of ["setuid", "setgid", "capable"]) {
      const words = ["run", "--method", "patch", here.path(name)];
      await same({ words, environment: [HOME] }, false);
    }
  },
});

Deno.test({
  name: "the launcher serves Go that heeds GODEBUG, and leaves other Go to the command line",
  ...skipUnless("golang-1.19-go", exists(GO["1.19"]) && hasCompiler),
  fn: async () => {
    const here = await world();
    for (const version of Object.keys(GO)) {
      for (const mode of ["exe", "pie", "bare"]) {
        const path = here.path(`go-${version}-${mode}`);
        if (!exists(path)) continue;
        const served = version === "1.23" && mode !== "bare";
        await same({ words: ["run", path], environment: [HOME] }, served);
        await same({ words: ["run", "-d", "--strict", path], environment: [HOME] }, served);
        const script = here.path("script-go");
        Deno.writeTextFileSync(script, `#!${path} x\n`, { mode: 0o755 });
        await same({ words: ["run", script, "y"], environment: [HOME] }, served);
        await same({ words: ["run", "--method=patch", script], environment: [HOME] }, false);
      }
    }
  },
});

Deno.test({
  name: "the launcher serves no damaged Go program that the command line would not force so",
  ...skipUnless("Go 1.23", exists(GO["1.23"]) && hasCompiler),
  fn: async () => {
    const here = await world();
    const below = random(121);
    const go = Deno.readFileSync(here.path("go-1.23-exe"));
    const view = new DataView(go.buffer);
    const sections = Number(view.getBigUint64(40, true));
    const record = decodeByteString(go).indexOf("\xff Go buildinf:");
    const names = decodeByteString(go).indexOf(".go.buildinfo\0");
    // The headers, the record with its version, the names and the table of sections.
    const places = [[0, 64], [record, 42], [record + 32, 10], [names, 15], [sections, 64 * 26]];
    let served = 0;
    const path = here.path("random-go");
    for (let round = 0; round < 400; round++) {
      const bytes = go.slice();
      for (let count = below(2) + 1; count > 0; count--) {
        const [from, size] = places[below(places.length)]!;
        const at = from! + below(size!);
        bytes[at] = [below(256), bytes[at]! ^ (1 << below(8)), 0x30 + below(10)][below(3)]!;
      }
      Deno.writeFileSync(path, bytes, { mode: 0o755 });
      const given = { words: ["run", path], environment: [PATH] };
      // What cannot be executed is handed over.
      const { status } = await here.start([path], { environment: [PATH] });
      if (status !== "0" || !await here.isServed(given)) continue;
      served++;
      const { choice } = explainCommand({ words: [encodeByteString(path)], environment: [PATH] });
      strictEqual(choice.method, "godebug", `round ${round}`);
    }
    ok(served > 50 && served < 350, `served ${served} of 400: the cases show nothing`);
  },
});

Deno.test({
  name: "the launcher judges rights as the command line does, for root and for a user",
  ...skipUnless("root", isRoot() && hasCompiler),
  fn: async () => {
    const here = await world();
    const names = ["setuid", "setgid", "setgid-noexec", "closed", "script-closed", "script-setuid"];
    const cases = names.flatMap((name) =>
      [undefined, 1000].map((uid) => ({
        words: ["run", here.path(name)],
        environment: [HOME],
        uid,
      }))
    );
    await forEach(cases, (given) => same(given));
    const served = (name: string, uid?: number) =>
      here.isServed({ words: ["run", here.path(name)], environment: [], uid });
    strictEqual(await served("setuid", 1000), false);
    strictEqual(await served("setgid", 1000), false);
    strictEqual(await served("closed", 1000), false);
    strictEqual(await served("show", 1000), true);
    strictEqual(await served("script-setuid", 1000), true);
  },
});

Deno.test({
  name: "the launcher leaves programs with file capabilities to the command line",
  ...skipUnless("libcap2-bin", commandExists("setcap") && isRoot() && hasCompiler),
  fn: async () => {
    const here = await world();
    const given = { words: ["run", here.path("capable")], environment: [HOME] };
    await same(given, true);
    await same({ ...given, uid: 1000 }, false);
  },
});

Deno.test({
  name: "the launcher searches PATH as the command line does",
  ...gcc,
  fn: async () => {
    const here = await world();
    const { programs, root } = here;
    const long = "x".repeat(4096);
    const served: [string, string][] = [
      ["show", `PATH=${programs}`],
      ["show", `PATH=/nonexistent:${programs}:/usr/bin`],
      ["show", `PATH=${here.path("dull")}:${programs}`],
      ["show", `PATH=${here.path("shadow")}:${programs}`],
      ["show", `PATH=${programs}/show:${programs}`],
      ["show", `PATH=${long}:${programs}`],
      ["show", "PATH=programs"],
      ["show", "PATH=:programs"],
      ["show", "PATH=\xff:programs//"],
      ["./programs/show", "PATH="],
      ["programs/show", "X=1"],
      ["link", `PATH=${programs}`],
    ];
    const handed: [string, string][] = [
      ["show", "PATH="],
      ["show", "PATH=:"],
      ["show", `PATH=${here.path("dull")}`],
      ["show", `PATH=${here.path("shadow")}:/nonexistent`],
      ["loop", `PATH=${programs}:/usr/bin`],
      ["show", `PATH=${"y".repeat(300)}:${programs}`],
      ["static", `PATH=${programs}`],
      ["sudo", `PATH=${programs}`],
      ["x".repeat(5000), `PATH=${programs}`],
      ["folder", `PATH=${programs}`],
      ["script-missing", `PATH=${programs}:/usr/bin`],
      ["no-such-program", PATH],
    ];
    const given = ([word, path]: [string, string]): Case => ({
      words: ["run", word],
      environment: [path, HOME, "PATH=/nonexistent"],
      cwd: root,
    });
    await forEach(served, (item) => same(given(item), true));
    await forEach(handed, (item) => same(given(item), false));
    await same({ words: ["run", "show"], environment: [HOME], cwd: programs }, false);
    await same({ words: ["run", "true"], environment: [HOME] }, true);
    await same({ words: ["run", "show"], environment: ["PATH=.", HOME], cwd: programs }, true);
  },
});

Deno.test({
  name: "the launcher composes 1500 random environments as preload/environment.ts does",
  ...gcc,
  fn: async () => {
    const here = await world();
    const below = random(20261121);
    const pick = <Item>(items: readonly Item[]): Item => items[below(items.length)]!;
    const parts = [
      ...[
        here.library,
        "/x/libmptcpize.so",
        "libmptcpwrap.so",
        "/y/libmptcpwrap.so.0",
        "a",
        "/b.so",
      ],
      ...[
        " ",
        ":",
        ",",
        "::",
        "multipathtcp=1",
        "multipathtcp=0",
        "multipathtcp=",
        "gctrace=1",
        "\xe9",
      ],
    ];
    const text = () =>
      Array.from({ length: below(7) }, () => pick(parts) + pick(["", ":", ",", " "]))
        .join("");
    const names = ["LD_PRELOAD", "GODEBUG", "MPTCPIZE_DEBUG", "MPTCPIZE_STRICT", "PATH", "A", ""];
    const cases = Array.from({ length: 1500 }, () => ({
      debug: below(2) === 1,
      strict: below(2) === 1,
      environment: Array.from(
        { length: below(12) },
        () => pick(names) + pick(["=", "=", "=", ""]) + text(),
      ),
    }));
    await forEach(cases, async ({ debug, strict, environment }) => {
      const words = [
        "run",
        ...debug ? ["-d"] : [],
        ...strict ? ["--strict"] : [],
        here.path("show"),
      ];
      const { out } = await here.byLauncher({ words, environment });
      const forced = forceEnvironment(environment, {
        library: here.library,
        godebug: true,
        debug,
        strict,
      });
      const entries = [...out.matchAll(/^entry (.*)$/gm)]
        .map(([, hex]) => decodeByteString(Uint8Array.fromHex(hex!)));
      deepStrictEqual(entries, [...forced], JSON.stringify(environment));
    });
  },
});

Deno.test({
  name: "the launcher serves no random file that the command line would not force so",
  ...gcc,
  fn: async () => {
    const here = await world();
    const below = random(262);
    const show = Deno.readFileSync(here.path("show"));
    const view = new DataView(show.buffer);
    const sections = Number(view.getBigUint64(40, true));
    // Fields that decide what the file is, not what its code does.
    const fields = [4, 5, 16, 18, 40, 41, 58, 60, 62, 63];
    const interpreters = ["show", "static", "script", "deep-6", "nowhere", "text"].map((name) =>
      here.path(name)
    );
    const pieces = ["#!", "#! ", " ", "\t", "\n", "\0", "/", "x", "\r", ...interpreters];
    let served = 0;
    const check = async (bytes: Uint8Array, index: number) => {
      const path = here.path(`random-${index}`);
      Deno.writeFileSync(path, bytes, { mode: 0o755 });
      const given = { words: ["run", path], environment: [PATH] };
      if (await here.isServed(given)) {
        served++;
        const words = [encodeByteString(path)];
        const { choice, mptcp } = explainCommand({ words, environment: [PATH] });
        deepStrictEqual([choice.method, mptcp.state], ["preload", "yes"], decodeByteString(bytes));
      }
      Deno.removeSync(path);
    };
    const programs = Array.from({ length: 300 }, () => {
      const bytes = show.slice();
      for (let count = below(2) + 1; count > 0; count--) {
        const at = below(3) === 0 ? sections + below(bytes.length - sections) : fields[below(10)]!;
        bytes[at] = below(3) === 0 ? below(256) : bytes[at]! ^ (1 << below(8));
      }
      return bytes;
    });
    const scripts = Array.from({ length: 300 }, () => {
      const text = Array.from({ length: below(6) }, () => pieces[below(pieces.length)]).join("");
      return encodeByteString(`#!${text}${below(2) === 0 ? "\n" : ""}${"y".repeat(below(300))}`);
    });
    const files = [...programs, ...scripts].map((bytes, index) => ({ bytes, index }));
    await forEach(files, ({ bytes, index }) => check(bytes, index));
    ok(served > 50 && served < 550, `served ${served} of 600: the cases show nothing`);
  },
});

Deno.test({
  name:
    "the launcher passes on the limit of open files and SIGPIPE, itself and by the command line",
  ...gcc,
  fn: async () => {
    const here = await world();
    const show = here.path("show");
    for (const files of [undefined, 123]) {
      for (const ignoreSigpipe of [false, true]) {
        const given = { environment: [PATH, HOME], files, ignoreSigpipe };
        const state = (out: string) => out.split("\n").filter((line) => /^(files|sig)/.test(line));
        const bare = await here.start([show], given);
        for (const flags of [[], ["--method=auto"]]) {
          const { out } = await here.byLauncher({ ...given, words: ["run", ...flags, show] });
          deepStrictEqual(state(out), state(bare.out), `${flags} ${files} ${ignoreSigpipe}`);
          ok(!out.includes(HANDED_OVER) && /^entry /m.test(out));
          const private_ = encodeByteString("MPTCPIZE_START").toHex();
          ok(!out.includes(private_), "its private variable is seen");
        }
      }
    }
  },
});
