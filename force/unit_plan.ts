/**
 * Changing units of systemd as a plan: drop-ins beside unit files that stay as they are, as plain data.
 *
 * @module
 */

import { probeBpf } from "../bpf/mod.ts";
import { ConflictError } from "../errors.ts";
import { type Feature, probeMptcp } from "../features/mod.ts";
import {
  type DropInFile,
  type DropInFolders,
  dropInFolders,
  type ManagerScope,
  openManager,
  type UnitManager,
  type UnitProperties,
} from "../systemd/mod.ts";
import type { UnitMethod } from "./unit_choice.ts";
import type { UnitVariable } from "./unit_environment.ts";
import { isRunning, type UnitFacts } from "./unit_read.ts";

/** What systemd must say of a unit afterwards. */
export interface UnitExpectation {
  /** The unit to ask about; of a template, a sample instance. */
  readonly unit: string;
  /** Such as `Environment`. */
  readonly property: string;
  /** A member of it, or a part of a command line, that must be there. */
  readonly has?: string;
  /** A member that must not be there. */
  readonly lacks?: string;
}

/** One change, in the order of the plan. */
export type UnitAction =
  | {
    readonly kind: "write";
    readonly path: string;
    readonly text: string;
    readonly before?: string;
  }
  | { readonly kind: "remove"; readonly path: string; readonly before?: string }
  | { readonly kind: "reload" }
  | { readonly kind: "expect"; readonly expectation: UnitExpectation }
  /** `first` is stopped before and started after it: a socket cannot be made anew below its service. */
  | { readonly kind: "restart"; readonly unit: string; readonly first?: string };

/** What is planned for one unit. */
export interface PlannedUnit {
  /** Its name, an alias followed. */
  readonly unit: string;
  /** How it is forced. */
  readonly method: UnitMethod;
  /** The drop-in. */
  readonly file: string;
  /** Its text; undefined where it is removed. */
  readonly text: string | undefined;
  /** What the drop-in sets in the environment. */
  readonly variables: readonly UnitVariable[];
  /** Whether it is as it is to be already. */
  readonly done: boolean;
  /** The units of it that run, and that this is in force for after their next start. */
  readonly running: readonly string[];
  /** What the user is to know, as sentences without a final period. */
  readonly warnings: readonly string[];
  /** What is worth knowing about its programs. */
  readonly notes: readonly string[];
}

/** All that will happen. */
export interface UnitPlan {
  /** Whose units. */
  readonly scope: ManagerScope;
  /** `enable` or `disable`. */
  readonly verb: "enable" | "disable";
  /** Where drop-ins lie. */
  readonly folders: DropInFolders;
  /** One for each unit that was asked for, or that belongs to one. */
  readonly units: readonly PlannedUnit[];
  /** What is done, in this order; empty when all is done already. */
  readonly actions: readonly UnitAction[];
  /** Whether the kernel makes MPTCP sockets here. */
  readonly mptcp: Feature;
}

/** Where a plan is made; tests give one of their own. */
export interface UnitWorld {
  /** Who is asked. */
  readonly manager: UnitManager;
  /** Where drop-ins lie. */
  readonly folders: DropInFolders;
  /** Whether the kernel makes MPTCP sockets here. */
  readonly mptcp: Feature;
  /** Whose programs load the library; root's may become anybody. */
  readonly uid: number;
  /** Whether BPF programs may choose the protocol here: tried when that counts. */
  readonly bpf: () => Feature;
}

const NO_BPF_FOR_USERS: Feature = {
  state: "no",
  reason: "the systemd of a user may not load BPF programs",
  needs: "`mptcpize attach` as root reaches the services of a user",
};

/**
 * This machine.
 *
 * @throws {NotSupportedError} when systemd does not run
 */
export function openUnitWorld(scope: ManagerScope): UnitWorld {
  const uid = scope === "system" ? 0 : Deno.uid() ?? 0;
  return {
    manager: openManager(scope),
    folders: dropInFolders(scope),
    mptcp: probeMptcp(),
    uid,
    bpf: scope === "user" ? () => NO_BPF_FOR_USERS : probeBpf,
  };
}

/** A drop-in of ours that is there, unless it is not of ours. */
export function ownDropIn(files: readonly DropInFile[], verb: string): DropInFile | undefined {
  const foreign = files.find(({ dropIn }) => dropIn === undefined);
  if (foreign !== undefined) {
    throw new ConflictError(
      `Cannot ${verb} MPTCP for ${foreign.unit}: ${foreign.path} was not written by mptcpize`,
      { hint: "move it away, if it is not needed" },
    );
  }
  return files[0];
}

/** One unit of a plan that is being made. */
export interface Planned {
  readonly unit: PlannedUnit;
  readonly actions: readonly UnitAction[];
  readonly expectations: readonly UnitExpectation[];
  /** Whether systemd has read what is not there any more. */
  readonly reload?: boolean;
}

/** Whether properties say what is expected. */
export function holds(
  properties: UnitProperties,
  { property, has, lacks }: Omit<UnitExpectation, "unit">,
): boolean {
  if (property.startsWith("Exec")) {
    return properties.lines(property).some((line) => line.includes(has ?? ""));
  }
  const words = properties.words(property);
  if (has !== undefined && !words.includes(has)) return false;
  return lacks === undefined || !words.includes(lacks);
}

/** How a unit comes to run with its drop-in. */
async function planRestarts(
  world: UnitWorld,
  { facts, plan }: { readonly facts: UnitFacts; readonly plan: Planned },
  skipped: ReadonlySet<string>,
): Promise<UnitAction[]> {
  const actions: UnitAction[] = [];
  for (const unit of plan.unit.running.filter((unit) => !skipped.has(unit))) {
    if (facts.name.type === "service") {
      actions.push({ kind: "restart", unit });
      continue;
    }
    const accepts = facts.properties.isYes("Accept");
    const [service] = facts.properties.words("Triggers");
    const active = !accepts && service !== undefined &&
      isRunning(await world.manager.show(service, ["ActiveState"]));
    actions.push({ kind: "restart", unit, ...(active ? { first: service } : {}) });
  }
  return actions;
}

/** Puts the units of a plan together: all files, one reload, all questions, and then the restarts. */
export async function assemble(
  verb: UnitPlan["verb"],
  world: UnitWorld,
  planned: readonly { readonly facts: UnitFacts; readonly plan: Planned }[],
  now: boolean,
): Promise<UnitPlan> {
  const changes = planned.flatMap(({ plan }) => plan.actions);
  const actions: UnitAction[] = [...changes];
  if (changes.length > 0 || planned.some(({ plan }) => plan.reload)) {
    actions.push({ kind: "reload" });
  }
  for (const { plan } of planned) {
    for (const expectation of plan.expectations) actions.push({ kind: "expect", expectation });
  }
  if (now) {
    // A service is restarted together with its socket, once.
    const restarts: UnitAction[] = [];
    const together = new Set<string>();
    const sockets = planned.filter(({ facts }) => facts.name.type === "socket");
    for (const one of [...sockets, ...planned.filter((plan) => !sockets.includes(plan))]) {
      for (const action of await planRestarts(world, one, together)) {
        if (action.kind === "restart" && action.first !== undefined) together.add(action.first);
        restarts.push(action);
      }
    }
    actions.push(...restarts);
  }
  return {
    scope: world.manager.scope,
    verb,
    folders: world.folders,
    units: planned.map(({ plan }) => plan.unit),
    actions,
    mptcp: world.mptcp,
  };
}
