/**
 * The drop-in by which a unit is forced, with what systemd must say of the unit afterwards.
 *
 * @module
 */

import {
  type DropInFile,
  dropInPath,
  findDropIns,
  hasLeftovers,
  LATE_DROP_IN_NAME,
  renderDropIn,
} from "../systemd/mod.ts";
import manifest from "../deno.json" with { type: "json" };
import { makesNewEnvironment, programNotes } from "./notes.ts";
import type { UnitMethod } from "./unit_choice.ts";
import type { UnitVariable } from "./unit_environment.ts";
import type { EnableRequest } from "./unit_enable.ts";
import {
  holds,
  type Planned,
  type UnitAction,
  type UnitExpectation,
  type UnitWorld,
} from "./unit_plan.ts";
import { askableName, type UnitFacts, userFlag } from "./unit_read.ts";

/** Whether a drop-in behind the usual name of ours sets what ours sets: then ours goes behind it. */
function needsLateName(facts: UnitFacts, settings: readonly string[]): boolean {
  const names = new Set(settings.map((setting) => setting.split("=")[0]!));
  return facts.properties.words("DropInPaths").some((path) => {
    const name = path.slice(path.lastIndexOf("/") + 1);
    if (name <= "90-mptcpize.conf" || name === LATE_DROP_IN_NAME) return false;
    try {
      return Deno.readTextFileSync(path).split("\n")
        .some((line) => names.has(/^\s*(\w+)\s*=/.exec(line)?.[1] ?? ""));
    } catch {
      return false;
    }
  });
}

/** The drop-in of a unit, with what must be true of it afterwards. */
export function planDropIn(
  world: UnitWorld,
  request: EnableRequest,
  facts: UnitFacts,
  chosen: {
    readonly method: UnitMethod;
    readonly settings: readonly string[];
    readonly variables: readonly UnitVariable[];
    readonly warnings: readonly string[];
    readonly expectations: readonly Omit<UnitExpectation, "unit">[];
  },
  existing: DropInFile | undefined,
): Planned {
  const { name } = facts;
  const { method, settings, variables } = chosen;
  const text = renderDropIn({
    version: manifest.version,
    unit: name.name,
    method,
    undo: `mptcpize disable ${userFlag(world.manager.scope)}${name.name}`,
    section: name.type === "socket" ? "Socket" : "Service",
    settings,
    before: variables.flatMap(({ name, before }) =>
      before === undefined ? [] : [`${name}=${before}`]
    ),
  });
  const late = existing?.path.endsWith(LATE_DROP_IN_NAME) || needsLateName(facts, settings);
  const runtime = request.runtime ?? false;
  const file = dropInPath(world.folders, name.name, { runtime, late });
  const there = findDropIns(world.folders, name.name);
  const same = there.find(({ path }) => path === file);
  const before = same === undefined ? undefined : Deno.readTextFileSync(file);
  const unit = askableName(name);
  const expectations = [
    { unit, property: "DropInPaths", has: file },
    ...chosen.expectations.map((expectation) => ({ unit, ...expectation })),
  ];
  // One that lies elsewhere, such as in /run, would count beside it.
  const others = there.filter(({ path }) => path !== file);
  const done = before === text && others.length === 0 && !hasLeftovers(world.folders, name.name) &&
    expectations.every((expectation) => holds(facts.properties, expectation)) &&
    !facts.properties.isYes("NeedDaemonReload");
  const actions: UnitAction[] = [
    ...others.map(({ path }): UnitAction => ({
      kind: "remove",
      path,
      before: Deno.readTextFileSync(path),
    })),
    { kind: "write", path: file, text, ...(before === undefined ? {} : { before }) },
  ];
  const notes = facts.programs.flatMap(({ image }) =>
    image === undefined || makesNewEnvironment(image) !== undefined ? [] : programNotes(image)
  );
  return {
    unit: {
      unit: name.name,
      method,
      file,
      text,
      variables,
      done,
      running: facts.running,
      warnings: chosen.warnings,
      notes: [...new Set(notes)],
    },
    actions: done ? [] : actions,
    expectations: done ? [] : expectations,
  };
}
