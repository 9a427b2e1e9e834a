import { strictEqual } from "node:assert";
import { bytesText, count, painter, printable, shellWord, table, wrap } from "./render.ts";

Deno.test("wrap() keeps lines within the width and words whole", () => {
  strictEqual(wrap("one two three", 0, 7), "one two\nthree");
  strictEqual(wrap("one two", 2, 5), "  one\n  two");
  strictEqual(wrap("overlongword x", 0, 4), "overlongword\nx");
});

Deno.test("table() lines columns up and leaves no blanks at the end", () => {
  strictEqual(table([["a", "bb", ""], ["ccc", "d", "e"]]), "a    bb\nccc  d   e");
});

Deno.test("table() wraps the last column where it is to", () => {
  strictEqual(table([["a", "one two three"]], 1, 10), " a  one\n    two\n    three");
});

Deno.test("bytesText() takes the unit that fits", () => {
  strictEqual(
    [0, 999, 1000, 1_250_000, 48_000_000].map(bytesText).join(),
    "0 B,999 B,1.0 kB,1.3 MB,48.0 MB",
  );
});

Deno.test("count() has the plural", () => {
  strictEqual(
    `${count(0, "socket")} ${count(1, "socket")} ${count(2, "socket")}`,
    "0 sockets 1 socket 2 sockets",
  );
});

Deno.test("painter() paints only where there is colour", () => {
  strictEqual(painter(false)("red", "x"), "x");
  strictEqual(painter(true)("red", "x"), "\x1b[31mx\x1b[0m");
});

Deno.test("shellWord() quotes what a shell would split or expand", () => {
  strictEqual(
    ["plain/a.b=c", "", "a b", "it's", "$HOME", "*"].map(shellWord).join(" "),
    `plain/a.b=c '' 'a b' 'it'\\''s' '$HOME' '*'`,
  );
});

Deno.test("printable() leaves no control character of a name that others chose", () => {
  strictEqual(printable("a\x1b[2Jb\n\x9bc"), "a?[2Jb??c");
  strictEqual(printable("grün (x)"), "grün (x)");
});
