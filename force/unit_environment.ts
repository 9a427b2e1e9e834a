/**
 * The environment that a drop-in gives to a unit's programs: what is merged, and what stands in the way. Pure.
 *
 * @module
 */

import { displayByteString, mergeGodebug, mergePreload, toByteString } from "../preload/mod.ts";
import {
  assignmentsOf,
  type DropIn,
  hidingSetting,
  lastValue,
  noExecSetting,
  unsettingSetting,
} from "../systemd/mod.ts";
import type { UnitChoiceFacts } from "./unit_choice.ts";
import type { UnitFacts } from "./unit_read.ts";

/** Something that stands in the way, and what to do about it. */
export interface UnitObstacle {
  /** A clause without a final period. */
  readonly state: string;
  /** A sentence without a final period. */
  readonly remedy: string;
  /** Whether BPF would not get by it either. */
  readonly bars?: "all";
}

/** A variable that a drop-in sets. */
export interface UnitVariable {
  /** Its name. */
  readonly name: "LD_PRELOAD" | "GODEBUG";
  /** Its value without the drop-in; undefined if it is not set. */
  readonly before: string | undefined;
  /** Its value with the drop-in. */
  readonly after: string;
}

/** Whether a way is barred. */
export function isObstacle(value: object): value is UnitObstacle {
  return "remedy" in value;
}

function merged(
  name: UnitVariable["name"],
  value: string | undefined,
  library: string,
): string {
  if (name === "GODEBUG") return mergeGodebug(value);
  const bytes = value === undefined ? undefined : toByteString(value);
  return displayByteString(mergePreload(bytes, toByteString(library)));
}

/** The value that a variable has without a drop-in of ours; files of `EnvironmentFile=` not counted. */
function valueWithout(
  facts: UnitFacts,
  dropIn: DropIn | undefined,
  name: string,
): string | undefined {
  const now = lastValue(facts.properties.words("Environment"), name);
  const ours = dropIn === undefined ? undefined : lastValue(assignmentsOf(dropIn), name);
  if (now !== undefined && now !== ours) return now;
  // What ours was merged into then: what the unit sets itself cannot be seen behind it.
  if (now !== undefined && dropIn !== undefined) return lastValue(dropIn.before, name);
  return lastValue(facts.managerEnvironment, name);
}

/** A variable as the drop-in would set it, or why that would not count. */
function planVariable(
  facts: UnitFacts,
  dropIn: DropIn | undefined,
  name: UnitVariable["name"],
  library: string,
): UnitVariable | UnitObstacle {
  const before = valueWithout(facts, dropIn, name);
  const after = merged(name, before, library);
  const unset = unsettingSetting(facts.properties, `${name}=${after}`);
  if (unset !== undefined) {
    return {
      state: `${unset} takes it out of the environment again`,
      remedy: "take that line out of the unit, by `systemctl edit`",
    };
  }
  for (const { path, assignments } of facts.environmentFiles.toReversed()) {
    const value = lastValue(assignments ?? [], name);
    if (value === undefined) continue;
    const wanted = merged(name, value, library);
    if (wanted === value) break;
    return {
      state: `EnvironmentFile=${path} sets ${name}, and counts more than a drop-in`,
      remedy: `put \`${name}=${wanted}\` into ${path}`,
    };
  }
  return { name, before, after };
}

/** Why the library does not get into the programs of a unit, or undefined if it does. */
function libraryObstacle(
  { properties }: UnitFacts,
  library: string,
  isInRoot: UnitChoiceFacts["isInRoot"],
): UnitObstacle | undefined {
  const hides = hidingSetting(properties, library, (root) => isInRoot(root, library));
  if (hides !== undefined) {
    return { state: `${hides} hides ${library}`, remedy: "" };
  }
  const noExec = noExecSetting(properties, library);
  return noExec === undefined ? undefined : {
    state: `${noExec} keeps its programs from loading ${library}`,
    remedy: `add \`ExecPaths=${library}\` to the unit, by \`systemctl edit\``,
  };
}

/** Both variables as a drop-in would set them, or what stands in the way of each. */
export function waysOf(
  facts: UnitFacts,
  { library, hasLibrary, machine, dropIn, isInRoot }: UnitChoiceFacts,
): Readonly<Record<UnitVariable["name"], UnitVariable | UnitObstacle>> {
  const first = facts.programs[0]?.image?.elf?.machine ?? machine;
  const place = library(hasLibrary(first) ? first : machine);
  return {
    LD_PRELOAD: typeof place !== "string"
      ? place
      : libraryObstacle(facts, place, isInRoot) ?? planVariable(facts, dropIn, "LD_PRELOAD", place),
    GODEBUG: planVariable(facts, dropIn, "GODEBUG", ""),
  };
}

/**
 * What may undo the environment, or keep the library out, in a way that systemd does not tell.
 *
 * Source: ld.so(8), "Secure-execution mode"; abstractions/base of AppArmor.
 */
export function confinementWarnings(
  { name: { name }, properties }: UnitFacts,
  variables: readonly UnitVariable[],
): string[] {
  const warnings: string[] = [];
  if (properties.text("PAMName") !== "") {
    warnings.push("PAM may set its environment anew (PAMName=)");
  }
  const library = variables.find(({ name }) => name === "LD_PRELOAD")?.after.split(/[ :]/).at(-1);
  if (library === undefined) return warnings;
  // Printed with a dash where systemd starts it without, too.
  const [profile, context] = ["AppArmorProfile", "SELinuxContext"]
    .map((setting) => properties.text(setting).replace(/^-/, ""));
  if (profile !== "" && !library.startsWith("/usr/lib/")) {
    warnings.push(
      `its AppArmor profile ${profile} may keep ${library} out, since it does not lie below /usr/lib`,
    );
  }
  if (context !== "") {
    warnings.push(
      `SELinux may keep the library out where its domain changes (SELinuxContext=${context}): ` +
        `\`mptcpize sockets --unit ${name}\` tells, once it was restarted`,
    );
  }
  return warnings;
}
