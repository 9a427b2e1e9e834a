import { deepEqual, equal } from "node:assert/strict";
import { lookupPaths, toBytes } from "./path_lookup.ts";

const paths = (command: string, path: string | undefined) =>
  lookupPaths(toBytes(command), path).map((bytes) => new TextDecoder().decode(bytes));

Deno.test("lookupPaths() tries each element of PATH in order", () => {
  deepEqual(paths("x", "/a:/b:c"), ["/a/x", "/b/x", "c/x"]);
  deepEqual(paths("x", "/a/"), ["/a//x"]);
});

Deno.test("lookupPaths() takes an empty element as the working directory", () => {
  deepEqual(paths("x", ""), ["x"]);
  deepEqual(paths("x", ":/a"), ["x", "/a/x"]);
  deepEqual(paths("x", "/a:"), ["/a/x", "x"]);
  deepEqual(paths("x", "/a::/b"), ["/a/x", "x", "/b/x"]);
});

Deno.test("lookupPaths() leaves PATH alone when the command has a slash", () => {
  deepEqual(paths("./x", "/a"), ["./x"]);
  deepEqual(paths("/", "/a"), ["/"]);
  deepEqual(paths("x/", "/a"), ["x/"]);
});

Deno.test("lookupPaths() has a default when PATH is not set", () => {
  deepEqual(paths("x", undefined), ["/bin/x", "/usr/bin/x"]);
});

Deno.test("lookupPaths() finds the empty command nowhere", () => {
  deepEqual(paths("", "/a"), []);
  deepEqual(paths("", undefined), []);
});

Deno.test("lookupPaths() skips an element of PATH_MAX bytes or more", () => {
  equal(paths("x", "a".repeat(4095)).length, 1);
  deepEqual(paths("x", `/a:${"b".repeat(4096)}:/c`), ["/a/x", "/c/x"]);
});

Deno.test("lookupPaths() keeps bytes that are not UTF-8", () => {
  const [found] = lookupPaths(Uint8Array.of(0xfe), Uint8Array.of(0x2f, 0xff));
  deepEqual(found, Uint8Array.of(0x2f, 0xff, 0x2f, 0xfe));
});
