/**
 * What is worth knowing about certain programs: a native switch for MPTCP, or an environment that
 * does not reach what they start.
 *
 * @module
 */

import type { Program } from "../program/mod.ts";

/**
 * Programs with a switch of their own, by file name.
 *
 * Source: the release notes of each, as listed on mptcp.dev ("apps").
 */
const NATIVE_SWITCHES: Readonly<Record<string, string>> = {
  curl: "curl 8.9 and newer has a switch of its own: `curl --mptcp`",
  iperf3: "iperf3 3.19 and newer has a switch of its own: `iperf3 --mptcp`",
  nginx: "nginx 1.29.7 and newer has an option of its own: `listen … multipath`",
  haproxy: "HAProxy 3.1 and newer has an address prefix of its own: `bind mptcp@:443`",
  "valkey-server": "Valkey 9 and newer has a setting of its own for MPTCP",
};

/** Programs that start others with an environment of their own making, by file name. */
const NEW_ENVIRONMENT: Readonly<Record<string, string>> = {
  sudo: "sudo clears the environment: put mptcpize behind it, `sudo mptcpize run …`",
  doas: "doas clears the environment: put mptcpize behind it, `doas mptcpize run …`",
  su: "`su -` clears the environment: put mptcpize behind it, `su - USER -c 'mptcpize run …'`",
  runuser: "`runuser -l` clears the environment: put mptcpize behind it",
  pkexec: "pkexec clears the environment: put mptcpize behind it, `pkexec mptcpize run …`",
  "systemd-run": "systemd starts the command, not systemd-run: `systemd-run mptcpize run …`",
  docker: "the Docker daemon starts the container, not this command: force inside of it",
  podman: "a container has an environment of its own: force inside of it",
  flatpak: "a Flatpak has an environment and libraries of its own: force inside of it",
};

/** The file names of the programs that start others with an environment of their own making. */
export const NEW_ENVIRONMENT_NAMES: readonly string[] = Object.keys(NEW_ENVIRONMENT);

/** The file name of a path. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** What to know about a program, as sentences without a final period. */
export function programNotes(program: Program): string[] {
  const name = baseName(program.path);
  const notes = [];
  for (const table of [NATIVE_SWITCHES, NEW_ENVIRONMENT]) {
    if (Object.hasOwn(table, name)) notes.push(table[name]!);
  }
  const release = program.go?.release;
  if (release !== undefined && release.major === 1 && release.minor >= 21 && release.minor < 24) {
    // Source: https://github.com/golang/go/issues/70500
    notes.push(
      "net.ListenTCP and net.DialTCP ignore GODEBUG before Go 1.24: such sockets stay TCP",
    );
  }
  return notes;
}

/** Whether a program starts others with an environment of its own making. */
export function makesNewEnvironment(program: Program): string | undefined {
  const name = baseName(program.path);
  return Object.hasOwn(NEW_ENVIRONMENT, name) ? NEW_ENVIRONMENT[name] : undefined;
}
