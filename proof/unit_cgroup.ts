/**
 * The cgroup of a unit of systemd's, as a scope of sockets.
 *
 * @module
 */

import { NotFoundError } from "../errors.ts";
import { controlGroupOf } from "../systemd/mod.ts";

/**
 * Finds the cgroup of a unit that runs, for {@linkcode SocketScope}.
 *
 * Its path is good for as long as the unit exists: while it is started anew, the cgroup is away.
 *
 * Needs: systemd.
 *
 * @param unit as systemctl takes it: without a suffix it is a service
 * @param user whether it is a unit of this user's own manager
 * @throws {UsageError} when it is no name of a unit
 * @throws {NotFoundError} when there is no such unit, or it does not run
 * @throws {NotSupportedError} when it is a template, or systemd does not run
 */
export async function findUnitCgroup(unit: string, user = false): Promise<string> {
  const cgroup = await controlGroupOf(unit, { user });
  if (cgroup !== undefined) return cgroup;
  throw new NotFoundError(`Cannot find the cgroup of ${unit}: it does not run`, {
    tried: [unit],
    hint: `\`systemctl ${user ? "--user " : ""}start ${unit}\``,
  });
}
