/**
 * That what `attach --persist` has set up is in force after a reboot, and can be undone there.
 *
 * @module
 */

import { deepStrictEqual, match, strictEqual } from "node:assert";
import { installCheckout, isInstalled } from "../attach/installation.ts";
import {
  BPF,
  leftovers,
  must,
  mustAttach,
  property,
  RAW_SOCKET,
  socketIn,
} from "../attach/scene.ts";

const boot = Deno.env.get("MPTCPIZE_BOOT");

const UNIT = "mptcpize-test-reboot.service";
const OTHER = "mptcpize-test-sliced.service";
const SLICE = "mptcpizetest.slice";
const FILES: Readonly<Record<string, string>> = {
  [UNIT]: `[Service]
ExecStart=${RAW_SOCKET} listen 9501
[Install]
WantedBy=multi-user.target
`,
  [OTHER]: `[Service]
Slice=${SLICE}
ExecStart=${RAW_SOCKET} listen 9502
[Install]
WantedBy=multi-user.target
`,
};

async function listens(unit: string): Promise<string> {
  return (await socketIn(Number(await property(unit, "MainPID")), "LISTEN")).verdict;
}

if (boot === "1") {
  Deno.test({
    name: "attach --persist sets up a service and a slice, for after a reboot",
    ...BPF,
    async fn() {
      if (!isInstalled()) installCheckout();
      for (const [name, text] of Object.entries(FILES)) {
        Deno.writeTextFileSync(`/etc/systemd/system/${name}`, text);
      }
      await must("systemctl", "daemon-reload");
      await must("systemctl", "enable", UNIT, OTHER);
      await must("systemctl", "start", SLICE);
      match(await mustAttach("attach", "--persist", UNIT, SLICE), /attached +mptcpizetest\.slice/);
    },
  });
}

if (boot === "2") {
  Deno.test({
    name: "a service and a slice that were attached for good are forced after a reboot",
    ...BPF,
    async fn() {
      strictEqual(await property("mptcpize-attach.service", "ActiveState"), "active");
      deepStrictEqual([await listens(UNIT), await listens(OTHER)], ["mptcp", "mptcp"]);
      await mustAttach("detach", UNIT, SLICE);
      strictEqual(await must("find", "/etc/systemd", "-name", "*mptcpize-attach*"), "");
      deepStrictEqual(await leftovers(), []);
    },
  });
}
