import { deepStrictEqual, match, ok, strictEqual, throws } from "node:assert";
import {
  attachAtStart,
  type BootTarget,
  isOurs,
  isStrictDropIn,
  parseBootUnit,
  renderBootUnit,
  renderDropIn,
} from "./attach_units.ts";

const COMMAND = "/usr/local/bin/mptcpize";

Deno.test("attachAtStart() runs outside of the sandbox, and keeps nothing from starting", () => {
  strictEqual(
    attachAtStart(COMMAND, false),
    "ExecStartPre=+-/usr/local/bin/mptcpize attach --quiet %n",
  );
  match(
    attachAtStart('/opt/a b$%"/mptcpize', true),
    /^ExecStartPre=\+-"\/opt\/a b\$\$%%\\"\/mptcpize" attach --quiet --strict %n$/,
  );
});

Deno.test("renderDropIn() is known as ours, with its strictness and its undo", () => {
  for (const strict of [false, true]) {
    const text = renderDropIn("nginx.service", COMMAND, strict);
    deepStrictEqual([isOurs(text), isStrictDropIn(text)], [true, strict]);
    match(text, /`mptcpize detach nginx\.service`/);
  }
  strictEqual(isOurs("[Service]\nExecStartPre=+-/usr/local/bin/mptcpize attach %n\n"), false);
});

Deno.test("parseBootUnit() gives back what renderBootUnit() was given", () => {
  const targets: BootTarget[] = [
    { kind: "slice", name: "system-foo\\x2dbar.slice", strict: false },
    { kind: "comm", name: 'a "b" $HOME %n \\ é\n', strict: true },
    { kind: "all", strict: false },
  ];
  for (let count = 0; count <= targets.length; count++) {
    const some = targets.slice(0, count);
    deepStrictEqual(parseBootUnit(renderBootUnit(some, COMMAND)), some);
  }
  const text = renderBootUnit(targets, COMMAND);
  ok(isOurs(text));
  match(text, /^Requires=system-foo\\x2dbar\.slice$/m);
  match(text, /^After=local-fs\.target system-foo\\x2dbar\.slice$/m);
  match(text, /^WantedBy=basic\.target system-foo\\x2dbar\.slice$/m);
  match(
    text,
    /^ExecStart=-\/usr\/local\/bin\/mptcpize attach --quiet system-foo\\\\x2dbar\.slice$/m,
  );
  match(
    text,
    /^ExecStart=-\S+ attach --quiet --strict "--comm=a \\"b\\" \$\$HOME %%n \\\\ é\\x0a"$/m,
  );
  match(text, /^ExecStart=-\S+ attach --quiet --all$/m);
  strictEqual(/ $/m.test(text), false);
});

Deno.test("parseBootUnit() refuses a unit whose targets were changed", () => {
  const text = renderBootUnit([{ kind: "all", strict: false }], COMMAND);
  for (
    const changed of [
      text.replace("# targets ", "# "),
      text.replace('"all"', '"path"'),
      text.replace("false", "0"),
      text.replace("}]", "}"),
      text.replace(/\[\{.*/, "[null]"),
      text.replace(/\[\{.*/, '[{"kind":"comm","strict":true}]'),
      "",
    ]
  ) throws(() => parseBootUnit(changed), /Cannot read mptcpize-attach\.service/);
});
