/**
 * What does systemd say about a unit, and how is a drop-in of ours put beside it?
 *
 * Knows nothing of Multipath TCP.
 *
 * @module
 */

export {
  type Answer,
  controlGroupOf,
  type ManagerScope,
  openManager,
  type StartProgram,
  UnitManager,
  untrusted,
} from "./manager.ts";
export { type ExecCommand, UnitProperties } from "./properties.ts";
export {
  escapeUnitName,
  instanceOf,
  isTemplate,
  parseUnitName,
  templateOf,
  UNIT_TYPES,
  type UnitName,
  type UnitType,
} from "./unit_name.ts";
