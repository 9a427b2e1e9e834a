/**
 * How a unit is forced: facts about it in; the method, what is set, and what stands in the way out. Pure.
 *
 * @module
 */

import type { Feature } from "../features/mod.ts";
import type { Program } from "../program/mod.ts";
import type { DropIn } from "../systemd/mod.ts";
import { rootOfCommands } from "./attach_units.ts";
import { type Choice, chooseMethod, type Reach, waysToReach } from "./choose.ts";
import {
  confinementWarnings,
  isObstacle,
  type UnitObstacle,
  type UnitVariable,
  waysOf,
} from "./unit_environment.ts";
import type { UnitProgram } from "./unit_programs.ts";
import type { UnitFacts } from "./unit_read.ts";

/** A way to force a unit. */
export type UnitMethod = "preload" | "godebug" | "bpf" | "socket";

/** The methods that a user may insist on. */
export const UNIT_METHODS = ["preload", "godebug", "bpf"] as const;

/** What decides besides the unit itself. */
export interface UnitChoiceFacts {
  /** The library's path for a machine, where an installation has one; else why there is none. */
  readonly library: (machine: string) => string | UnitObstacle;
  /** Whether there is a library for a machine name at all. */
  readonly hasLibrary: (machine: string) => boolean;
  readonly machine: string;
  /** Whether BPF programs may choose the protocol here, for services of the machine. */
  readonly bpf: () => Feature;
  /** What is in force already. */
  readonly dropIn: DropIn | undefined;
  /** Whether a file is below a folder that is the root of the unit. */
  readonly isInRoot: (root: string, path: string) => boolean;
}

/** What was chosen for a service. */
export interface UnitChoice {
  readonly method: UnitMethod;
  /** What the drop-in sets; empty for `bpf`. */
  readonly variables: readonly UnitVariable[];
  readonly warnings: readonly string[];
}

/** Why a service is not forced. */
export interface UnitRefusal {
  readonly refused: UnitObstacle;
}

/** A program as the kernel treats it in this unit. */
function inUnit(program: Program, facts: UnitFacts): Program {
  // With no_new_privs set-id bits and file capabilities give nothing: prctl(2), PR_SET_NO_NEW_PRIVS.
  return facts.properties.isYes("NoNewPrivileges")
    ? { ...program, setUid: false, setGid: false, fileCapabilities: false }
    : program;
}

/** What BPF would do for a unit that the environment does not reach. */
function bpfHint(bpf: Feature, unit: string): string | undefined {
  if (bpf.state === "yes") return `\`mptcpize enable --method bpf ${unit}\``;
  return bpf.state === "no" ? `bpf would do, but ${bpf.reason}: ${bpf.needs}` : undefined;
}

/** Joins remedies to one sentence. */
function joinHints(...hints: readonly (string | undefined)[]): string {
  return hints.filter((hint) => hint !== undefined && hint !== "").join("; or ");
}

/** What the choice for one program of a unit is; undefined where the file could not be read. */
export function chooseForProgram(
  { image }: UnitProgram,
  facts: UnitFacts,
  { hasLibrary, machine }: UnitChoiceFacts,
): Choice | undefined {
  const { uid, gid } = facts;
  if (image === undefined) return undefined;
  return chooseMethod({ program: inUnit(image, facts), uid, gid, hasLibrary, machine });
}

/** Whether a service can be forced by BPF: the kernel's answer, where its commands find mptcpize. */
export function bpfFor({ properties }: UnitFacts, { bpf }: UnitChoiceFacts): Feature {
  const root = rootOfCommands((name) => properties.text(name));
  return root === undefined ? bpf() : {
    state: "no",
    reason: `its commands are executed inside of ${root}, where mptcpize is not`,
    needs: "set RootDirectoryStartOnly=yes",
  };
}

/**
 * Chooses how a service is forced.
 *
 * `auto` takes what reaches every program of `ExecStart=` and sets both variables, since what they start
 * may need either; where the environment does not reach one, BPF.
 *
 * @param method what the user insists on, or `auto`
 */
export function chooseUnitMethod(
  facts: UnitFacts,
  method: UnitMethod | "auto",
  world: UnitChoiceFacts,
): UnitChoice | UnitRefusal {
  const { name: { name }, programs } = facts;
  const bpf = () => bpfFor(facts, world);
  if (method === "bpf") {
    const can = bpf();
    if (can.state === "yes") return { method, variables: [], warnings: [] };
    const refused = can.state === "no"
      ? { state: can.reason, remedy: can.needs }
      : { state: `BPF cannot be tried here (${can.cause})`, remedy: "" };
    return { refused };
  }
  const ways = waysOf(facts, world);
  const wanted = method === "auto"
    ? ["LD_PRELOAD", "GODEBUG"] as const
    : [method === "preload" ? "LD_PRELOAD" as const : "GODEBUG" as const];
  const warnings: string[] = [];
  let main: UnitMethod | undefined = method === "auto" ? undefined : method;
  let refused: UnitObstacle | undefined;
  for (const program of programs) {
    const { path, image, fault } = program;
    const choice = chooseForProgram(program, facts, world);
    if (image === undefined || choice === undefined) {
      refused ??= {
        state: `its program ${path} cannot be read: ${fault}`,
        remedy: "`--method preload` takes it to be dynamic, `--method godebug` to be Go",
      };
      continue;
    }
    const reaches = (way: "preload" | "godebug"): Reach | undefined =>
      choice.reaches.find((reach) => reach.method === way);
    if (method === "auto") {
      const way = (["preload", "godebug"] as const).find((way) => reaches(way)?.reaches);
      const obstacle = way && ways[way === "preload" ? "LD_PRELOAD" : "GODEBUG"];
      if (way !== undefined && obstacle !== undefined && !isObstacle(obstacle)) main ??= way;
      else if (obstacle !== undefined && isObstacle(obstacle)) refused ??= obstacle;
      else {
        const reason = reaches(image.go === undefined ? "preload" : "godebug")?.reason;
        const hint = waysToReach({ ...choice, reaches: [] }, image).replace(/; `--method.*$/, "")
          .replace(/^`--method.*$/, "");
        refused ??= { state: `${path}: ${reason}`, remedy: hint };
      }
    } else if (!reaches(method as "preload" | "godebug")?.reaches) {
      const reason = reaches(method as "preload" | "godebug")?.reason;
      warnings.push(`${path} stays TCP, but for what it starts: ${reason}`);
    }
  }
  if (method !== "auto") {
    const obstacle = ways[wanted[0]!];
    if (isObstacle(obstacle)) {
      if (obstacle.bars === "all") return { refused: obstacle };
      return { refused: { ...obstacle, remedy: joinHints(obstacle.remedy, bpfHint(bpf(), name)) } };
    }
  } else if (refused?.bars === "all") {
    return { refused };
  } else if (refused !== undefined || main === undefined) {
    const can = programs.length === 0 ? undefined : bpf();
    if (can?.state === "yes") return { method: "bpf", variables: [], warnings };
    const obstacle = refused ?? { state: "it starts no program", remedy: "" };
    const hint = can === undefined ? undefined : bpfHint(can, name);
    return { refused: { ...obstacle, remedy: joinHints(obstacle.remedy, hint) } };
  }
  const variables = wanted.map((name) => ways[name])
    .filter((way): way is UnitVariable => !isObstacle(way));
  warnings.push(...confinementWarnings(facts, variables));
  for (const { path, assignments } of facts.environmentFiles) {
    if (assignments === undefined) {
      warnings.push(`${path} cannot be read, and would count more than the drop-in`);
    }
  }
  return { method: main!, variables, warnings };
}
