/**
 * What goes wrong while `mptcpize enable` is at it, on a real systemd.
 *
 * @module
 */

import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert";
import {
  disable,
  enable,
  LAB,
  mptcpizeBehind,
  mptcpizeWords,
  must,
  prepareMachine,
  run,
  snapshot,
} from "./world.ts";

prepareMachine(LAB);

const STOPPER = new URL("stop_at_step.ts", import.meta.url).pathname;

/** Changes units and is killed at a step; whether it got to its end before. */
async function killedAt(verb: string, step: number): Promise<boolean> {
  const words = [Deno.execPath(), "run", "-qA", "--no-check", STOPPER, verb, `${step}`];
  const { code, stderr } = await run([...words, "lab-environment", "lab-activated.socket"]);
  ok(code === 0 || code === 137, `step ${step} of ${verb}: ${code}, ${stderr}`);
  return code === 0;
}

async function properties(): Promise<string> {
  const names = "Environment,DropInPaths,NeedDaemonReload,SocketProtocol";
  return await must("systemctl", "show", "-p", names, "lab-environment", "lab-activated.socket");
}

const UNITS = ["lab-environment", "lab-activated.socket"];

Deno.test({
  name: "enable that is killed at any step is finished by the next one, or undone by disable",
  ...LAB,
  async fn() {
    const before = await snapshot();
    await enable(UNITS);
    const enabled = [await snapshot(), await properties()];
    await disable(UNITS);
    deepStrictEqual(await snapshot(), before);
    let steps = 0;
    for (let step = 1;; step++) {
      const done = await killedAt("enable", step);
      if (done) break;
      steps++;
      // Every other time it is undone at once.
      if (step % 2 === 0) {
        await enable(UNITS);
        deepStrictEqual(
          withoutInodes([await snapshot(), await properties()]),
          withoutInodes(enabled),
        );
      }
      await disable(UNITS);
      deepStrictEqual(await snapshot(), before, `killed at step ${step}`);
    }
    ok(steps >= 8, `${steps}`);
    for (let step = 1;; step++) {
      await enable(UNITS);
      const done = await killedAt("disable", step);
      await disable(UNITS);
      deepStrictEqual(await snapshot(), before, `disable killed at step ${step}`);
      if (done) break;
    }
  },
});

/** Inode numbers are other ones each time that a file is written. */
function withoutInodes(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value).replace(/ \d+ (?=[0-9a-f]{64})/g, " "));
}

/** A systemctl that fails at one command: root's, and of the same name. */
const FAILING = `mkdir -p /run/lab-systemctl
cp /usr/bin/systemctl /run/lab-systemctl/systemctl
cat >/run/lab-systemctl/failing <<'END'
#!/bin/sh
case "$*" in *daemon-reload*) echo "Failed to reload daemon: No space left on device" >&2; exit 1;; esac
exec /run/lab-systemctl/systemctl "$@"
END
chmod 755 /run/lab-systemctl/failing
mount --bind /run/lab-systemctl/failing /usr/bin/systemctl`;

Deno.test({
  name: "enable says what is wrong with the machine, and leaves it as it was",
  ...LAB,
  async fn() {
    const before = await snapshot();
    const etc = "/etc/systemd/system";
    for (
      const [script, message] of [
        [
          "mount --bind /etc /etc; mount -o remount,bind,ro /etc",
          /Read-only file system[^]*hint: nothing is changed; `--runtime` writes below \/run/,
        ],
        [
          `mount --bind ${etc} /mnt; mount -t tmpfs -o size=8k none ${etc}
           cp /mnt/lab-*.service /mnt/lab-*.socket ${etc} 2>/dev/null || :
           head -c 8192 /dev/zero >${etc}/full 2>/dev/null || :`,
          /No space left on device/,
        ],
        ["mount --bind /dev/null /usr/bin/systemctl", /systemctl is not there/],
        [FAILING, /Cannot reload systemd: Failed to reload daemon: No space left on device/],
      ] as const
    ) {
      const { code, stderr } = await mptcpizeBehind(script, "enable", "lab-python");
      strictEqual(code, 1, stderr);
      match(stderr, message);
      ok(!stderr.includes("defect of mptcpize"), stderr);
      deepStrictEqual(await snapshot(), before, script);
    }
    await run(["rm", "-r", "/run/lab-systemctl"]);
    const { code, stderr } = await run([
      ...["setpriv", "--reuid=65534", "--clear-groups", "env", "DENO_DIR=/tmp/lab-deno"],
      ...mptcpizeWords("enable", "lab-python"),
    ]);
    strictEqual(code, 1);
    match(stderr, /only root may change them/);
    deepStrictEqual(await snapshot(), before);
  },
});

Deno.test({
  name: "disable leaves what others wrote, under our name too",
  ...LAB,
  async fn() {
    const before = await snapshot();
    const folder = "/etc/systemd/system/lab-python.service.d";
    Deno.mkdirSync(folder);
    Deno.writeTextFileSync(`${folder}/override.conf`, "[Service]\nNice=5\n");
    await must("systemctl", "daemon-reload");
    const others = await snapshot();
    await enable(["lab-python"]);
    await disable(["lab-python"]);
    deepStrictEqual(await snapshot(), others);
    Deno.writeTextFileSync(`${folder}/90-mptcpize.conf`, "[Service]\nNice=6\n");
    for (const change of [enable, disable]) {
      await rejects(change(["lab-python"]), /90-mptcpize\.conf was not written by mptcpize/);
    }
    strictEqual(Deno.readTextFileSync(`${folder}/90-mptcpize.conf`), "[Service]\nNice=6\n");
    Deno.removeSync(folder, { recursive: true });
    await must("systemctl", "daemon-reload");
    deepStrictEqual(await snapshot(), before);
  },
});

Deno.test({
  name: "enable goes behind a drop-in of `systemctl edit` that sets the same",
  ...LAB,
  async fn() {
    const before = await snapshot();
    const folder = "/etc/systemd/system/lab-python.service.d";
    Deno.mkdirSync(folder);
    Deno.writeTextFileSync(
      `${folder}/override.conf`,
      "[Service]\nEnvironment=LD_PRELOAD=/usr/lib/x.so\n",
    );
    await must("systemctl", "daemon-reload");
    await enable(["lab-python"]);
    const shown = await must("systemctl", "show", "-P", "Environment", "lab-python");
    match(shown, /^LD_PRELOAD=\/usr\/lib\/x\.so:\/usr\/lib\/mptcpize\/\S+ /);
    await disable(["lab-python"]);
    deepStrictEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["override.conf"]);
    Deno.removeSync(folder, { recursive: true });
    await must("systemctl", "daemon-reload");
    deepStrictEqual(await snapshot(), before);
  },
});
