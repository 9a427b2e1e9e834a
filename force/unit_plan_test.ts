import { deepStrictEqual, doesNotMatch, match, ok, rejects, strictEqual } from "node:assert";
import { ConflictError, MptcpizeError, NotFoundError, NotSupportedError } from "../errors.ts";
import { inScene, recordedCommand } from "../tests/systemd/fake.ts";
import { listUnitsUsing } from "./dependents.ts";
import { applyUnitPlan } from "./unit_apply.ts";
import { planDisable } from "./unit_disable.ts";
import { planEnable } from "./unit_enable.ts";

Deno.test("planEnable() and planDisable() write one drop-in, and remove it with its folder", () =>
  inScene(async ({ world, request, files, systemd }) => {
    const before = files();
    const plan = await planEnable(request(["lab-several"]), world);
    deepStrictEqual(plan.actions.map(({ kind }) => kind), [
      ...["write", "reload", "expect", "expect", "expect"],
    ]);
    deepStrictEqual(files(), before, "a plan changes nothing");
    await applyUnitPlan(plan, world.manager);
    const text = files()["/etc/lab-several.service.d/90-mptcpize.conf"] ?? "";
    match(text, /^# Written by mptcpize \S+ for lab-several\.service, method preload\n# Undo: /);
    match(
      text,
      /\n\[Service\]\nEnvironment="LD_PRELOAD=\/.*libmptcpize\.so"\nEnvironment="GODEBUG=/,
    );
    // Again, nothing is to be done.
    const again = await planEnable(request(["lab-several"]), world);
    deepStrictEqual([again.units[0]?.done, again.actions], [true, []]);
    await applyUnitPlan(again, world.manager);
    await applyUnitPlan(await planDisable({ units: ["lab-several"] }, world), world.manager);
    deepStrictEqual(files(), before);
    deepStrictEqual(systemd.asked, ["daemon-reload", "daemon-reload"]);
    const nothing = await planDisable({ units: ["lab-several"] }, world);
    deepStrictEqual([nothing.units[0]?.done, nothing.actions], [true, []]);
  }));

Deno.test("planEnable() writes anew what an older version wrote", () =>
  inScene(async ({ world, request, files, systemd }) => {
    const plan = await planEnable(request(["lab-several"]), world);
    await applyUnitPlan(plan, world.manager);
    const { file, text } = plan.units[0]!;
    Deno.writeTextFileSync(file, text!.replace(/mptcpize \S+ for/, "mptcpize 0.0.1 for"));
    await systemd.manager.reload();
    const newer = await planEnable(request(["lab-several"]), world);
    strictEqual(newer.units[0]?.done, false);
    await applyUnitPlan(newer, world.manager);
    strictEqual(files()["/etc/lab-several.service.d/90-mptcpize.conf"], text);
  }));

Deno.test("what planEnable() advises for units of a user names their manager", () =>
  inScene(async ({ world, request, systemd }) => {
    const manager = systemd.userManager;
    const user = { ...world, manager };
    const hint = (unit: string, message: RegExp) =>
      rejects(planEnable(request([unit], { user: true }), user), (error: MptcpizeError) => {
        match(error.hint ?? "", message);
        return true;
      });
    await hint("nosuch", /`systemctl --user list-unit-files/);
    await hint("lab-masked", /`systemctl --user unmask/);
    await hint("lab-transient", /`systemd-run --user mptcpize run/);
    await hint("system.slice", /^as root, `mptcpize attach` with the path/);
    systemd.changed.set("lab-activated.service ExecStart", recordedCommand("lab-several"));
    await hint("lab-activated", /`mptcpize enable --user --with-sockets/);
  }));

Deno.test("applyUnitPlan() puts all back when any step fails", () =>
  inScene(async ({ world, request, files, systemd }) => {
    const before = files();
    const steps: string[] = [];
    const plan = await planEnable(request(["lab-several", "lab-activated.socket"]), world);
    await applyUnitPlan(plan, world.manager, { step: (name) => steps.push(name) });
    const enabled = files();
    await applyUnitPlan(
      await planDisable({ units: ["lab-several", "lab-activated.socket"] }, world),
      world.manager,
    );
    deepStrictEqual(files(), before);
    ok(steps.length >= 10, steps.join("\n"));
    for (const stop of steps) {
      const anew = await planEnable(request(["lab-several", "lab-activated.socket"]), world);
      await rejects(
        applyUnitPlan(anew, world.manager, {
          step: (name) => {
            if (name === stop) throw new MptcpizeError(`Cannot go on: stopped at ${stop}`);
          },
        }),
        (error: Error) => error instanceof MptcpizeError && /changed/.test(error.hint ?? ""),
      );
      deepStrictEqual(files(), before, stop);
      // What systemd has in its memory is as before, too.
      const properties = await systemd.manager.show("lab-several.service", ["DropInPaths"]);
      deepStrictEqual(properties.words("DropInPaths"), [], stop);
    }
    deepStrictEqual(Object.keys(enabled).length, Object.keys(before).length + 4);
  }));

Deno.test("applyUnitPlan() undoes when systemd does not reload, or does not take it", () =>
  inScene(async ({ world, request, files, systemd }) => {
    const before = files();
    systemd.failing.set("daemon-reload", "Failed to reload daemon: Connection timed out");
    await rejects(
      applyUnitPlan(await planEnable(request(["lab-several"]), world), world.manager),
      /Cannot reload systemd: Failed to reload daemon: Connection timed out/,
    );
    deepStrictEqual(files(), before);
    systemd.failing.clear();
    // Another drop-in sets it again: ours is there, and does not count.
    systemd.changed.set("lab-several.service Environment", "LD_PRELOAD=/x.so");
    await rejects(
      applyUnitPlan(await planEnable(request(["lab-several"]), world), world.manager),
      /systemd has no LD_PRELOAD=.* in its Environment after/,
    );
    deepStrictEqual(files(), before);
    // Before systemd 257.
    systemd.changed.set("lab-activated.socket SocketProtocol", "0");
    await rejects(
      applyUnitPlan(await planEnable(request(["lab-activated.socket"]), world), world.manager),
      (error: Error) =>
        error instanceof NotSupportedError && /257 or later/.test(error.message) &&
        /systemctl disable --now lab-activated\.socket/.test(error.hint ?? ""),
    );
    deepStrictEqual(files(), before);
  }));

Deno.test("applyUnitPlan() restarts what runs; when that fails, it runs as before", () =>
  inScene(async ({ world, request, files, systemd }) => {
    const before = files();
    for (const [name, value] of [["ActiveState", "active"], ["ControlGroup", ""]] as const) {
      systemd.changed.set(`lab-several.service ${name}`, value);
    }
    const plan = await planEnable(request(["lab-several"], { now: true }), world);
    const outcome = await applyUnitPlan(plan, world.manager);
    deepStrictEqual(outcome.restarted.map(({ unit }) => unit), ["lab-several.service"]);
    deepStrictEqual(systemd.asked, ["daemon-reload", "restart lab-several.service"]);
    await applyUnitPlan(await planDisable({ units: ["lab-several"] }, world), world.manager);
    systemd.asked.length = 0;
    systemd.failing.set("restart lab-several.service", "Job for lab-several.service failed.");
    await rejects(
      applyUnitPlan(
        await planEnable(request(["lab-several"], { now: true }), world),
        world.manager,
      ),
      /Cannot restart lab-several\.service with MPTCP: Job for lab-several\.service failed\./,
    );
    deepStrictEqual(files(), before);
    deepStrictEqual(systemd.asked.filter((asked) => !asked.startsWith("--quiet")), [
      ...["daemon-reload", "restart lab-several.service", "daemon-reload"],
      ...["reset-failed lab-several.service", "restart lab-several.service"],
    ]);
  }));

Deno.test("planEnable() refuses units that cannot carry a drop-in, and says why", () =>
  inScene(async ({ world, request, files }) => {
    const before = files();
    for (
      const [unit, kind, message, hint] of [
        ["nosuch", NotFoundError, /there is no such unit/, /list-unit-files/],
        ["lab-masked", ConflictError, /it is masked/, /systemctl unmask lab-masked/],
        ["lab-transient", NotSupportedError, /it is transient/, /systemd-run mptcpize run/],
        ["init.scope", NotSupportedError, /started by others/, /mptcpize attach init\.scope/],
        ["system.slice", NotSupportedError, /starts no program/, /mptcpize attach system\.slice/],
        ["logrotate.timer", NotSupportedError, /starts another unit/, /name the service/],
        ["multi-user.target", NotSupportedError, /a target unit/, /name a service/],
        [
          "lab-mixed.socket",
          NotSupportedError,
          /\/run\/lab-mixed\.sock \(Stream\) too/,
          /of their own/,
        ],
        ["lab-local.socket", NotSupportedError, /no TCP listener/, /systemctl cat/],
      ] as const
    ) {
      await rejects(planEnable(request([unit]), world), (error: MptcpizeError) => {
        ok(error instanceof kind, `${unit}: ${error}`);
        match(error.message, message);
        match(error.hint ?? "", hint);
        return true;
      });
    }
    // One that is refused keeps the others from being changed.
    await rejects(planEnable(request(["lab-several", "nosuch"]), world), NotFoundError);
    deepStrictEqual(files(), before);
  }));

Deno.test("planEnable() leads a socket-activated service to its socket", () =>
  inScene(async ({ world, request, systemd }) => {
    systemd.changed.set("lab-activated.service ExecStart", recordedCommand("lab-several"));
    await rejects(planEnable(request(["lab-activated"]), world), (error: MptcpizeError) => {
      match(error.message, /its listeners are made by systemd \(lab-activated\.socket\)/);
      match(error.hint ?? "", /--with-sockets lab-activated.*enable lab-activated\.socket/);
      return true;
    });
    const both = await planEnable(request(["lab-activated"], { withSockets: true }), world);
    deepStrictEqual(both.units.map(({ unit, method }) => [unit, method]), [
      ["lab-activated.service", "preload"],
      ["lab-activated.socket", "socket"],
    ]);
    match(both.units[1]?.text ?? "", /\[Socket\]\nSocketProtocol=mptcp\n$/);
    doesNotMatch(both.units[1]?.warnings.join() ?? "", /257/);
    systemd.version = "252.39-1~deb12u1";
    const older = await planEnable(request(["lab-activated.socket"]), world);
    match(older.units[0]?.warnings.join() ?? "", /came with systemd 257, and this is 252/);
    const named = await planEnable(request(["lab-activated", "lab-activated.socket"]), world);
    strictEqual(named.units.length, 2);
    const insisted = await planEnable(request(["lab-activated"], { method: "preload" }), world);
    match(insisted.units[0]?.warnings.join() ?? "", /stay TCP/);
    const off = { ...world, mptcp: { state: "no", reason: "off", needs: "on" } } as const;
    await rejects(
      planEnable(request(["lab-activated.socket"]), off),
      /off, and it would not start/,
    );
  }));

Deno.test("planEnable() follows an alias, and goes behind a drop-in that sets the same", () =>
  inScene(async ({ world, request, systemd, files }) => {
    systemd.changed.set("lab-alias.service ExecStart", recordedCommand("lab-several"));
    const plan = await planEnable(request(["lab-alias"]), world);
    strictEqual(plan.units[0]?.unit, "lab-python.service");
    const override = `${world.folders.persistent}/lab-several.service.d/override.conf`;
    Deno.mkdirSync(`${world.folders.persistent}/lab-several.service.d`);
    Deno.writeTextFileSync(override, "[Service]\nNice=5\n");
    systemd.changed.set("lab-several.service DropInPaths", override);
    const usual = await planEnable(request(["lab-several"]), world);
    match(usual.units[0]?.file ?? "", /\/90-mptcpize\.conf$/);
    Deno.writeTextFileSync(override, "[Service]\n Environment = A=1\n");
    const late = await planEnable(request(["lab-several"]), world);
    match(late.units[0]?.file ?? "", /\/zz-mptcpize\.conf$/);
    ok(files()["/etc/lab-several.service.d/override.conf"]);
  }));

Deno.test("listUnitsUsing() names the units that would miss a file", () =>
  inScene(async ({ world, request }) => {
    await applyUnitPlan(await planEnable(request(["lab-several"]), world), world.manager);
    const { installations: [folder] } = request([]);
    const library = `${folder}/lib/${Deno.build.arch}/libmptcpize.so`;
    const using = (...paths: string[]) => listUnitsUsing(paths, world.folders);
    deepStrictEqual(using("/usr/local/bin/mptcpize", library), ["lab-several.service"]);
    deepStrictEqual(using("/usr/local/bin/mptcpize", `${folder}/lib`), []);
  }));

Deno.test("enable and disable leave a file of others under our name alone", () =>
  inScene(async ({ world, request, files }) => {
    Deno.mkdirSync(`${world.folders.persistent}/lab-several.service.d`);
    const path = `${world.folders.persistent}/lab-several.service.d/90-mptcpize.conf`;
    Deno.writeTextFileSync(path, "[Service]\nNice=5\n");
    const before = files();
    for (
      const change of [
        () => planEnable(request(["lab-several"]), world),
        () => planDisable({ units: ["lab-several"] }, world),
      ]
    ) await rejects(change, /90-mptcpize\.conf was not written by mptcpize/);
    deepStrictEqual(files(), before);
  }));

Deno.test("disable works for a unit that is gone, and moves what lies in /run too", () =>
  inScene(async ({ world, request, files, systemd }) => {
    const before = files();
    await applyUnitPlan(
      await planEnable(request(["lab-several"], { runtime: true }), world),
      world.manager,
    );
    ok(files()["/run/lab-several.service.d/90-mptcpize.conf"]);
    // Enabled for good behind that, there is one file still.
    await applyUnitPlan(await planEnable(request(["lab-several"]), world), world.manager);
    strictEqual(files()["/run/lab-several.service.d"], undefined);
    ok(files()["/etc/lab-several.service.d/90-mptcpize.conf"]);
    systemd.changed.set("lab-several.service LoadState", "not-found");
    await applyUnitPlan(await planDisable({ units: ["lab-several"] }, world), world.manager);
    deepStrictEqual(files(), before);
    await rejects(planDisable({ units: ["lab-several"] }, world), NotFoundError);
  }));
