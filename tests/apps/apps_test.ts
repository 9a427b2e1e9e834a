import { commandExists, skipUnless } from "../skip.ts";
import type { App } from "./app.ts";
import { exists } from "./build.ts";
import { DATABASE_APPS } from "./databases.ts";
import { FILE_APPS } from "./files.ts";
import { HTTP_APPS } from "./http.ts";
import { LIMIT_APPS } from "./limits.ts";
import { NATIVE_APPS } from "./native.ts";
import { canMakeNamespaces } from "./netns.ts";
import { Scene, type Situation } from "./scene.ts";
import { SHELL_APPS } from "./shells.ts";
import { STREAM_APPS } from "./streams.ts";

const APPS: readonly App[] = [
  ...HTTP_APPS,
  ...DATABASE_APPS,
  ...FILE_APPS,
  ...SHELL_APPS,
  ...STREAM_APPS,
  ...NATIVE_APPS,
  ...LIMIT_APPS,
];

const MPTCP = { client: "MPTCP", server: "MPTCP" } as const;

/** Leaves an app out, naming the first thing that it lacks. */
function skipWithout({ needs, feature }: App): { ignore: boolean } {
  const missing = needs.find((need) => need.includes("/") ? !exists(need) : !commandExists(need));
  if (missing !== undefined) return skipUnless(missing.slice(missing.lastIndexOf("/") + 1), false);
  if (feature !== undefined) return skipUnless(feature.name, feature.present, feature.hint);
  return { ignore: false };
}

function testApp(app: App, situation: Situation, name: string): void {
  const namespaces = skipUnless("network namespaces", canMakeNamespaces);
  const mptcp = skipUnless("MPTCP", exists("/proc/sys/net/mptcp/enabled"));
  Deno.test({
    name,
    ignore: namespaces.ignore || mptcp.ignore || skipWithout(app).ignore,
    async fn() {
      await using scene = await Scene.open(situation);
      await app.play(scene);
      scene.judge(app.sides ?? MPTCP);
    },
  });
}

for (const app of APPS) {
  const does = app.sides === undefined ? "forces" : "does not pretend to force";
  testApp(app, "forced", `run() ${does} ${app.name}`);
  testApp(app, "off", `run() leaves ${app.name} working as TCP when MPTCP is off`);
}
for (const app of HTTP_APPS.slice(0, 3)) {
  testApp(app, "plain", `judge() sees ${app.name} use TCP when it is not forced`);
}
