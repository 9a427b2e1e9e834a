import { deepStrictEqual, strictEqual, throws } from "node:assert";
import { FormatError } from "../errors.ts";
import { parseProperties, parseWords } from "./properties.ts";

Deno.test("parseWords() takes out of quotes what systemctl put into them", () => {
  for (
    const [text, words] of [
      ["", []],
      ["A=1", ["A=1"]],
      ["A=1 B=2", ["A=1", "B=2"]],
      ['"A=1 2" B=3', ["A=1 2", "B=3"]],
      ['"A=\\$HOME" "B=\\`x\\`" "C=\\\\" "D=\\""', ["A=$HOME", "B=`x`", "C=\\", 'D="']],
      ['"A=x\\ny\\tz"', ["A=x\ny\tz"]],
      ['"A=\\001\\377"', ["A=\x01\ufffd"]],
      ["A=grün", ["A=grün"]],
      ['"A=grün 🐧"', ["A=grün 🐧"]],
      ["LD_PRELOAD=/a.so:/b.so", ["LD_PRELOAD=/a.so:/b.so"]],
      ['"LD_PRELOAD=/a.so /b.so"', ["LD_PRELOAD=/a.so /b.so"]],
    ] as const
  ) deepStrictEqual(parseWords(text), words);
  throws(() => parseWords('"A=1'), FormatError);
});

const TAIL = "start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }";

Deno.test("parseProperties() keeps each line with its property", () => {
  const names = ["Id", "ExecStart", "EnvironmentFiles", "User", "NeedDaemonReload"];
  const properties = parseProperties(
    [
      "Id=x.service",
      "NeedDaemonReload=yes",
      "User=",
      `ExecStart={ path=/bin/a ; argv[]=/bin/a -c ; pid=0 ; x=1 ; ignore_errors=no ; ${TAIL}`,
      // An argument with a line end, and one that looks like a property that nobody asked for.
      "ExecStart={ path=/bin/sh ; argv[]=/bin/sh -c echo 1",
      "Slice=evil",
      "",
      `done ; ignore_errors=yes ; ${TAIL}`,
      "EnvironmentFiles=/etc/default/x (ignore_errors=yes)",
      "EnvironmentFiles=/etc/y (ignore_errors=no)",
      "",
    ].join("\n"),
    names,
  );
  strictEqual(properties.text("Id"), "x.service");
  strictEqual(properties.isYes("NeedDaemonReload"), true);
  deepStrictEqual([properties.has("User"), properties.text("User")], [true, ""]);
  deepStrictEqual([properties.has("Group"), properties.text("Group")], [false, ""]);
  deepStrictEqual(properties.lines("EnvironmentFiles"), [
    "/etc/default/x (ignore_errors=yes)",
    "/etc/y (ignore_errors=no)",
  ]);
  deepStrictEqual(properties.commands("ExecStart"), [
    { path: "/bin/a", words: "/bin/a -c ; pid=0 ; x=1", flags: [] },
    { path: "/bin/sh", words: "/bin/sh -c echo 1\nSlice=evil\n\ndone", flags: ["ignore-failure"] },
  ]);
  deepStrictEqual(properties.commands("ExecStartPre"), []);
});

Deno.test("UnitProperties.commands() reads the flags of the newer form, and refuses what is neither", () => {
  const read = (line: string) => parseProperties(`X=${line}\n`, ["X"]).commands("X");
  const line = (flags: string) => `{ path=/x ; argv[]=/x ; flags=${flags} ; ${TAIL}`;
  deepStrictEqual(read(line("privileged ignore-failure"))[0]?.flags, [
    "privileged",
    "ignore-failure",
  ]);
  deepStrictEqual(read(line("")), [{ path: "/x", words: "/x", flags: [] }]);
  throws(() => read("{ path=/x }"), FormatError);
});
