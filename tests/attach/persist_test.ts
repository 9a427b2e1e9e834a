/**
 * That `attach --persist` outlives restarts of a service, of a slice, and a manager and pins that are gone
 * as after a boot; and that `detach` undoes it whole.
 *
 * @module
 */

import { deepStrictEqual, match, notStrictEqual, strictEqual } from "node:assert";
import { installCheckout } from "./installation.ts";
import {
  BPF,
  forgetTargets,
  leftovers,
  mptcpize,
  must,
  mustAttach,
  property,
  RAW_SOCKET,
  say,
  socketIn,
} from "./scene.ts";

const UNITS = "/run/systemd/system";

/** A unit file for this boot, until it is disposed of. */
async function makeUnit(name: string, lines: readonly string[]): Promise<AsyncDisposable> {
  const path = `${UNITS}/${name}`;
  Deno.mkdirSync(UNITS, { recursive: true });
  Deno.writeTextFileSync(path, ["[Service]", ...lines, ""].join("\n"));
  await must("systemctl", "daemon-reload");
  return {
    async [Symbol.asyncDispose]() {
      await say(["systemctl", "stop", name]);
      Deno.removeSync(path);
      await must("systemctl", "daemon-reload");
    },
  };
}

/** Keeps how long systemd took from the start of a service to that of its main process. */
async function keepTime(what: string, unit: string): Promise<void> {
  const [from, to] = await Promise.all(
    ["InactiveExitTimestampMonotonic", "ExecMainStartTimestampMonotonic"]
      .map(async (name) => Number(await property(unit, name))),
  );
  const results = Deno.env.get("MPTCPIZE_RESULTS");
  if (results === undefined) return;
  const line = `${what}: ${((to! - from!) / 1000).toFixed(0)} ms\n`;
  Deno.writeTextFileSync(`${results}/attach_start.txt`, line, { append: true });
}

/** What the listener of a service is. */
async function listens(unit: string): Promise<string> {
  const pid = Number(await property(unit, "MainPID"));
  return (await socketIn(pid, "LISTEN")).verdict;
}

/** As a reboot does: nothing of ours is in the kernel, and systemd starts anew. */
async function forget(): Promise<void> {
  forgetTargets();
  deepStrictEqual(await leftovers(), []);
  await must("systemctl", "daemon-reexec");
}

/** Detaches when it is disposed of, whatever a test has come to. */
function detached(...words: readonly string[]): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      await mustAttach("detach", "--quiet", ...words);
    },
  };
}

function persistentFiles(): Promise<string> {
  return must("find", "/etc/systemd", "-name", "*mptcpize*");
}

for (
  const [kind, lines] of [
    ["a confined service", [
      "User=nobody",
      "NoNewPrivileges=yes",
      "ProtectSystem=strict",
      "InaccessiblePaths=/usr/lib/mptcpize /sys/fs/bpf",
      "CapabilityBoundingSet=",
      "SystemCallFilter=@system-service",
    ]],
    ["a service with cgroups of its own", ["Delegate=yes", "DelegateSubgroup=main"]],
  ] as const
) {
  Deno.test({
    name: `attach --persist has ${kind} attach itself at each start, and detach undoes it`,
    ...BPF,
    async fn() {
      const unit = "mptcpize-test-web.service";
      using _installed = installCheckout();
      await using _unit = await makeUnit(unit, [`ExecStart=${RAW_SOCKET} listen 9401`, ...lines]);
      await using _detached = detached(unit);
      match(
        await mustAttach("attach", "--persist", unit),
        /^attached +\S+ \(at its next start\)\nwritten +\/etc\/systemd\/system\/mptcpize-test-web\.service\.d\/90-mptcpize-attach\.conf\n$/,
      );
      const before = await persistentFiles();
      await must("systemctl", "start", unit);
      strictEqual(await listens(unit), "mptcp");
      await keepTime(`${kind}, with a start of mptcpize`, unit);
      const id = await property(unit, "ControlGroupId");
      await must("systemctl", "restart", unit);
      notStrictEqual(await property(unit, "ControlGroupId"), id);
      strictEqual(await listens(unit), "mptcp", "after a restart");
      match(await mustAttach("attach", "--persist", unit), /^kept +\S+ \(1 process\)\n$/);
      strictEqual(await persistentFiles(), before);
      await must("systemctl", "stop", unit);
      await forget();
      await must("systemctl", "start", unit);
      strictEqual(await listens(unit), "mptcp", "with nothing in the kernel before");
      match(
        await mustAttach("detach", unit),
        /^detached +\S+\nremoved +\S+attach\.conf\nNothing of/,
      );
      strictEqual(await property(unit, "DropInPaths"), "");
      await must("systemctl", "restart", unit);
      strictEqual(await listens(unit), "tcp");
      await keepTime(`${kind}, without`, unit);
      strictEqual(await persistentFiles(), "");
      deepStrictEqual(await leftovers(), []);
    },
  });
}

Deno.test({
  name: "attach --persist attaches slices and names when they start, and detach takes them out",
  ...BPF,
  async fn() {
    const unit = "mptcpize-test-web.service";
    const slice = "mptcpizetest.slice";
    const boot = "mptcpize-attach.service";
    using _installed = installCheckout();
    await using _unit = await makeUnit(unit, [
      `Slice=${slice}`,
      `ExecStart=${RAW_SOCKET} listen 9402`,
    ]);
    await using _detached = detached(slice, "--comm", "mptcpize-test");
    try {
      await must("systemctl", "start", slice);
      await mustAttach("attach", "--persist", slice, "--comm", "mptcpize-test");
      strictEqual((await must("systemctl", "is-enabled", boot)).trim(), "enabled");
      await must("systemctl", "start", unit);
      strictEqual(await listens(unit), "mptcp");
      // The slice ends, and all that was attached with it.
      await must("systemctl", "stop", unit, slice);
      strictEqual(await property(boot, "ActiveState"), "inactive");
      await forget();
      // As at boot; and as when the slice is started again.
      for (const started of [boot, slice]) {
        await must("systemctl", "start", started);
        while (await property(boot, "ActiveState") !== "active") {
          await new Promise((resolve) => setTimeout(resolve, 200));
        }
        await must("systemctl", "start", unit);
        strictEqual(await listens(unit), "mptcp", started);
        await must("systemctl", "stop", unit, slice);
      }
      const again = await mptcpize("detach", slice);
      match(again.out, /^detached +mptcpizetest\.slice\nwritten +\S+mptcpize-attach\.service\n/);
      deepStrictEqual((await persistentFiles()).split("\n").filter(Boolean).sort(), [
        `/etc/systemd/system/basic.target.wants/${boot}`,
        `/etc/systemd/system/${boot}`,
      ]);
      match(await mustAttach("detach", "--comm", "mptcpize-test"), /^detached .*\nremoved /);
      strictEqual(await persistentFiles(), "");
    } finally {
      await say(["systemctl", "stop", unit, slice, boot]);
    }
    deepStrictEqual(await leftovers(), []);
  },
});

Deno.test({
  name:
    "attach --persist is refused whole where no mptcpize is installed, or nothing starts it again",
  ...BPF,
  async fn() {
    const absent = await mptcpize("attach", "--persist", "--all");
    strictEqual(absent.status, 1);
    match(absent.err, /no installed one that only root can replace.*\n\nhint: `mptcpize install`/);
    using _installed = installCheckout();
    const pid = await mptcpize("attach", "--persist", "--pid", `${Deno.pid}`);
    strictEqual(pid.status, 1);
    match(pid.err, /for good: nothing tells.*\n\nhint: `mptcpize attach --persist lab\.service`/);
    strictEqual(await persistentFiles(), "");
    deepStrictEqual(await leftovers(), []);
  },
});

Deno.test({
  name: "attach --persist detaches again what systemd cannot be told of",
  ...BPF,
  async fn() {
    const unit = "mptcpize-test-web.service";
    const folder = "/etc/systemd/system";
    using _installed = installCheckout();
    await using _unit = await makeUnit(unit, [`ExecStart=${RAW_SOCKET} listen 9403`]);
    await must("systemctl", "start", unit);
    await must("mount", "--bind", folder, folder);
    try {
      await must("mount", "-o", "remount,ro,bind", folder);
      const { status, err } = await mptcpize("attach", "--persist", unit);
      strictEqual(status, 1);
      match(err, /^mptcpize: Cannot write \S+attach\.conf: Read-only file system/);
    } finally {
      await must("umount", folder);
    }
    strictEqual(await persistentFiles(), "");
    deepStrictEqual(await leftovers(), []);
  },
});
