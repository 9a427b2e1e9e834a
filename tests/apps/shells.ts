/**
 * Apps that start a session on the other side.
 *
 * @module
 */

import { strict as assert } from "node:assert";
import { type App, assertSameBytes } from "./app.ts";
import type { Scene } from "./scene.ts";

const PRIVILEGE_SEPARATION = "/run/sshd";

const SSHD = (scene: Scene, port: string) => `
Port ${port}
ListenAddress ::1
HostKey ${scene.path("host_key")}
AuthorizedKeysFile ${scene.path("user_key.pub")}
PidFile none
StrictModes no
UsePAM no
Subsystem sftp internal-sftp
`;

/** Makes the folder that sshd demands, as its unit would, and removes it if it was not there. */
function makePrivilegeSeparation(): Disposable {
  try {
    Deno.mkdirSync(PRIVILEGE_SEPARATION, { mode: 0o755 });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    return { [Symbol.dispose]() {} };
  }
  return { [Symbol.dispose]: () => Deno.removeSync(PRIVILEGE_SEPARATION) };
}

/** The apps of this file. */
export const SHELL_APPS: readonly App[] = [
  {
    name: "openssh",
    needs: ["/usr/sbin/sshd", "ssh", "scp", "ssh-keygen"],
    async play(scene) {
      using _folder = makePrivilegeSeparation();
      const payload = scene.payload();
      for (const key of ["host_key", "user_key"]) {
        const keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", scene.path(key)];
        await scene.run(keygen, { force: false });
      }
      const port = `${scene.port()}`;
      const config = scene.write("sshd_config", SSHD(scene, port));
      const words = ["-D", "-e", "-f", config];
      const sshd = await scene.start(Number(port), ["/usr/sbin/sshd", ...words]);
      const options = [
        ...["-F", "none", "-i", scene.path("user_key"), "-o", "BatchMode=yes"],
        ...["-o", `UserKnownHostsFile=${scene.path("known_hosts")}`],
        ...["-o", "StrictHostKeyChecking=accept-new", "-o", "LogLevel=ERROR"],
        // The class of traffic that ssh asks for when there is no terminal: IPV6_TCLASS.
        ...["-o", "IPQoS=af21 cs1"],
      ];
      const cat = ["-p", port, "root@::1", `cat ${scene.path("payload")}`];
      const ssh = await scene.run(["ssh", ...options, ...cat]);
      assertSameBytes(ssh.stdout, payload);
      const source = `root@[::1]:${scene.path("payload")}`;
      const scp = await scene.run([
        "scp",
        "-q",
        ...options,
        "-P",
        port,
        source,
        scene.path("copy"),
      ]);
      assertSameBytes(Deno.readFileSync(scene.path("copy")), payload);
      for (const text of [ssh.stderr, scp.stderr, sshd.output()]) {
        assert.doesNotMatch(text, /setsockopt|IPV6_TCLASS/);
      }
    },
  },
];
