import { deepEqual, equal } from "node:assert/strict";
import { HEAD_SIZE, parseScriptLine } from "./script.ts";

const encoder = new TextEncoder();
const line = (head: string) => {
  const parsed = parseScriptLine(encoder.encode(head).subarray(0, HEAD_SIZE))?.line;
  return parsed && [parsed.interpreter, parsed.argument];
};

const LINES: [name: string, head: string, expected: (string | undefined)[] | undefined][] = [
  ["it names an interpreter", "#!/bin/sh\necho", ["/bin/sh", undefined]],
  ["it has an argument", "#!/bin/sh -e\n", ["/bin/sh", "-e"]],
  ["the argument has blanks", "#!/usr/bin/awk -v a=1 \t-f\n", ["/usr/bin/awk", "-v a=1 \t-f"]],
  ["blanks are around", "#! \t/bin/sh \t -e \t \n", ["/bin/sh", "-e"]],
  ["blanks are behind the path", "#!/bin/sh  \t\n", ["/bin/sh", undefined]],
  ["it is relative", "#!bin/sh\n", ["bin/sh", undefined]],
  ["it has a carriage return", "#!/bin/sh\r\n", ["/bin/sh\r", undefined]],
  ["the file ends behind the path", "#!/bin/sh", ["/bin/sh", undefined]],
  ["the file ends behind the argument", "#!/bin/sh -e", ["/bin/sh", "-e"]],
  ["the file ends behind a blank", "#!/bin/sh ", ["/bin/sh", ""]],
  ["the file ends behind an argument and blanks", "#!/bin/sh -e  ", ["/bin/sh", "-e  "]],
  ["the file ends at once", "#!", ["", undefined]],
  ["a NUL stands before the newline", "#!/bin/sh\0 -e\n", ["/bin/sh", undefined]],
  ["a NUL stands in the argument", "#!/bin/sh -e\0x\n", ["/bin/sh", "-e"]],
  ["there is no path", "#!\n", undefined],
  ["there are only blanks", "#! \t \n/bin/sh", undefined],
  ["there are 256 bytes of blanks", "#!" + " ".repeat(300), undefined],
  ["it begins otherwise", " #!/bin/sh\n", undefined],
  ["the file is empty", "", undefined],
  ["there is one byte", "#", undefined],
];

for (const [name, head, expected] of LINES) {
  Deno.test(`parseScriptLine() answers as the kernel does when ${name}`, () => {
    deepEqual(line(head), expected);
  });
}

Deno.test("parseScriptLine() refuses a path that may be cut off at 256 bytes", () => {
  const path = (length: number) => "/".repeat(length - 2);
  equal(line("#!" + path(256) + "x\n"), undefined);
  equal(line("#!" + path(256) + "\n"), undefined);
  deepEqual(line("#!" + path(255) + "\n"), [path(255), undefined]);
  deepEqual(line("#!" + path(255) + " -e\n"), [path(255), undefined]);
  deepEqual(line("#!" + path(255)), [path(255), undefined]);
});

Deno.test("parseScriptLine() cuts an argument at 255 bytes when the line is longer", () => {
  deepEqual(line("#!/bin/sh " + "a".repeat(300) + "\n"), ["/bin/sh", "a".repeat(245)]);
  deepEqual(line("#!/bin/sh a" + " ".repeat(300) + "\n"), ["/bin/sh", "a"]);
});

Deno.test("parseScriptLine() keeps the bytes of a path that is not UTF-8", () => {
  const head = Uint8Array.of(0x23, 0x21, 0x2f, 0xff, 0x0a);
  deepEqual(parseScriptLine(head)?.interpreter, Uint8Array.of(0x2f, 0xff));
});

Deno.test("parseScriptLine() tells what env would start when that is plain", () => {
  const envCommand = (text: string) =>
    parseScriptLine(encoder.encode(`#!${text}\n`))?.line.envCommand;
  const lines: [string, string | undefined][] = [
    ["/usr/bin/env python3", "python3"],
    ["env node", "node"],
    ["/usr/bin/env python3 -u", "python3 -u"],
    ["/usr/bin/env -S python3 -u", "python3"],
    ["/usr/bin/env -Spython3 -u", "python3"],
    ["/usr/bin/env --split-string=deno run -A", "deno"],
    ["/usr/bin/env -S A=1 B= /opt/tool.d/run-it x", "/opt/tool.d/run-it"],
    ["/usr/bin/env -S -i sh", undefined],
    ["/usr/bin/env -S 'a b' c", undefined],
    ["/usr/bin/env -S ${HOME}/x", undefined],
    ["/usr/bin/env -S A=1", undefined],
    ["/usr/bin/env -i", undefined],
    ["/usr/bin/env A=1", undefined],
    ["/usr/bin/env", undefined],
    ["/bin/sh python3", undefined],
    ["/opt/myenv python3", undefined],
  ];
  for (const [text, expected] of lines) equal(envCommand(text), expected, text);
});
