/**
 * That `status` tells of enabled units: restart pending, in force, at rest, and what their sockets are.
 *
 * @module
 */

import { deepStrictEqual, match, strictEqual } from "node:assert";
import { applyUnitPlan, openUnitWorld, planDisable, planEnable } from "../../mod.ts";
import { skipUnless } from "../skip.ts";
import { mptcpize, readStatus, run } from "./world.ts";

const UNIT = `mptcpize-status-${Deno.pid}.service`;
const FILE = `/run/systemd/system/${UNIT}`;
const FOLDER = "/usr/lib/mptcpize";
const LIBRARIES = `${FOLDER}/lib/${Deno.build.arch}`;

const LISTEN = "import os, socket, time; listener = socket.socket(); " +
  "listener.bind(('127.0.0.1', 8311)); listener.listen(); ";

const SERVICE = `[Service]
Type=notify
ExecStart=/usr/bin/python3 -c "${LISTEN}\\
ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); \\
ready.sendto(b'READY=1', os.environ['NOTIFY_SOCKET']); time.sleep(600)"
`;

/** As many scripts of System V leave it: what listens is no main process. */
const WITHOUT_MAIN = `[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/python3 -c "${LISTEN}os.fork() or time.sleep(600)"
`;

async function must(...words: readonly string[]): Promise<void> {
  const { code, err } = await run(...words);
  if (code !== 0) throw new Error(`${words.join(" ")}: ${err}`);
}

/** A service that listens, and the library where services may load it. */
async function startService(service: string): Promise<AsyncDisposable> {
  Deno.mkdirSync(LIBRARIES, { recursive: true });
  const built = new URL(`../../preload/lib/${Deno.build.arch}/libmptcpize.so`, import.meta.url);
  Deno.copyFileSync(built, `${LIBRARIES}/libmptcpize.so`);
  Deno.mkdirSync("/run/systemd/system", { recursive: true });
  Deno.writeTextFileSync(FILE, service);
  await must("systemctl", "daemon-reload");
  await must("systemctl", "start", UNIT);
  return {
    async [Symbol.asyncDispose]() {
      await run("systemctl", "stop", UNIT);
      Deno.removeSync(FILE);
      Deno.removeSync(FOLDER, { recursive: true });
      await must("systemctl", "daemon-reload");
    },
  };
}

Deno.test({
  name: "status tells whether an enabled unit runs with it, and what its sockets are",
  ...skipUnless("the kernel lab", Deno.env.has("MPTCPIZE_LAB"), "`deno task lab`"),
  fn: async () => {
    await using _service = await startService(SERVICE);
    const free = await mptcpize("status", UNIT);
    strictEqual(free.code, 1, free.err);
    match(free.out, /forced {4}no: `mptcpize enable [^]*1 TCP\n {4}why: not forced/);

    const world = openUnitWorld("system");
    const plan = await planEnable({ units: [UNIT], installations: [FOLDER] }, world);
    await applyUnitPlan(plan, world.manager);
    try {
      const pending = await mptcpize("status", UNIT);
      strictEqual(pending.code, 1, pending.err);
      match(pending.out, /enabled {3}\S+ by preload, since \d\d:\d\d:\d\d\n/);
      match(pending.out, /restart pending: `systemctl\s+restart [^]*not forced yet/);
      const { status: before } = await readStatus();
      const row = before.units.find(({ unit }) => unit === UNIT);
      deepStrictEqual(
        [row?.method, row?.running[0]?.pending, row?.sockets.mptcp, row?.sockets.tcp],
        ["preload", true, 0, 1],
      );

      await must("systemctl", "restart", UNIT);
      const { status, code } = await readStatus();
      strictEqual(code, 0);
      const after = status.units.find(({ unit }) => unit === UNIT);
      deepStrictEqual(
        [after?.running[0]?.pending, after?.sockets.mptcp, after?.sockets.tcp],
        [false, 1, 0],
      );
      const main = after?.running[0]?.mainPid ?? 0;
      strictEqual(status.processes.some(({ pids }) => pids.includes(main)), false);
      for (const word of [UNIT, String(main), `/system.slice/${UNIT}`]) {
        const { code, out, err } = await mptcpize("status", word);
        strictEqual(code, 0, err);
        match(out, /enabled {3}\S+ by preload[^]*, forced\n[^]*sockets {3}1 MPTCP\n/);
      }
      const text = (await mptcpize("status")).out;
      match(text, new RegExp(`^${UNIT} +preload +[\\d:]+ +1 +- +-$`, "m"));

      await must("systemctl", "stop", UNIT);
      const rest = await mptcpize("status", UNIT);
      strictEqual(rest.code, 0, rest.err);
      match(rest.out, /does not run\n[^]*none of TCP/);
    } finally {
      await applyUnitPlan(await planDisable({ units: [UNIT] }, world), world.manager);
    }
    strictEqual((await readStatus()).status.units.length, 0);
  },
});

Deno.test({
  name: "status tells of the sockets of an enabled unit without a main process",
  ...skipUnless("the kernel lab", Deno.env.has("MPTCPIZE_LAB"), "`deno task lab`"),
  fn: async () => {
    await using _service = await startService(WITHOUT_MAIN);
    const world = openUnitWorld("system");
    const plan = await planEnable({ units: [UNIT], installations: [FOLDER] }, world);
    await applyUnitPlan(plan, world.manager);
    try {
      await must("systemctl", "restart", UNIT);
      const row = (await readStatus()).status.units.find(({ unit }) => unit === UNIT);
      deepStrictEqual(
        [row?.running[0]?.mainPid, row?.running[0]?.cgroup, row?.sockets.mptcp],
        [0, `/system.slice/${UNIT}`, 1],
      );
    } finally {
      await applyUnitPlan(await planDisable({ units: [UNIT] }, world), world.manager);
    }
  },
});
