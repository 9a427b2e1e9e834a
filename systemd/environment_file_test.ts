import { deepStrictEqual } from "node:assert";
import { parseEnvironmentFile } from "./environment_file.ts";

Deno.test("parseEnvironmentFile() reads what systemd reads", () => {
  for (
    const [text, wanted] of [
      ["", []],
      ["A=1\nB=2", [["A", "1"], ["B", "2"]]],
      ["# A=1\n; B=2\n\nC=3\n", [["C", "3"]]],
      ["  A = 1  \n", [["A", "1"]]],
      ["A=\nB", [["A", ""]]],
      ["A='x y'\nB=\"x y\"\n", [["A", "x y"], ["B", "x y"]]],
      ['A="a\\$b\\\\c\\d\\"e"\n', [["A", 'a$b\\c\\d"e']]],
      ["A='a\\b'\n", [["A", "a\\b"]]],
      ["A=x\\\ny\nB=a\\ b\n", [["A", "xy"], ["B", "a b"]]],
      ['A="x"  "y"z\n', [["A", "xyz"]]],
      ['A="x\ny"\n', [["A", "x\ny"]]],
      ["A=a b  c \t\n", [["A", "a b  c"]]],
      ["A=b\\ \n", [["A", "b "]]],
      ["# comment \\\nA=1\n", [["A", "1"]]],
      ["LD_PRELOAD=/a.so:/b.so # no comment\n", [["LD_PRELOAD", "/a.so:/b.so # no comment"]]],
      ["A=1\r\nB=2\r\n", [["A", "1"], ["B", "2"]]],
      ['A="open', [["A", "open"]]],
    ] as const
  ) deepStrictEqual(parseEnvironmentFile(text), wanted, JSON.stringify(text));
});
