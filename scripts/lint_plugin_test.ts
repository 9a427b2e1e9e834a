import { strict as assert } from "node:assert";
import plugin from "./lint_plugin.ts";

/** The names of the rules that a line of code in a file breaks. */
function broken(file: string, source: string): string[] {
  return Deno.lint.runPlugin(plugin, file, source).map(({ id }) => id.replace("mptcpize/", ""));
}

Deno.test("open-libraries-in-ffi reports Deno.dlopen when it is in another folder", () => {
  for (
    const use of ["Deno.dlopen(a, {})", 'Deno["dlopen"](a, {})', "globalThis.Deno.dlopen(a, {})"]
  ) {
    const source = `function open() { return ${use}; }`;
    assert.deepEqual(broken("inspect/a.ts", source), ["open-libraries-in-ffi"], use);
    assert.deepEqual(broken("ffi/a.ts", source), []);
    assert.deepEqual(broken("tests/a.ts", source), []);
  }
  const source = "const open = () => { const { dlopen: d } = Deno; return d; };";
  assert.deepEqual(broken("force/a.ts", source), ["open-libraries-in-ffi"]);
});

Deno.test("open-libraries-lazily reports Deno.dlopen when it runs at import time", () => {
  assert.deepEqual(broken("ffi/a.ts", "export const lib = Deno.dlopen(a, {});"), [
    "open-libraries-lazily",
  ]);
  assert.deepEqual(broken("ffi/a.ts", "class A { open() { return Deno.dlopen(a, {}); } }"), []);
});

Deno.test("print-in-cli reports output and exit when they are outside cli/", () => {
  const uses = [
    "console.log(1)",
    "globalThis.console.error(1)",
    "Deno.exit(1)",
    "Deno.stdout.writeSync(b)",
    "await Deno.stderr.write(b)",
    "const { log } = console",
    "const { exit } = Deno",
  ];
  for (const use of uses) {
    assert.deepEqual(broken("force/a.ts", use), ["print-in-cli"], use);
    assert.deepEqual(broken("mod.ts", use), ["print-in-cli"], use);
    for (const file of ["cli/a.ts", "scripts/a.ts", "bench/a.ts", "force/a_test.ts"]) {
      assert.deepEqual(broken(file, use), [], `${file}: ${use}`);
    }
  }
});

Deno.test("start-programs-in-few-places reports Deno.Command when the file may not", () => {
  const source = 'new Deno.Command("true");';
  for (const file of ["cli/run.ts", "systemd/drop_in.ts", "force/apply.ts", "cli/demos/a.ts"]) {
    assert.deepEqual(broken(file, source), ["start-programs-in-few-places"], file);
  }
  for (const file of ["cli/demo.ts", "cli/demo_server.ts", "systemd/manager.ts", "paths/a.ts"]) {
    assert.deepEqual(broken(file, source), [], file);
  }
});

Deno.test("the plugin reports nothing when the code only reads", () => {
  const source = "export const home = Deno.env.get('HOME'); const { pid } = Deno; a.console.log();";
  assert.deepEqual(broken("force/a.ts", source), []);
});
