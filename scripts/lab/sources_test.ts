import { strictEqual } from "node:assert";
import { turnLines, turnParagraphs } from "./sources.ts";

Deno.test("turnParagraphs() keeps where a release is fetched and asks for another suite", () => {
  const own = `# The mirror
Types: deb deb-src
URIs: http://mirror.test/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://mirror.test/security
Suites: bookworm-security
Components: main

Types: deb
URIs: http://off.test/
Suites: bookworm
Enabled: no

Types: deb-src
URIs: http://source.test/
Suites: bookworm
`;
  strictEqual(
    turnParagraphs(own, "bookworm", "trixie"),
    `Types: deb deb-src
URIs: http://mirror.test/debian
Suites: trixie
Components: main
`,
  );
});

Deno.test("turnLines() does the same for one-line sources", () => {
  const own = `# deb http://off.test bookworm main
deb [signed-by=/usr/share/k.gpg] http://mirror.test/debian bookworm main contrib
deb http://mirror.test/debian bookworm-updates main
deb-src http://mirror.test/debian bookworm main
`;
  strictEqual(
    turnLines(own, "bookworm", "sid"),
    "deb [signed-by=/usr/share/k.gpg] http://mirror.test/debian sid main contrib\n",
  );
});
