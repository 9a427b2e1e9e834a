/**
 * `mptcpize sockets`: what the kernel says about TCP sockets, whose they are, and why those are TCP that
 * are.
 *
 * @module
 */

import {
  listSockets,
  readCommand,
  type SeenSocket,
  type SocketList,
  type SocketScope,
  UsageError,
} from "../mod.ts";
import type { Env } from "./env.ts";
import type { ParsedFlags } from "./flags.ts";
import { wrap } from "./render.ts";
import { socketsByOwner, socketsText, totals } from "./sockets_text.ts";
import { watch } from "./watch.ts";

function parsePid(value: string): number {
  const pid = Number(value);
  if (!/^\d+$/.test(value) || pid < 1 || pid > 0x7fffffff) {
    throw new UsageError(`Cannot parse --pid ${value}: it is no process id`, {
      hint: "a process id is a whole number from 1, such as `pgrep -n nginx` prints",
    });
  }
  return pid;
}

function parseScope(flags: ParsedFlags): SocketScope {
  const given = ["pid", "cgroup", "all"].filter(flags.has);
  if (given.length > 1) {
    throw new UsageError(
      `Cannot list sockets: --${given.join(" and --")} are given, one of them is wanted`,
    );
  }
  const [pid, cgroup] = [flags.value("pid"), flags.value("cgroup")];
  if (pid !== undefined) return { pid: parsePid(pid) };
  if (cgroup !== undefined) return { cgroup };
  if (flags.has("all")) return { all: true };
  throw new UsageError("Cannot list sockets: no process is given", {
    hint: "`mptcpize sockets --pid PID`, or --cgroup PATH, or --all",
  });
}

/** What one look gives: the list, and of a process its name. */
interface Look extends SocketList {
  readonly pid?: number;
  readonly command?: string;
}

function look(scope: SocketScope, listenersOnly: boolean): Look {
  const list = listSockets(scope);
  const sockets = listenersOnly
    ? list.sockets.filter(({ state }) => state === "LISTEN")
    : list.sockets;
  if (!("pid" in scope)) return { ...list, sockets };
  const { pid } = scope;
  const own = sockets.map((socket) => withFds(socket, pid))
    .sort((left, right) => (left.fd ?? 0) - (right.fd ?? 0));
  return { pid, command: readCommand(pid), ...list, sockets: own };
}

/** A socket of a process, with its descriptors in that process first. */
function withFds(socket: SeenSocket, pid: number): SeenSocket & { readonly fd?: number } {
  const fds = socket.owners.find((owner) => owner.pid === pid)?.fds ?? [];
  return { ...(fds[0] !== undefined && { fd: fds[0], fds }), ...socket };
}

function scopeText(scope: SocketScope, { command }: Look): string {
  if ("pid" in scope) return `${command} (${scope.pid})`;
  return "cgroup" in scope ? `cgroup ${scope.cgroup}` : "this network namespace";
}

function lookText(env: Env, scope: SocketScope, seen: Look): string {
  const { sockets, unseen, notes } = seen;
  const list = "pid" in scope ? socketsText(env, seen) : socketsByOwner(env, sockets);
  return [
    ...(sockets.length === 0 ? [] : [list, ""]),
    wrap(totals(scopeText(scope, seen), sockets, unseen)),
    ...notes.map((note) => wrap(note)),
  ].join("\n") + "\n";
}

/**
 * Lists sockets, once or until interrupted.
 *
 * @returns the exit status
 * @throws {MptcpizeError} when the scope is not there or must not be looked into
 */
export async function sockets(env: Env, flags: ParsedFlags): Promise<number> {
  const scope = parseScope(flags);
  const show = (seen: Look, space?: number) =>
    flags.has("json") ? JSON.stringify(seen, null, space) + "\n" : lookText(env, scope, seen);
  if (!flags.has("watch")) {
    env.out(show(look(scope, flags.has("listen")), 2));
    return 0;
  }
  return await watch(env, flags.has("json"), () => show(look(scope, flags.has("listen"))));
}
