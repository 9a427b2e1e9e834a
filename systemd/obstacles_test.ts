import { deepStrictEqual, strictEqual } from "node:assert";
import {
  environmentFiles,
  hidingSetting,
  lastValue,
  noExecSetting,
  unsettingSetting,
} from "./obstacles.ts";
import { parseProperties, UnitProperties } from "./properties.ts";

const LIBRARY = "/usr/lib/mptcpize/lib/x86_64/libmptcpize.so";

function properties(values: Readonly<Record<string, string>>): UnitProperties {
  return new UnitProperties(
    new Map(Object.entries(values).map(([name, value]) => [name, [value]])),
  );
}

/** What systemd 257 printed about a unit. */
function recorded(name: string): UnitProperties {
  const text = Deno.readTextFileSync(new URL(`testdata/show_${name}.txt`, import.meta.url));
  const names = [...text.matchAll(/^(\w+)=/gm)].map(([, name]) => name!);
  return parseProperties(text, [...new Set(names)]);
}

Deno.test("hidingSetting() names the setting that hides a file, the deepest first", () => {
  for (
    const [values, path, wanted] of [
      [{}, LIBRARY, undefined],
      [{ RootDirectory: "/srv/www" }, LIBRARY, "RootDirectory=/srv/www"],
      [{ RootDirectory: "/" }, LIBRARY, undefined],
      [{ RootImage: "/x.img" }, LIBRARY, "RootImage=/x.img"],
      [
        { RootDirectory: "/srv/www", BindReadOnlyPaths: "/usr:/usr:rbind /etc:/etc:rbind" },
        LIBRARY,
        undefined,
      ],
      [{ RootDirectory: "/srv/www", BindReadOnlyPaths: "-/usr" }, LIBRARY, undefined],
      [{ BindPaths: "/other:/usr/lib" }, LIBRARY, "BindPaths=/other:/usr/lib"],
      [
        { InaccessiblePaths: "-/usr/lib/mptcpize /x" },
        LIBRARY,
        "InaccessiblePaths=/usr/lib/mptcpize",
      ],
      [{ InaccessiblePaths: "/usr/lib/mptc" }, LIBRARY, undefined],
      [{ TemporaryFileSystem: "/usr:ro" }, LIBRARY, "TemporaryFileSystem=/usr"],
      [
        { TemporaryFileSystem: "/usr:ro", BindReadOnlyPaths: "/usr/lib:/usr/lib" },
        LIBRARY,
        undefined,
      ],
      [{ ProtectHome: "yes" }, "/home/u/.local/lib/x.so", "ProtectHome=yes"],
      [{ ProtectHome: "read-only" }, "/home/u/.local/lib/x.so", undefined],
      [{ ProtectHome: "tmpfs" }, "/root/x.so", "ProtectHome=tmpfs"],
      [{ PrivateTmp: "yes" }, "/tmp/x.so", "PrivateTmp=yes"],
    ] as const
  ) {
    strictEqual(
      hidingSetting(properties(values), path, () => false),
      wanted,
      JSON.stringify(values),
    );
  }
  strictEqual(
    hidingSetting(
      properties({ RootDirectory: "/srv/www" }),
      LIBRARY,
      (root) => root === "/srv/www",
    ),
    undefined,
  );
});

Deno.test("noExecSetting() lets the deepest of ExecPaths= and NoExecPaths= decide", () => {
  const setting = (NoExecPaths: string, ExecPaths = "") =>
    noExecSetting(properties({ NoExecPaths, ExecPaths }), LIBRARY);
  strictEqual(setting(""), undefined);
  strictEqual(setting("/"), "NoExecPaths=/");
  strictEqual(setting("/", "/usr/lib /lib"), undefined);
  strictEqual(setting("/ /usr/lib/mptcpize", "/usr/lib"), "NoExecPaths=/usr/lib/mptcpize");
  strictEqual(setting("/home"), undefined);
});

Deno.test("unsettingSetting() knows a name and a whole assignment", () => {
  const setting = (UnsetEnvironment: string) =>
    unsettingSetting(properties({ UnsetEnvironment }), "A=1 2");
  deepStrictEqual(
    [setting("A"), setting('"A=1 2" B'), setting("A=1"), setting("")],
    ["UnsetEnvironment=A", "UnsetEnvironment=A=1 2", undefined, undefined],
  );
});

Deno.test("what systemd 257 prints of real units is read as it was meant", () => {
  deepStrictEqual(recorded("lab-environment").words("Environment"), [
    "LD_PRELOAD=/lib/x86_64-linux-gnu/libdl.so.2",
    'GREETING=good day, it is 100% "fine"',
    "PRICE=5$",
    "COLOUR=blue",
  ]);
  deepStrictEqual(environmentFiles(recorded("lab-environment")), [
    { path: "/srv/lab-units/plain.env", optional: true },
    { path: "/srv/lab-units/not-there.env", optional: true },
  ]);
  deepStrictEqual(
    recorded("lab-several").commands("ExecStart").map(({ path, words }) => [path, words]),
    [["/bin/sh", '/bin/sh -c echo "a\nb" ; true'], ["/bin/true", "true-by-another-name x"]],
  );
  deepStrictEqual(recorded("lab-several").commands("ExecStartPreEx")[0]?.flags, ["ignore-failure"]);
  // Debian's: NoExecPaths=/ with ExecPaths=/usr/lib, which lets our library in.
  strictEqual(noExecSetting(recorded("redis-server"), LIBRARY), undefined);
  strictEqual(noExecSetting(recorded("lab-noexec"), LIBRARY), "NoExecPaths=/");
  strictEqual(
    hidingSetting(recorded("lab-root"), LIBRARY, () => false),
    "RootDirectory=/srv/lab-units/root",
  );
  strictEqual(
    unsettingSetting(recorded("lab-unset"), "LD_PRELOAD=x"),
    "UnsetEnvironment=LD_PRELOAD",
  );
  strictEqual(recorded("lab-alias").text("Id"), "lab-python.service");
  deepStrictEqual(recorded("lab-mixed.socket").lines("Listen"), [
    "127.0.0.1:8110 (Stream)",
    "/run/lab-mixed.sock (Stream)",
  ]);
  for (const name of ["nginx", "redis-server", "haproxy", "lab-python", "user_at_0"]) {
    const [command] = recorded(name).commands("ExecStart");
    strictEqual(command?.path.startsWith("/"), true, name);
  }
});

Deno.test("lastValue() takes the last assignment of a name", () => {
  strictEqual(lastValue(["A=1", "AB=2", "A=3=4"], "A"), "3=4");
  strictEqual(lastValue(["AB=2"], "A"), undefined);
});
