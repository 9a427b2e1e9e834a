/**
 * Enables or disables units and is killed at a step: `stop_at_step.ts enable|disable STEP UNIT…`. Exits with 0
 * if there are fewer steps.
 *
 * @module
 */

import { applyUnitPlan, openUnitWorld, planDisable, planEnable } from "../../mod.ts";

const [verb = "", limit = "0", ...units] = Deno.args;
let left = Number(limit);
const world = openUnitWorld("system");
const plan = verb === "enable"
  ? await planEnable({ units, installations: ["/usr/lib/mptcpize"] }, world)
  : await planDisable({ units }, world);
await applyUnitPlan(plan, world.manager, {
  step: () => {
    if (--left !== 0) return;
    Deno.kill(Deno.pid, "SIGKILL");
    // The signal need not have come yet when the call returns.
    for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
  },
});
