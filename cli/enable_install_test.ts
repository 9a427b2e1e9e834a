import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert";
import { type InstallPlan, MptcpizeError, planEnable } from "../mod.ts";
import { inScene } from "../tests/systemd/fake.ts";
import { findCommandSpec } from "./commands.ts";
import { carryOut } from "./enable.ts";
import { type FirstInstall, planFirstInstall } from "./enable_install.ts";
import type { Env } from "./env.ts";
import { parseFlags } from "./flags.ts";

const PLACES = { prefix: "/opt/x", folder: "/opt/x/lib/mptcpize" };
const COMING = { folder: PLACES.folder, command: "/opt/x/bin/mptcpize" };

function flagsOf(...words: readonly string[]) {
  return parseFlags(findCommandSpec("enable")!, words);
}

/** An installation that only writes down what is asked of it. */
function fakeInstall(asked: string[], fails: "make" | "undo" | "" = ""): FirstInstall {
  const ask = (what: string, failing: boolean) => {
    asked.push(what);
    return failing ? Promise.reject(new MptcpizeError(`Cannot ${what}`)) : Promise.resolve();
  };
  const plan = {
    places: PLACES,
    before: undefined,
    files: [{ path: COMING.command }],
    settles: false,
    manifest: { version: "0.1.0", obsolete: [], files: [{ path: COMING.command }] },
  } as unknown as InstallPlan;
  return {
    places: PLACES,
    make: (dryRun) => ask(dryRun ? "plan" : "install", fails === "make").then(() => plan),
    undo: () => ask("uninstall", fails === "undo"),
  };
}

function fakeEnv(): { readonly env: Env; readonly said: { out: string; err: string } } {
  const said = { out: "", err: "" };
  const env = {
    color: false,
    columns: undefined,
    onSignal: () => {},
    offSignal: () => {},
    out: (text: string) => said.out += text,
    err: (text: string) => said.err += text,
  } as unknown as Env;
  return { env, said };
}

Deno.test("enable --install installs first, and the drop-in names what was installed", () =>
  inScene(async ({ world, files }) => {
    const before = files();
    const request = { units: ["lab-several"], installations: [], toInstall: COMING };
    const plan = await planEnable(request, world);
    const asked: string[] = [];
    const dry = fakeEnv();
    await carryOut(dry.env, flagsOf("--dry-run"), plan, world.manager, fakeInstall(asked));
    deepStrictEqual([asked, files()], [["plan"], before]);
    match(dry.said.out, /write {2}\/opt\/x\/bin\/mptcpize\n.*would be installed[^]*by the preload/);
    const { env, said } = fakeEnv();
    ok(await carryOut(env, flagsOf(), plan, world.manager, fakeInstall(asked)));
    deepStrictEqual(asked, ["plan", "install"]);
    match(
      said.out,
      /^mptcpize 0\.1\.0 is installed: .*\nlab-several\.service is enabled for MPTCP/,
    );
    const text = files()["/etc/lab-several.service.d/90-mptcpize.conf"] ?? "";
    match(text, /"LD_PRELOAD=\/opt\/x\/lib\/mptcpize\/lib\/\w+\/libmptcpize\.so"/);
    const byBpf = await planEnable({ ...request, method: "bpf" }, {
      ...world,
      bpf: () => ({ state: "yes" }),
    });
    match(byBpf.units[0]?.text ?? "", /ExecStartPre=\+-\/opt\/x\/bin\/mptcpize attach /);
  }));

Deno.test("enable --install leaves no installation where nothing came of it", () =>
  inScene(async ({ world, files, systemd }) => {
    const before = files();
    const request = { units: ["lab-several"], installations: [], toInstall: COMING };
    const plan = await planEnable(request, world);
    const { env, said } = fakeEnv();
    const asked: string[] = [];
    await rejects(
      carryOut(env, flagsOf(), plan, world.manager, fakeInstall(asked, "make")),
      /Cannot install/,
    );
    deepStrictEqual([asked, systemd.asked, files()], [["install"], [], before]);
    systemd.failing.set("daemon-reload", "Failed to reload daemon: No space left on device");
    for (const fails of ["", "undo"] as const) {
      asked.length = 0;
      await rejects(
        carryOut(env, flagsOf(), plan, world.manager, fakeInstall(asked, fails)),
        /Cannot reload systemd: Failed to reload daemon: No space left/,
      );
      deepStrictEqual([asked, files()], [["install", "uninstall"], before]);
    }
    strictEqual(
      said.err,
      "mptcpize: /opt/x/lib/mptcpize stays, where it was installed: Cannot uninstall\n",
    );
  }));

Deno.test("planFirstInstall() plans nothing where it is not asked for, or units find one", () =>
  inScene(({ request }) => {
    const { env } = fakeEnv();
    const { installations } = request([]);
    // The one of the scene belongs to who runs the tests.
    strictEqual(planFirstInstall(env, flagsOf(), []), undefined);
    strictEqual(planFirstInstall(env, flagsOf("--install", "--user"), installations), undefined);
    return Promise.resolve();
  }));
