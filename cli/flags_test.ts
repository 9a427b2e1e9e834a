import { deepStrictEqual, strictEqual, throws } from "node:assert";
import { UsageError } from "../errors.ts";
import { findCommandSpec } from "./commands.ts";
import { nearest, parseFlags } from "./flags.ts";

const run = findCommandSpec("run")!;
const sockets = findCommandSpec("sockets")!;

Deno.test("parseFlags() ends the flags at the first operand", () => {
  for (
    const [words, operandsAt] of [
      [["curl", "-d", "--method"], 0],
      [["-d", "curl", "-d"], 1],
      [["-d", "--", "-x"], 2],
      [["--method", "preload", "curl"], 2],
      [["--method=preload", "curl", "--", "x"], 1],
      [["--", "--"], 1],
      [["--"], 1],
      [["-d", ""], 1],
      [["-"], 0],
      [[], 0],
      [["-d"], 1],
    ] as const
  ) strictEqual(parseFlags(run, words).operandsAt, operandsAt, words.join(" "));
});

Deno.test("parseFlags() takes a value that need not be there only behind an equals sign", () => {
  const bare = parseFlags(run, ["--report", "curl", "--report=x"]);
  deepStrictEqual([bare.has("report"), bare.value("report"), bare.operandsAt], [
    true,
    undefined,
    1,
  ]);
  const file = parseFlags(run, ["--report=out.json", "curl"]);
  deepStrictEqual([file.has("report"), file.value("report"), file.operandsAt], [
    true,
    "out.json",
    1,
  ]);
  throws(() => parseFlags(run, ["--report=", "curl"]), UsageError);
});

Deno.test("parseFlags() takes flags and operands in any order where no command follows", () => {
  const probe = findCommandSpec("probe")!;
  for (
    const [words, operands, timeouts] of [
      [["a", "-t", "1", "b"], ["a", "b"], ["1"]],
      [["-t1", "a", "--timeout=2"], ["a"], ["1", "2"]],
      [["a", "--", "-t", "1"], ["a", "-t", "1"], []],
      [["--", "--"], ["--"], []],
      [["-"], ["-"], []],
      [[], [], []],
    ] as const
  ) {
    const flags = parseFlags(probe, words);
    deepStrictEqual([flags.operands, flags.values("timeout")], [operands, timeouts]);
  }
  deepStrictEqual(parseFlags(run, ["-d", "curl", "-d", "x"]).operands, ["curl", "-d", "x"]);
});

Deno.test("parseFlags() reads switches and values", () => {
  const flags = parseFlags(run, ["-d", "--method", "godebug", "--method=preload", "x", "--strict"]);
  strictEqual(flags.has("debug"), true);
  strictEqual(flags.has("strict"), false);
  strictEqual(flags.value("method"), "preload");
  strictEqual(flags.value("debug"), undefined);
  strictEqual(parseFlags(sockets, ["-p", "12"]).value("pid"), "12");
  strictEqual(parseFlags(sockets, ["-p12"]).value("pid"), "12");
});

Deno.test("parseFlags() refuses what a command does not have, by name and with a hint", () => {
  for (
    const [words, message, hint] of [
      [["--methd", "x"], /--methd.*no such flag/, /--method/],
      [["-x", "curl"], /-x.*no such flag/, /--help/],
      [["--method"], /value is missing/, /auto\|preload\|godebug/],
      [["--method=", "x"], /value is missing/, /auto/],
      [["--method", "prelaod", "x"], /prelaod: it takes auto, preload, godebug/, /preload/],
      [["--debug=yes", "x"], /takes no value/, undefined],
    ] as const
  ) {
    throws(() => parseFlags(run, words), (error) => {
      strictEqual(error instanceof UsageError, true);
      const { message: text, hint: advice } = error as UsageError;
      strictEqual(message.test(text), true, text);
      strictEqual(
        hint === undefined ? advice === undefined : hint.test(advice ?? ""),
        true,
        advice,
      );
      return true;
    });
  }
});

Deno.test("nearest() finds a typo and nothing far away", () => {
  const names = ["run", "explain", "sockets", "demo"];
  deepStrictEqual(
    ["rnu", "explian", "socket", "dmo", "curl", "zzz", ""].map((word) => nearest(word, names)),
    ["run", "explain", "sockets", "demo", undefined, undefined, undefined],
  );
});
