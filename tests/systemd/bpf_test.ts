/**
 * `mptcpize enable` by BPF, for services that the environment does not reach.
 *
 * @module
 */

import { deepStrictEqual, strictEqual } from "node:assert";
import { readBpfState } from "../../bpf/mod.ts";
import { listEnabledUnits } from "../../mod.ts";
import { BPF } from "../attach/scene.ts";
import { disable, enable, listeners, must, prepareMachine, snapshot, until } from "./world.ts";

prepareMachine(BPF);

for (
  const [unit, port] of [["lab-static", 8103], ["lab-root-server", 8113], [
    "lab-file",
    8105,
  ]] as const
) {
  Deno.test({
    name: `enable --now takes BPF for ${unit}, which the environment does not reach`,
    ...BPF,
    async fn() {
      const name = `${unit}.service`;
      await must("systemctl", "start", name);
      await until(`${unit} listens`, async () => (await listeners(name)).length > 0);
      const before = await snapshot();
      deepStrictEqual(await listeners(name), ["tcp"]);
      const { plan, outcome } = await enable([unit], { now: true });
      strictEqual(plan.units[0]?.method, "bpf");
      deepStrictEqual(outcome.restarted[0]?.sockets.map(({ local, verdict }) => [local, verdict]), [
        [`127.0.0.1:${port}`, "mptcp"],
      ]);
      deepStrictEqual(await listeners(name), ["mptcp"]);
      const [listed] = await listEnabledUnits();
      deepStrictEqual([listed?.unit, listed?.method, listed?.running[0]?.pending], [
        name,
        "bpf",
        false,
      ]);
      await disable([unit], true);
      deepStrictEqual(await listeners(name), ["tcp"]);
      strictEqual(readBpfState(), undefined, "nothing of ours is left in the kernel");
      await must("systemctl", "stop", name);
      deepStrictEqual(await snapshot(), before);
    },
  });
}
