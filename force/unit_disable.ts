/**
 * How units are left alone again.
 *
 * @module
 */

import { NotFoundError } from "../errors.ts";
import { dropInPath, findDropIns, hasLeftovers, parseUnitName } from "../systemd/mod.ts";
import type { UnitMethod } from "./unit_choice.ts";
import {
  assemble,
  ownDropIn,
  type Planned,
  type UnitAction,
  type UnitPlan,
  type UnitWorld,
} from "./unit_plan.ts";
import {
  askableName,
  isRunning,
  runningInstances,
  UNIT_PROPERTIES,
  type UnitFacts,
  userFlag,
} from "./unit_read.ts";

/** What the user wants to end. */
export interface DisableRequest {
  /** Units as the user names them. */
  readonly units: readonly string[];
  /** Whether they are those of the user who calls. */
  readonly user?: boolean;
  /** Whether units that run are restarted. */
  readonly now?: boolean;
}

/**
 * Plans how units are left alone again; changes nothing. A unit that is not enabled is no error.
 *
 * @throws {UsageError} for what is no name of a unit
 * @throws {NotFoundError} when there is neither such a unit nor a drop-in of ours for it
 * @throws {ConflictError} when a file under the name of ours was written by others
 */
export async function planDisable(request: DisableRequest, world: UnitWorld): Promise<UnitPlan> {
  const planned: { facts: UnitFacts; plan: Planned }[] = [];
  for (const word of request.units) {
    const asked = parseUnitName(word);
    const properties = await world.manager.show(askableName(asked), UNIT_PROPERTIES);
    const template = asked.instance === "";
    const id = properties.text("Id");
    // The drop-in of a unit that is gone lies under its own name.
    const own = findDropIns(world.folders, asked.name);
    const name = template || own.length > 0 || id === "" ? asked : parseUnitName(id);
    const files = own.length > 0 ? own : findDropIns(world.folders, name.name);
    const existing = ownDropIn(files, "disable");
    const leftovers = hasLeftovers(world.folders, name.name);
    if (existing === undefined && !leftovers && properties.text("LoadState") === "not-found") {
      throw new NotFoundError(`Cannot disable MPTCP for ${name.name}: there is no such unit`, {
        tried: [name.name],
        hint: `\`mptcpize status ${userFlag(world.manager.scope)}`.trimEnd() +
          "` lists what is enabled",
      });
    }
    const path = existing?.path ?? dropInPath(world.folders, name.name);
    // Killed behind the removal: systemd has it in its memory still.
    const gone = files.length > 0
      ? []
      : properties.words("DropInPaths").filter((path) =>
        [false, true].some((runtime) =>
          [false, true].some((late) =>
            path === dropInPath(world.folders, name.name, { runtime, late })
          )
        )
      );
    const isThere = existing !== undefined || gone.length > 0;
    const running = !isThere
      ? []
      : template
      ? await runningInstances(world.manager, name)
      : isRunning(properties)
      ? [name.name]
      : [];
    const facts: UnitFacts = {
      name,
      properties,
      running,
      programs: [],
      environmentFiles: [],
      managerEnvironment: [],
      systemdVersion: Infinity,
      sockets: [],
      uid: 0,
      gid: 0,
    };
    const actions = files.map(({ path }): UnitAction => ({
      kind: "remove",
      path,
      before: Deno.readTextFileSync(path),
    }));
    if (actions.length === 0 && leftovers) actions.push({ kind: "remove", path });
    const loaded = properties.text("LoadState") === "loaded";
    planned.push({
      facts,
      plan: {
        unit: {
          unit: name.name,
          method: (existing?.dropIn?.method ?? "preload") as UnitMethod,
          file: path,
          text: undefined,
          variables: [],
          done: !isThere,
          running,
          warnings: [],
          notes: [],
        },
        actions,
        expectations: isThere && loaded
          ? [{ unit: askableName(name), property: "DropInPaths", lacks: path }]
          : [],
        reload: gone.length > 0,
      },
    });
  }
  return await assemble("disable", world, planned, request.now ?? false);
}
