/**
 * What `enable` would find and do for a unit, whether it would or would refuse.
 *
 * @module
 */

import { MptcpizeError } from "../errors.ts";
import { findDropIns, templateOf } from "../systemd/mod.ts";
import { bpfFor, chooseForProgram, type UnitChoiceFacts, type UnitMethod } from "./unit_choice.ts";
import { choiceFactsOf, type EnableRequest, planRead } from "./unit_enable.ts";
import { isObstacle, type UnitObstacle, waysOf } from "./unit_environment.ts";
import type { UnitPlan, UnitWorld } from "./unit_plan.ts";
import type { UnitProgram } from "./unit_programs.ts";
import { readUnit, tcpListeners, type UnitFacts } from "./unit_read.ts";

/** Whether a method reaches a unit, and why. */
export interface UnitReach {
  /** The method that this is about. */
  readonly method: UnitMethod;
  /** Whether it reaches all of the unit's programs. */
  readonly reaches: boolean;
  /** Whether it reaches some of them only. */
  readonly partly?: boolean;
  /** A clause that goes with the answer, without a final period. */
  readonly reason: string;
  /** What to do about what stands in the way, as a sentence without a final period. */
  readonly remedy?: string;
}

/** What is known about a unit, without the decision to enable it. */
export interface UnitExplanation {
  /** Its name, an alias followed. */
  readonly unit: string;
  /** Those of `ExecStart=`; none of a socket. */
  readonly programs: readonly UnitProgram[];
  /** Each method. */
  readonly reaches: readonly UnitReach[];
  /** The drop-ins of ours that it has, its own or those of its template. */
  readonly enabled: readonly { readonly method: string; readonly file: string }[];
  /** What `enable` would do; undefined where it refuses. */
  readonly plan: UnitPlan | undefined;
  /** Why it refuses. */
  readonly refused: MptcpizeError | undefined;
}

/** Whether a variable of the environment reaches the programs of a service. */
function variableReach(
  method: "preload" | "godebug",
  facts: UnitFacts,
  world: UnitChoiceFacts,
  obstacle: UnitObstacle | undefined,
): UnitReach {
  const { programs } = facts;
  const judged = programs.map((program) => {
    const reach = chooseForProgram(program, facts, world)?.reaches
      .find((reach) => reach.method === method);
    return {
      path: program.path,
      reaches: reach?.reaches ?? false,
      reason: reach?.reason ?? `it cannot be read (${program.fault})`,
    };
  });
  const missed = judged.filter(({ reaches }) => !reaches);
  if (judged.length > missed.length && obstacle !== undefined) {
    const { state, remedy } = obstacle;
    return { method, reaches: false, reason: state, ...(remedy === "" ? {} : { remedy }) };
  }
  const { path, reason } = (missed[0] ?? judged[0])!;
  return {
    method,
    reaches: missed.length === 0,
    ...(missed.length > 0 && missed.length < judged.length ? { partly: true } : {}),
    reason: missed.length > 0 && programs.length > 1 ? `${path}: ${reason}` : reason,
  };
}

function serviceReaches(facts: UnitFacts, world: UnitChoiceFacts): UnitReach[] {
  if (facts.programs.length === 0) return [];
  const ways = waysOf(facts, world);
  const bpf = bpfFor(facts, world);
  const obstacle = (way: typeof ways[keyof typeof ways]) => isObstacle(way) ? way : undefined;
  return [
    variableReach("preload", facts, world, obstacle(ways.LD_PRELOAD)),
    variableReach("godebug", facts, world, obstacle(ways.GODEBUG)),
    bpf.state === "yes"
      ? { method: "bpf", reaches: true, reason: "the kernel makes its sockets" }
      : bpf.state === "no"
      ? { method: "bpf", reaches: false, reason: bpf.reason, remedy: bpf.needs }
      : { method: "bpf", reaches: false, reason: bpf.cause },
  ];
}

/**
 * Tells what `enable` would find and do for a unit; changes nothing.
 *
 * @param request with one unit
 *
 * @throws {UsageError} for what is no name of a unit
 * @throws {NotFoundError} when there is no such unit
 * @throws {MptcpizeError} of a class that tells why it cannot carry a drop-in at all, or why systemd cannot be
 * asked
 */
export async function explainUnit(
  request: Omit<EnableRequest, "units" | "now"> & { readonly unit: string },
  world: UnitWorld,
): Promise<UnitExplanation> {
  const facts = await readUnit(world.manager, request.unit);
  const { name, properties } = facts;
  const files = [name.name, templateOf(name) ?? []].flat()
    .flatMap((unit) => findDropIns(world.folders, unit));
  let plan: UnitPlan | undefined;
  let refused: MptcpizeError | undefined;
  try {
    const units = [request.unit];
    plan = await planRead({ ...request, units }, world, () => Promise.resolve(facts));
  } catch (error) {
    if (!(error instanceof MptcpizeError)) throw error;
    refused = error;
  }
  const enabled = files.flatMap(({ path, dropIn }) =>
    dropIn === undefined ? [] : [{ method: dropIn.method, file: path }]
  );
  const own = files.find(({ unit }) => unit === name.name)?.dropIn;
  const reaches: UnitReach[] = name.type === "service"
    ? serviceReaches(facts, choiceFactsOf(world, request, own))
    : [{
      method: "socket",
      ...(refused === undefined
        ? {
          reaches: true,
          reason: `systemd makes its listeners: ${tcpListeners(properties).join(", ")}`,
        }
        : { reaches: false, reason: refused.state }),
    }];
  return { unit: name.name, programs: facts.programs, reaches, enabled, plan, refused };
}
