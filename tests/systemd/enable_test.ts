/**
 * `mptcpize enable` and `disable` on a real systemd: forced by the kernel's answer, and undone byte for byte.
 *
 * @module
 */

import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert";
import { listEnabledUnits, type MptcpizeError } from "../../mod.ts";
import { LIBRARY } from "../attach/installation.ts";
import { OTHER_LIBRARY, UNITS } from "./units.ts";
import {
  disable,
  enable,
  LAB,
  listeners,
  mptcpize,
  mptcpizeWords,
  must,
  prepareMachine,
  run,
  snapshot,
  until,
} from "./world.ts";

prepareMachine(LAB);

/** The environment of a unit's main process. */
async function environment(unit: string): Promise<string[]> {
  const pid = (await must("systemctl", "show", "-P", "MainPID", "--", unit)).trim();
  return Deno.readTextFileSync(`/proc/${pid}/environ`).split("\0");
}

for (
  const [unit, method, url] of [
    ["nginx", "preload", "http://127.0.0.1/"],
    ["redis-server", "preload", "telnet://127.0.0.1:6379"],
    ["haproxy", "preload", "http://127.0.0.1:8114/"],
    ["lab-python", "preload", "http://127.0.0.1:8101/"],
    ["lab-go", "godebug", "http://127.0.0.1:8102/"],
    ["lab-port@8111", "preload", "http://127.0.0.1:8111/"],
    ["lab-environment", "preload", "http://127.0.0.1:8104/"],
  ] as const
) {
  Deno.test({
    name: `enable --now forces ${unit}, and disable --now leaves the machine as it was`,
    ...LAB,
    async fn() {
      const name = `${unit}.service`;
      await must("systemctl", "start", name);
      await until(`${unit} listens`, async () => (await listeners(name)).length > 0);
      const before = await snapshot();
      deepStrictEqual(new Set(await listeners(name)), new Set(["tcp"]));
      const { plan, outcome } = await enable([unit], { now: true });
      strictEqual(plan.units[0]?.method, method);
      deepStrictEqual(new Set(await listeners(name)), new Set(["mptcp"]));
      const sockets = outcome.restarted[0]?.sockets ?? [];
      ok(sockets.length > 0 && sockets.every(({ verdict }) => verdict === "mptcp"));
      if (url.startsWith("http")) await must("curl", "-sSf", "-o", "/dev/null", url);
      const [listed] = await listEnabledUnits();
      deepStrictEqual(
        [
          listed?.unit,
          listed?.method,
          listed?.loaded,
          listed?.running.map(({ pending }) => pending),
        ],
        [name, method, true, [false]],
      );
      // Twice is once.
      const again = await enable([unit], { now: true });
      deepStrictEqual([again.plan.units[0]?.done, again.plan.actions], [true, []]);
      if (unit === "lab-environment") {
        const variables = await environment(name);
        for (
          const wanted of [
            `LD_PRELOAD=${OTHER_LIBRARY}:${LIBRARY}`,
            "GREETING=good day",
            "PRICE=5$",
            "COLOUR=blue",
          ]
        ) ok(variables.includes(wanted), `${wanted} in ${variables.join("\n")}`);
      }
      await disable([unit], true);
      deepStrictEqual(new Set(await listeners(name)), new Set(["tcp"]));
      await must("systemctl", "stop", name);
      deepStrictEqual(await snapshot(), before);
    },
  });
}

Deno.test({
  name: "enable keeps what haproxy's unit sets, and takes effect without --now",
  ...LAB,
  async fn() {
    const before = await snapshot();
    const { code, stdout } = await mptcpize("enable", "haproxy");
    strictEqual(code, 0);
    match(stdout, /^haproxy\.service is enabled for MPTCP by the preload library\n/);
    const shown = await must("systemctl", "show", "-P", "Environment", "haproxy");
    for (
      const kept of [
        "CONFIG=/etc/haproxy/haproxy.cfg",
        "PIDFILE=",
        '"EXTRAOPTS=-S /run/haproxy-master.sock -f ',
        `LD_PRELOAD=${LIBRARY}`,
        "GODEBUG=multipathtcp=1",
      ]
    ) ok(shown.includes(kept), `${kept} in ${shown}`);
    const twice = await mptcpize("disable", "haproxy");
    match(twice.stdout, /^haproxy\.service is as its unit file has it\n/);
    match((await mptcpize("disable", "haproxy")).stdout, /is not enabled: nothing to do/);
    deepStrictEqual(await snapshot(), before);
  },
});

Deno.test({
  name: "enable of a template reaches each instance, and of an alias the unit itself",
  ...LAB,
  async fn() {
    const before = await snapshot();
    const [one, other] = ["lab-port@8121.service", "lab-port@8122.service"] as const;
    await must("systemctl", "start", one);
    await until("it listens", async () => (await listeners(one)).length > 0);
    const { plan } = await enable(["lab-port@.service"], { now: true });
    deepStrictEqual(plan.units[0]?.running, [one]);
    deepStrictEqual(await listeners(one), ["mptcp"]);
    await must("systemctl", "start", other);
    await until("it listens", async () => (await listeners(other)).length > 0);
    deepStrictEqual(await listeners(other), ["mptcp"]);
    const alias = (await enable(["lab-alias"], { runtime: true })).plan.units[0];
    deepStrictEqual([alias?.unit, alias?.file], [
      "lab-python.service",
      "/run/systemd/system/lab-python.service.d/90-mptcpize.conf",
    ]);
    deepStrictEqual((await listEnabledUnits()).map(({ unit, runtime }) => [unit, runtime]), [
      ["lab-port@.service", false],
      ["lab-python.service", true],
    ]);
    await disable(["lab-alias", "lab-port@"]);
    await must("systemctl", "stop", one, other);
    deepStrictEqual(await snapshot(), before);
  },
});

Deno.test({
  name: "enable --with-sockets makes systemd's own listener MPTCP, and a service by it",
  ...LAB,
  async fn() {
    const before = await snapshot();
    const [socket, service] = ["lab-activated.socket", "lab-activated.service"] as const;
    await must("systemctl", "start", socket);
    const refused = await mptcpize("enable", "lab-activated");
    strictEqual(refused.code, 1);
    match(refused.stderr, /its listeners are made by systemd \(lab-activated\.socket\)/);
    match(refused.stderr, /hint: .*`mptcpize enable --with-sockets lab-activated\.service`/);
    deepStrictEqual(await snapshot(), before);
    // Once with the service at rest, once while it runs: its socket cannot be made anew below it.
    for (const running of [false, true]) {
      if (running) await must("systemctl", "start", service);
      const { outcome } = await enable(["lab-activated"], { now: true, withSockets: true });
      deepStrictEqual(outcome.restarted.map(({ unit }) => unit), [
        socket,
        ...(running ? [service] : []),
      ]);
      deepStrictEqual(await listeners(socket), ["mptcp"]);
      const hello = await must(...mptcpizeWords("run", "curl", "-s", "telnet://127.0.0.1:8109"));
      strictEqual(hello, "hello\n");
      deepStrictEqual(await listeners(service), ["mptcp"], "the listener that it was given");
      await disable(["lab-activated", socket], true);
      deepStrictEqual(await listeners(socket), ["tcp"]);
      await must("systemctl", "stop", service);
    }
    await must("systemctl", "stop", socket, service);
    deepStrictEqual(await snapshot(), before);
  },
});

Deno.test({
  name: "enable refuses what it cannot reach, says why, and changes nothing",
  ...LAB,
  async fn() {
    const before = await snapshot();
    await must("systemctl", "start", "--no-block", "lab-slow");
    await run(["systemd-run", "--unit=lab-transient", "sleep", "1000"]);
    const during = await snapshot();
    const preload = { method: "preload" } as const;
    for (
      const [units, request, message, hint] of [
        [
          ["lab-file"],
          preload,
          /EnvironmentFile=\/srv\/lab-units\/preload\.env sets LD_/,
          /put `LD_P/,
        ],
        [["lab-root"], preload, /RootDirectory=\S+ hides \/usr\/lib\/mptcpize/, /./],
        [["lab-noexec"], preload, /NoExecPaths=\/ keeps its programs/, /ExecPaths=/],
        [["lab-unset"], preload, /UnsetEnvironment=LD_PRELOAD takes it out/, /./],
        [["lab-masked"], {}, /it is masked/, /systemctl unmask/],
        [["lab-nosuch"], {}, /there is no such unit/, /list-unit-files/],
        [["lab-transient"], {}, /it is transient/, /systemd-run/],
        [["lab-mixed.socket"], {}, /lab-mixed\.sock \(Stream\) too/, /of their own/],
        [["lab-local.socket"], {}, /no TCP listener/, /./],
        [["init.scope"], {}, /scope are started by others/, /attach/],
        [["lab-python", "lab-nosuch"], {}, /there is no such unit/, /./],
      ] as const
    ) {
      await rejects(enable(units, request), (error: MptcpizeError) => {
        match(error.message, message);
        match(error.hint ?? "", hint);
        return true;
      });
    }
    deepStrictEqual(await snapshot(), during);
    await must("systemctl", "stop", "lab-transient", "lab-slow");
    deepStrictEqual(await snapshot(), before);
  },
});

Deno.test({
  name: "enable --now puts all back when the service does not come up, and shows its last words",
  ...LAB,
  async fn() {
    await must("systemctl", "start", "lab-broken");
    await until("it listens", async () => (await listeners("lab-broken.service")).length > 0);
    const before = await snapshot();
    const { code, stderr } = await mptcpize("enable", "--now", "lab-broken");
    strictEqual(code, 1);
    match(stderr, /^mptcpize: Cannot restart lab-broken\.service with MPTCP: /);
    match(stderr, /its last words:\n( {2}.*\n)* {2}.*no LD_PRELOAD for me, please/);
    match(stderr, /hint: nothing is changed; it was restarted as it was before/);
    deepStrictEqual(await snapshot(), before);
    await until("it listens", async () => (await listeners("lab-broken.service")).length > 0);
    deepStrictEqual(await listeners("lab-broken.service"), ["tcp"]);
    await must("systemctl", "stop", "lab-broken");
  },
});

Deno.test({
  name: "enable --now that is interrupted puts all back",
  ...LAB,
  async fn() {
    await must("systemctl", "start", "lab-slow");
    await until("it listens", async () => (await listeners("lab-slow.service")).length > 0);
    const before = await snapshot();
    const [program, ...args] = mptcpizeWords("enable", "--now", "lab-slow");
    await using child = new Deno.Command(program!, {
      args,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    await until(
      "it is being restarted",
      async () =>
        (await must("systemctl", "show", "-P", "SubState", "lab-slow")).trim() === "start-pre",
    );
    child.kill("SIGINT");
    const { code, stderr } = await child.output();
    strictEqual(code, 1);
    match(new TextDecoder().decode(stderr), /it was interrupted\n\nhint: nothing is changed/);
    deepStrictEqual(await snapshot(), before);
    await until("it listens", async () => (await listeners("lab-slow.service")).length > 0);
    await must("systemctl", "stop", "lab-slow");
  },
});

Deno.test({
  name: "a drop-in stays in force when the package is upgraded, and systemd starts anew",
  ...LAB,
  async fn() {
    const before = await snapshot();
    await enable(["lab-python"]);
    const file = "/etc/systemd/system/lab-python.service";
    Deno.writeTextFileSync(
      `${file}.dpkg-new`,
      UNITS["lab-python.service"]!.replace("8101", "8131"),
    );
    Deno.renameSync(`${file}.dpkg-new`, file);
    await must("systemctl", "daemon-reexec");
    await must("systemctl", "start", "lab-python");
    await until("it listens", async () => (await listeners("lab-python.service")).length > 0);
    deepStrictEqual(await listeners("lab-python.service"), ["mptcp"]);
    await disable(["lab-python"]);
    const [listed] = await listEnabledUnits();
    strictEqual(listed, undefined);
    await must("systemctl", "stop", "lab-python");
    Deno.writeTextFileSync(file, UNITS["lab-python.service"]!);
    await must("systemctl", "daemon-reload");
    const after = await snapshot();
    delete before[file], delete after[file];
    deepStrictEqual(after, before);
  },
});

Deno.test({
  name:
    "enable --user forces a service of a user, and it is in force when their systemd starts anew",
  ...LAB,
  async fn() {
    const before = await snapshot();
    await must("useradd", "--create-home", "labuser");
    const uid = (await must("id", "-u", "labuser")).trim();
    try {
      await must("loginctl", "enable-linger", "labuser");
      const runtime = `/run/user/${uid}`;
      await until(
        "their systemd runs",
        async () => (await run(["systemctl", "is-active", `user@${uid}.service`])).code === 0,
      );
      const as = (...words: readonly string[]) => [
        ...["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--init-groups", "env", "-C", "/"],
        ...[`HOME=/home/labuser`, `XDG_RUNTIME_DIR=${runtime}`, `DENO_DIR=/home/labuser/deno`],
        ...words,
      ];
      const own = (...words: readonly string[]) => must(...as("systemctl", "--user", ...words));
      const folder = "/home/labuser/.config/systemd/user";
      await must(...as("mkdir", "-p", folder));
      const unit = `[Service]\nExecStart=/usr/bin/python3 -m http.server --bind 127.0.0.1 8141\n` +
        `[Install]\nWantedBy=default.target\n`;
      await must(...as("sh", "-c", `printf '%s' '${unit}' >${folder}/own.service`));
      await own("daemon-reload");
      await own("enable", "--now", "own.service");
      const files = await must("find", "/home/labuser/.config");
      const foreign = await run(as(...mptcpizeWords("enable", "nginx")));
      strictEqual(foreign.code, 1);
      match(foreign.stderr, /only root may change them[^]*`mptcpize enable --user`/);
      const enabled = await run(as(...mptcpizeWords("enable", "--now", "--user", "own", "--json")));
      strictEqual(enabled.code, 0, enabled.stderr);
      const verdicts = () =>
        listeners8141(`/user.slice/user-${uid}.slice/user@${uid}.service/app.slice/own.service`);
      deepStrictEqual(await verdicts(), ["mptcp"]);
      // A manager that starts anew, as after a reboot.
      await must("systemctl", "restart", `user@${uid}.service`);
      await until("it listens", async () => (await verdicts()).length > 0);
      deepStrictEqual(await verdicts(), ["mptcp"]);
      const disabled = await run(as(...mptcpizeWords("disable", "--now", "--user", "own")));
      strictEqual(disabled.code, 0, disabled.stderr);
      deepStrictEqual(await verdicts(), ["tcp"]);
      strictEqual(await must("find", "/home/labuser/.config"), files);
    } finally {
      await run(["loginctl", "disable-linger", "labuser"]);
      await run(["systemctl", "stop", `user@${uid}.service`]);
      await run(["userdel", "--remove", "labuser"]);
    }
    deepStrictEqual(await snapshot(), before);
  },
});

/** Verdicts of the listeners in a control group, by its name. */
async function listeners8141(group: string): Promise<string[]> {
  const { readGroupSockets } = await import("../../force/unit_sockets.ts");
  return readGroupSockets(group).filter(({ state }) => state === "LISTEN")
    .map(({ verdict }) => verdict);
}

Deno.test({
  name: "explain tells of a unit what enable would find and write, and changes nothing",
  ...LAB,
  async fn() {
    const before = await snapshot();
    const text = await mptcpize("explain", "--unit", "lab-environment");
    strictEqual(text.code, 0, text.stderr);
    match(text.stdout, /^lab-environment\.service\n {2}\/usr\/bin\/python3\n/);
    match(text.stdout, /\npreload {2}yes {9}it is dynamically linked/);
    match(text.stdout, /`mptcpize enable` would write\n\n.*\n {2}keeps LD_PRELOAD=/);
    const json = await mptcpize("explain", "lab-file.service", "--method=preload", "--json");
    strictEqual(json.code, 1);
    const { unit, reaches, refused } = JSON.parse(json.stdout);
    deepStrictEqual([unit, reaches[0].method, reaches[0].reaches], [
      "lab-file.service",
      "preload",
      false,
    ]);
    match(reaches[0].reason, /EnvironmentFile=\/srv\/lab-units\/preload\.env sets LD_PRELOAD/);
    match(refused.hint, /^put `LD_PRELOAD=/);
    const bare = await mptcpize("explain", "lab-python");
    match(bare.stderr, /hint: `mptcpize explain lab-python\.service` explains the unit/);
    deepStrictEqual(await snapshot(), before);
  },
});

Deno.test({
  name: "--dry-run shows the plan and changes nothing",
  ...LAB,
  async fn() {
    const before = await snapshot();
    const { code, stdout } = await mptcpize("enable", "--now", "--dry-run", "lab-environment");
    strictEqual(code, 0);
    for (
      const line of [
        "lab-environment.service: by the preload library",
        `  keeps LD_PRELOAD=${OTHER_LIBRARY}`,
        "  /etc/systemd/system/lab-environment.service.d/90-mptcpize.conf",
        `    Environment="LD_PRELOAD=${OTHER_LIBRARY}:${LIBRARY}"`,
      ]
    ) ok(stdout.split("\n").includes(line), `${line} in\n${stdout}`);
    deepStrictEqual(await snapshot(), before);
  },
});
