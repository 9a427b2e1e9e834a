import { deepStrictEqual, strictEqual } from "node:assert";
import { takeLauncherStart } from "./env.ts";

const UPDATE = "DENO_NO_UPDATE_CHECK=1";

Deno.test("takeLauncherStart() takes out the last two entries, and only those", () => {
  const environment = ["A=1", "MPTCPIZE_START=mine", UPDATE, "B=2"];
  deepStrictEqual(
    takeLauncherStart([...environment, UPDATE, "MPTCPIZE_START=nofile:1024,sigpipe:ign"]),
    { environment, openFilesLimit: 1024, ignoreSigpipe: true },
  );
  deepStrictEqual(takeLauncherStart([UPDATE, "MPTCPIZE_START=sigpipe:dfl"]), {
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
      [UPDATE, "MPTCPIZE_START=nofile:1", "A=1"],
      ["A=1", "MPTCPIZE_START=nofile:1"],
      [UPDATE],
    ]
  ) strictEqual(takeLauncherStart(environment), undefined, environment.join(" "));
});
