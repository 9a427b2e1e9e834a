import { deepStrictEqual, strictEqual } from "node:assert";
import { takeLauncherStart } from "./env.ts";

const OTHERS = [
  "DENO_DIR=/dev/null",
  "DENO_NO_UPDATE_CHECK=1",
  "DENO_LOG=error,deno::cache::cache_db=off",
];

Deno.test("takeLauncherStart() takes out the first four entries, and only those", () => {
  const environment = ["MPTCPIZE_START=mine", ...OTHERS, "B=2"];
  deepStrictEqual(
    takeLauncherStart(["MPTCPIZE_START=nofile:1024,sigpipe:ign", ...OTHERS, ...environment]),
    { environment, openFilesLimit: 1024, ignoreSigpipe: true },
  );
  deepStrictEqual(takeLauncherStart(["MPTCPIZE_START=sigpipe:dfl", ...OTHERS]), {
    environment: [],
    openFilesLimit: undefined,
    ignoreSigpipe: false,
  });
});

Deno.test("takeLauncherStart() leaves an environment alone that is not the launcher's", () => {
  for (
    const environment of [
      [],
      ["MPTCPIZE_START=nofile:1"],
      ["MPTCPIZE_START=nofile:1", "DENO_DIR=/x", ...OTHERS.slice(1)],
      ["A=1", "MPTCPIZE_START=nofile:1", ...OTHERS],
      OTHERS,
    ]
  ) strictEqual(takeLauncherStart(environment), undefined, environment.join(" "));
});
