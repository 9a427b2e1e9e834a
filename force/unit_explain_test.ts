import { deepStrictEqual, match, rejects, strictEqual } from "node:assert";
import { NotFoundError } from "../errors.ts";
import { findPatcher } from "../patch/mod.ts";
import { inScene, recordedCommand } from "../tests/systemd/fake.ts";
import { applyUnitPlan } from "./unit_apply.ts";
import { planEnable } from "./unit_enable.ts";
import { explainUnit } from "./unit_explain.ts";

/** The command line of a static program: one of ours, that is always there. */
const STATIC = recordedCommand("lab-several").replaceAll(
  "path=/bin/true",
  `path=${findPatcher()}`,
);

Deno.test("explainUnit() tells each method, and what enable would write", () =>
  inScene(async ({ world, request, files }) => {
    const before = files();
    const { unit, programs, reaches, enabled, plan, refused } = await explainUnit(
      { ...request([]), unit: "lab-several" },
      world,
    );
    strictEqual(unit, "lab-several.service");
    deepStrictEqual(programs.map(({ path }) => path), ["/bin/sh", "/bin/true"]);
    deepStrictEqual(reaches.map(({ method, reaches }) => [method, reaches]), [
      ["preload", true],
      ["godebug", false],
      ["bpf", false],
    ]);
    deepStrictEqual([reaches[2]?.reason, reaches[2]?.remedy], ["no BPF here", "Linux 6.6"]);
    match(plan?.units[0]?.text ?? "", /\nEnvironment="LD_PRELOAD=/);
    deepStrictEqual([enabled, refused], [[], undefined]);
    deepStrictEqual(files(), before);
  }));

Deno.test("explainUnit() tells what stands in the way, where enable refuses", () =>
  inScene(async ({ world, request, systemd }) => {
    const explain = (unit: string) => explainUnit({ ...request([]), unit }, world);
    systemd.changed.set(
      "lab-several.service ExecStart",
      `${STATIC}\nExecStart=${recordedCommand("lab-several")}`,
    );
    const mixed = await explain("lab-several");
    deepStrictEqual([mixed.reaches[0]?.reaches, mixed.reaches[0]?.partly], [false, true]);
    match(mixed.reaches[0]?.reason ?? "", /: it is statically linked/);
    match(mixed.refused?.message ?? "", /: it is statically linked/);
    strictEqual(mixed.plan, undefined);
    systemd.changed.set("lab-several.service ExecStart", recordedCommand("lab-several"));
    systemd.changed.set("lab-several.service UnsetEnvironment", "LD_PRELOAD");
    const unset = await explain("lab-several");
    deepStrictEqual([unset.reaches[0]?.reaches, unset.reaches[0]?.reason], [
      false,
      "UnsetEnvironment=LD_PRELOAD takes it out of the environment again",
    ]);
    match(unset.reaches[0]?.remedy ?? "", /take that line out/);
    match(unset.refused?.hint ?? "", /take that line out.*; or bpf would do, but no BPF here/);
    // One that the kernel forces, where it can.
    const bpf = { ...world, bpf: () => ({ state: "yes" }) as const };
    const forced = await explainUnit({ ...request([]), unit: "lab-several" }, bpf);
    strictEqual(forced.reaches[2]?.reaches, true);
    await rejects(explain("nosuch"), NotFoundError);
  }));

Deno.test("explainUnit() tells of sockets that systemd makes", () =>
  inScene(async ({ world, request, systemd }) => {
    systemd.changed.set("lab-activated.service ExecStart", recordedCommand("lab-several"));
    const service = await explainUnit({ ...request([]), unit: "lab-activated" }, world);
    match(service.refused?.hint ?? "", /--with-sockets/);
    const socket = await explainUnit({ ...request([]), unit: "lab-activated.socket" }, world);
    deepStrictEqual(socket.reaches, [
      {
        method: "socket",
        reaches: true,
        reason: "systemd makes its listeners: 127.0.0.1:8109",
      },
    ]);
    const mixed = await explainUnit({ ...request([]), unit: "lab-mixed.socket" }, world);
    deepStrictEqual([mixed.programs, mixed.reaches[0]?.reaches], [[], false]);
  }));

Deno.test("explainUnit() tells that a unit is enabled, an instance by its template too", () =>
  inScene(async ({ world, request }) => {
    await applyUnitPlan(await planEnable(request(["lab-several"]), world), world.manager);
    const own = await explainUnit({ ...request([]), unit: "lab-several" }, world);
    const file = (unit: string) => `${world.folders.persistent}/${unit}.d/90-mptcpize.conf`;
    deepStrictEqual(own.enabled, [{ method: "preload", file: file("lab-several.service") }]);
    strictEqual(own.plan?.units[0]?.done, true);
    Deno.mkdirSync(`${world.folders.persistent}/lab-port@.service.d`);
    Deno.copyFileSync(file("lab-several.service"), file("lab-port@.service"));
    const instance = await explainUnit({ ...request([]), unit: "lab-port@8111" }, world);
    deepStrictEqual(instance.enabled, [{ method: "preload", file: file("lab-port@.service") }]);
  }));
