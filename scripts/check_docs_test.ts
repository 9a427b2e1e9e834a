import { strict as assert } from "node:assert";
import { type DocModule, findDocFaults } from "./check_docs.ts";

const MODULE = { doc: "What it is.", tags: [{ kind: "module" }] };

function withComment(jsDoc: { doc?: string; tags?: { kind: string }[] }): DocModule {
  const location = { filename: "a.ts", line: 4 };
  return {
    module_doc: MODULE,
    symbols: [{ name: "x", declarations: [{ jsDoc, declarationKind: "export", location }] }],
  };
}

Deno.test("findDocFaults() is silent when the comments are in order", () => {
  const tags = [{ kind: "throws", tsType: {} }];
  assert.deepEqual(findDocFaults("a.ts", withComment({ doc: "Does it.\n\nMore", tags })), []);
});

Deno.test("findDocFaults() names file, line and symbol of what is missing", () => {
  assert.deepEqual(findDocFaults("a.ts", withComment({})), ["a.ts:5: x: it has no comment"]);
  assert.match(String(findDocFaults("a.ts", withComment({ doc: "Does it" }))), /has no end/);
  assert.match(
    String(findDocFaults("a.ts", withComment({ doc: "Does it.", tags: [{ kind: "throws" }] }))),
    /@throws names its class/,
  );
  assert.match(String(findDocFaults("a.ts", {})), /no @module comment/);
});

Deno.test("findDocFaults() reads what deno doc prints", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--json", new URL("./check_docs.ts", import.meta.url).pathname],
  }).output();
  const { nodes } = JSON.parse(new TextDecoder().decode(stdout));
  const [module] = Object.values<DocModule>(nodes);
  assert.ok(module);
  assert.ok(module.symbols?.some(({ name }) => name === "findDocFaults"));
  assert.deepEqual(findDocFaults("check_docs.ts", module), []);
});
