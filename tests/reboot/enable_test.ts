/**
 * That what `enable` has set up is in force after a reboot, and can be undone there.
 *
 * @module
 */

import { deepStrictEqual, strictEqual } from "node:assert";
import { listEnabledUnits, openManager, readUnitSockets } from "../../mod.ts";
import { installCheckout, isInstalled } from "../attach/installation.ts";
import { must } from "../attach/scene.ts";
import { skipUnless } from "../skip.ts";
import { disable, enable, until } from "../systemd/world.ts";

const boot = Deno.env.get("MPTCPIZE_BOOT");
const LAB = skipUnless("the kernel lab", boot !== undefined, "`deno task lab`");

const INSTALL = "[Install]\nWantedBy=multi-user.target\n";
const PYTHON = "/usr/bin/python3 -m http.server --bind 127.0.0.1";
const FILES: Readonly<Record<string, string>> = {
  "lab-after.service": `[Service]\nExecStart=${PYTHON} 8151\nUser=www-data\n${INSTALL}`,
  "lab-after@.service": `[Service]\nExecStart=${PYTHON} %i\n${INSTALL}`,
  "lab-after.socket": `[Socket]\nListenStream=127.0.0.1:8153\nService=lab-after.service\n` +
    "[Install]\nWantedBy=sockets.target\n",
};
const STARTED = ["lab-after.service", "lab-after@8152.service", "lab-after.socket"];
const ENABLED = ["lab-after", "lab-after@", "lab-after.socket"];

if (boot === "1") {
  Deno.test({
    name: "enable sets up services, a template and a socket, for after a reboot",
    ...LAB,
    async fn() {
      if (!isInstalled()) installCheckout();
      for (const [name, text] of Object.entries(FILES)) {
        Deno.writeTextFileSync(`/etc/systemd/system/${name}`, text);
      }
      await must("systemctl", "daemon-reload");
      await must("systemctl", "enable", ...STARTED);
      const { plan } = await enable(ENABLED);
      deepStrictEqual(plan.units.map(({ method }) => method), ["preload", "preload", "socket"]);
    },
  });
}

if (boot === "2") {
  Deno.test({
    name: "services, a template and a socket that were enabled are forced after a reboot",
    ...LAB,
    async fn() {
      for (const unit of STARTED) {
        const verdicts = async () =>
          (await readUnitSockets(openManager("system"), unit))
            .filter(({ state }) => state === "LISTEN").map(({ verdict }) => verdict);
        await until(`${unit} listens`, async () => (await verdicts()).length > 0);
        deepStrictEqual(new Set(await verdicts()), new Set(["mptcp"]), unit);
      }
      strictEqual((await listEnabledUnits()).length, ENABLED.length);
      await disable(ENABLED);
      strictEqual(await must("find", "/etc/systemd", "-name", "*mptcpize.conf"), "");
    },
  });
}
