/**
 * Changes a small installation and is killed at a step: `stop_at_step.ts PREFIX VERSION|none STEP`.
 * Exits with 0 if there are fewer steps.
 *
 * @module
 */

import { applyInstall, applyUninstall, planInstall, settleInstall } from "../../install/mod.ts";
import { VERSIONS } from "./tree.ts";

const [prefix = "", version = "", limit = "0"] = Deno.args;
const folder = `${prefix}/lib/mptcpize`;
let left = Number(limit);
const step = () => {
  if (--left === 0) {
    Deno.kill(Deno.pid, "SIGKILL");
    // The signal need not have come yet when the call returns.
    for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
  }
};
if (version === "none") {
  await applyUninstall(folder, step);
} else {
  const files = VERSIONS[version]!.map(({ name, text, mode = 0o644 }) => ({
    path: `${prefix}/${name}`,
    mode,
    content: new TextEncoder().encode(text),
  }));
  const plan = () => planInstall({ prefix, folder }, version, files);
  if ((await plan()).settles) await settleInstall(folder, step);
  await applyInstall(await plan(), step);
}
