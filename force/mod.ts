/**
 * What is to be forced, by which method, and how is it done?
 *
 * @module
 */

export { enterCommandCgroup, spawnCommand, startCommand } from "./apply.ts";
export {
  attach,
  type Attachment,
  type AttachPlan,
  type AttachRequest,
  detach,
  type DetachPlan,
  planAttach,
  planDetach,
  type PlannedTarget,
} from "./attach.ts";
export { type BootTarget, type PersistentTarget } from "./attach_units.ts";
export { type MatchedTarget } from "./match_targets.ts";
export { type FileChange, Persistence, type PersistPlan } from "./persist.ts";
export { type Dependents, listDependents } from "./dependents.ts";
export { listPersistentTargets } from "./persistent_targets.ts";
export { type RunCgroup } from "./run_cgroup.ts";
export { type NamedTarget, type TargetWords } from "./targets.ts";
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
  type RestartedUnit,
  type UnitOutcome,
} from "./unit_apply.ts";
export { UNIT_METHODS, type UnitMethod } from "./unit_choice.ts";
export { type UnitVariable } from "./unit_environment.ts";
export { type EnabledInstance, type EnabledUnit, listEnabledUnits } from "./unit_list.ts";
export { type DisableRequest, planDisable } from "./unit_disable.ts";
export {
  type ComingInstallation,
  type EnableRequest,
  hasInstallation,
  planEnable,
} from "./unit_enable.ts";
export { explainUnit, type UnitExplanation, type UnitReach } from "./unit_explain.ts";
export {
  openUnitWorld,
  type PlannedUnit,
  type UnitAction,
  type UnitExpectation,
  type UnitPlan,
  type UnitWorld,
} from "./unit_plan.ts";
export { type UnitProgram } from "./unit_programs.ts";
export { checkMayChange } from "./unit_read.ts";
export { readUnitSockets } from "./unit_restart.ts";
export { type UnitSocket } from "./unit_sockets.ts";
export { type Child, type ChildEnd, readIgnoredSignals } from "../ffi/child.ts";
