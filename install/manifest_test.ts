import { deepStrictEqual, throws } from "node:assert";
import { FormatError } from "../errors.ts";
import { encodeManifest, parseManifest } from "./manifest.ts";

const MANIFEST = {
  version: "1.2.3",
  files: [{ path: "/usr/local/bin/mptcpize", sha256: "0".repeat(64) }],
  folders: ["/usr/lib/mptcpize"],
  obsolete: ["/usr/lib/mptcpize/old"],
};

Deno.test("parseManifest() reads what encodeManifest() writes", () => {
  deepStrictEqual(parseManifest(encodeManifest(MANIFEST), "m"), MANIFEST);
});

Deno.test("parseManifest() refuses what could lead to another file", () => {
  const bad = [
    { files: [{ path: "usr/bin/x", sha256: "0".repeat(64) }] },
    { files: [{ path: "/usr/../etc/passwd", sha256: "0".repeat(64) }] },
    { files: [{ path: "/usr//bin", sha256: "0".repeat(64) }] },
    { files: [{ path: "/usr/bin/", sha256: "0".repeat(64) }] },
    { files: [{ path: "/usr/bin/x", sha256: "0" }] },
    { files: [{ path: "/usr/bin/x" }] },
    { files: [null] },
    { files: {} },
    { folders: ["/"] },
    { folders: [1] },
    { obsolete: ["."] },
    { version: 1 },
    { format: 2 },
  ];
  for (const change of bad) {
    const text = JSON.stringify({ format: 1, ...MANIFEST, ...change });
    throws(() => parseManifest(text, "m"), FormatError, text);
  }
  for (const text of ["", "{", "null", "[]", "1"]) {
    throws(() => parseManifest(text, "m"), FormatError, text);
  }
});
