/**
 * A cgroup of its own for one command, so that the kernel can tell its sockets: a scope where systemd
 * runs, else a folder.
 *
 * @module
 */

import { readBpfState, type Target } from "../bpf/mod.ts";
import { MptcpizeError, NotPermittedError, NotSupportedError } from "../errors.ts";
import { findCgroup, readProcessCgroup } from "../inspect/mod.ts";
import { openManager } from "../systemd/mod.ts";

/** How the cgroup of one command is made. */
export type RunCgroup =
  | {
    /** A scope of systemd's, which removes it when it is empty. */
    readonly kind: "scope";
  }
  | {
    /** A folder below the cgroup of this process; a later call removes it when it is empty. */
    readonly kind: "folder";
    readonly parent: string;
  };

const PREFIX = "mptcpize-run-";
const SCOPE_WAIT_MS = 10_000;

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/**
 * How a command gets a cgroup of its own here; changes nothing.
 *
 * In a service it is a folder below the service's: systemd would take a main process that leaves its
 * cgroup for one that has ended.
 *
 * @throws {NotFoundError} where no cgroups of version 2 are mounted
 */
export function planRunCgroup(
  own = readProcessCgroup("self"),
  booted = isFolder("/run/systemd/system"), // as sd_booted(3) looks
): RunCgroup {
  const unit = own?.split("/").findLast((name) => /\.(service|scope|slice)$/.test(name));
  if (booted && !unit?.endsWith(".service")) return { kind: "scope" };
  return { kind: "folder", parent: findCgroup(own ?? "/") };
}

function join(path: string): void {
  // 0 is the process that writes, with all its threads.
  Deno.writeTextFileSync(`${path}/cgroup.procs`, "0");
}

async function startScope(name: string): Promise<string> {
  await openManager("system").startScope(name, Deno.pid, "A command that mptcpize runs");
  const end = performance.now() + SCOPE_WAIT_MS;
  for (;;) {
    const own = readProcessCgroup("self");
    if (own?.endsWith(`/${name}`)) return findCgroup(own);
    if (performance.now() > end) break;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new MptcpizeError(
    `Cannot start ${name}: systemd has not moved process ${Deno.pid} into it within ${
      SCOPE_WAIT_MS / 1000
    } s`,
    { hint: `\`systemctl status ${name}\`` },
  );
}

function makeFolder(parent: string, name: string): string {
  const path = `${parent}/${name}`;
  try {
    Deno.mkdirSync(path);
    join(path);
    return path;
  } catch (cause) {
    removeFolder(path);
    const message = `Cannot make a cgroup for the command below ${parent}: ${
      cause instanceof Error ? cause.message : cause
    }`;
    const details = { cause, hint: "`mptcpize attach` where cgroups can be made" };
    throw cause instanceof Deno.errors.PermissionDenied
      ? new NotPermittedError(message, details)
      : new NotSupportedError(message, details);
  }
}

/** A cgroup that this process is in. */
export interface EnteredCgroup {
  /** Its folder. */
  readonly path: string;
  /** Puts this process back to where it was, and removes what was made. */
  leave(): void;
}

/**
 * Makes a cgroup for this process and what it becomes, and moves it there.
 *
 * @throws {NotPermittedError} when cgroups may not be made
 * @throws {MptcpizeError} when it cannot be made; this process is where it was then
 */
export async function enterRunCgroup(plan: RunCgroup): Promise<EnteredCgroup> {
  const before = findCgroup(readProcessCgroup("self") ?? "/");
  const name = `${PREFIX}${Deno.pid}-${crypto.randomUUID().slice(0, 8)}`;
  const path = plan.kind === "scope"
    ? await startScope(`${name}.scope`)
    : makeFolder(plan.parent, name);
  return {
    path,
    leave() {
      join(before);
      if (plan.kind === "folder") removeFolder(path);
    },
  };
}

/** Removes a cgroup that is empty; another stays. */
function removeFolder(path: string): void {
  try {
    // rmdir(2): one with processes or cgroups in it is refused.
    Deno.removeSync(path);
  } catch {
    // It is in use, or gone.
  }
}

/** Removes the folders of commands that have ended, so that the next change forgets them as targets. */
export function pruneRunCgroups(): void {
  let targets: readonly Target[];
  try {
    targets = readBpfState()?.targets ?? [];
  } catch (error) {
    if (error instanceof NotPermittedError) return; // The change itself tells it better.
    throw error;
  }
  for (const { kind, path = "", gone } of targets) {
    const name = path.slice(path.lastIndexOf("/") + 1);
    if (kind === "cgroup" && !gone && name.startsWith(PREFIX) && !name.endsWith(".scope")) {
      removeFolder(path);
    }
  }
}
