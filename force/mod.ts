/**
 * What is to be forced, by which method, and how is it done?
 *
 * @module
 */

export { startCommand } from "./apply.ts";
export { type Choice, type Method, METHODS, type Reach } from "./choose.ts";
export {
  type CommandFacts,
  type CommandPlan,
  type CommandRequest,
  explainCommand,
  planCommand,
  type VariableChange,
} from "./command.ts";
export { type PatchSite } from "./patch_sites.ts";
export {
  type ApplyUnitOptions,
  applyUnitPlan,
  readUnitSockets,
  type RestartedUnit,
  type UnitOutcome,
} from "./unit_apply.ts";
export { UNIT_METHODS, type UnitMethod, type UnitVariable } from "./unit_choice.ts";
export { type EnabledInstance, type EnabledUnit, listEnabledUnits } from "./unit_list.ts";
export {
  type DisableRequest,
  type EnableRequest,
  openUnitWorld,
  planDisable,
  planEnable,
  type PlannedUnit,
  type UnitAction,
  type UnitExpectation,
  type UnitPlan,
  type UnitWorld,
} from "./unit_plan.ts";
export { checkMayChange } from "./unit_read.ts";
export { type UnitSocket } from "./unit_sockets.ts";
