import { strict as assert } from "node:assert";
import { findLinks, findTextFaults } from "./check_text.ts";

Deno.test("findTextFaults() names file, line and word when a word is ruled out", () => {
  assert.deepEqual(findTextFaults("a.md", "fine\nit hijacks socket()"), [
    "a.md:2: `hijack`: say `force`",
  ]);
  for (const line of ["// TODO later", "a hooked call", "Deno.test.only(", "crlf\r"]) {
    assert.equal(findTextFaults("a.ts", line).length, 1, line);
  }
});

Deno.test("findTextFaults() is silent about ordinary lines", () => {
  assert.deepEqual(findTextFaults("a.ts", "the preload library overrides socket()\n"), []);
});

Deno.test("findLinks() gives the relative links of the prose only", () => {
  const text = "[a](docs/a.md#part) [b](https://example.org) `[c](c.md)`\n```\n[d](d.md)\n```\n" +
    "[e](#here) ![f](../f.png)";
  assert.deepEqual(findLinks(text), ["docs/a.md", "../f.png"]);
});
