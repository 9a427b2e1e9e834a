/**
 * `mptcpize sockets`: what the kernel says about TCP sockets, whose they are, and why those are TCP that
 * are.
 *
 * @module
 */

import {
  findUnitCgroup,
  listSockets,
  NotFoundError,
  readCommand,
  type SeenSocket,
  type SocketList,
  type SocketScope,
  UsageError,
} from "../mod.ts";
import type { Env } from "./env.ts";
import type { ParsedFlags } from "./flags.ts";
import { paragraphWidth, printable, wrap } from "./render.ts";
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

/** What is asked for, and how it is called. */
interface Target {
  readonly scope: SocketScope;
  readonly name: string;
  /** Whether it may be away for a while, as a unit that is started anew is. */
  readonly returns: boolean;
}

async function parseTarget(flags: ParsedFlags): Promise<Target> {
  const given = ["pid", "unit", "cgroup", "all"].filter(flags.has);
  if (given.length > 1) {
    throw new UsageError(
      `Cannot list sockets: --${given.join(" and --")} are given, one of them is wanted`,
    );
  }
  if (flags.has("user") && !flags.has("unit")) {
    throw new UsageError("Cannot parse --user: it says whose unit --unit means, and there is none");
  }
  const [pid, unit, cgroup] = ["pid", "unit", "cgroup"].map(flags.value);
  if (pid !== undefined) {
    const scope = { pid: parsePid(pid) };
    return { scope, name: `${printable(readCommand(scope.pid))} (${pid})`, returns: false };
  }
  if (unit !== undefined) {
    const cgroup = await findUnitCgroup(unit, flags.has("user"));
    return { scope: { cgroup }, name: unit, returns: true };
  }
  if (cgroup !== undefined) return { scope: { cgroup }, name: `cgroup ${cgroup}`, returns: false };
  if (flags.has("all")) {
    return { scope: { all: true }, name: "this network namespace", returns: false };
  }
  throw new UsageError("Cannot list sockets: no process is given", {
    hint: "`mptcpize sockets --pid PID`, or --unit UNIT, --cgroup PATH, --all",
  });
}

/** What one look gives: the list, and of a process its name. */
interface Look extends SocketList {
  readonly pid?: number;
  readonly command?: string;
}

function look({ scope }: Target, listenersOnly: boolean): Look {
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

/** The same of what may be away for a while. */
function lookAgain(target: Target, listenersOnly: boolean): Look {
  try {
    return look(target, listenersOnly);
  } catch (error) {
    if (!target.returns || !(error instanceof NotFoundError)) throw error;
    return { sockets: [], notes: [`${target.name} does not run now`], unseen: 0 };
  }
}

/** A socket of a process, with its descriptors in that process first. */
function withFds(socket: SeenSocket, pid: number): SeenSocket & { readonly fd?: number } {
  const fds = socket.owners.find((owner) => owner.pid === pid)?.fds ?? [];
  return { ...(fds[0] !== undefined && { fd: fds[0], fds }), ...socket };
}

function lookText(env: Env, { scope, name }: Target, seen: Look): string {
  const { sockets, unseen, notes } = seen;
  const list = "pid" in scope ? socketsText(env, seen) : socketsByOwner(env, sockets);
  return [
    ...(sockets.length === 0 ? [] : [list, ""]),
    ...[totals(name, sockets, unseen), ...notes].map((text) => wrap(text, 0, paragraphWidth(env))),
  ].join("\n") + "\n";
}

/**
 * Lists sockets, once or until interrupted.
 *
 * @returns the exit status
 * @throws {MptcpizeError} when the scope is not there or must not be looked into
 */
export async function sockets(env: Env, flags: ParsedFlags): Promise<number> {
  const target = await parseTarget(flags);
  const show = (seen: Look, space?: number) =>
    flags.has("json") ? JSON.stringify(seen, null, space) + "\n" : lookText(env, target, seen);
  if (!flags.has("watch")) {
    env.out(show(look(target, flags.has("listen")), 2));
    return 0;
  }
  return await watch(env, flags.has("json"), () => show(lookAgain(target, flags.has("listen"))));
}
