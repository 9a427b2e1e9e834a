/**
 * What does systemd say about a unit, and how is a drop-in of ours put beside it?
 *
 * Knows nothing of Multipath TCP.
 *
 * @module
 */

export {
  assignmentsOf,
  DROP_IN_NAME,
  type DropIn,
  environmentSetting,
  LATE_DROP_IN_NAME,
  parseDropIn,
  renderDropIn,
} from "./drop_in.ts";
export {
  type DropInFile,
  type DropInFolders,
  dropInFolders,
  dropInPath,
  findDropIns,
  hasLeftovers,
  listDropIns,
  lockDropIns,
  removeDropIn,
  type Step as DropInStep,
  writeDropIn,
} from "./drop_in_files.ts";
export { parseEnvironmentFile } from "./environment_file.ts";
export {
  type Answer,
  controlGroupOf,
  type ManagerScope,
  openManager,
  SOCKET_PROTOCOL_SINCE,
  type StartProgram,
  UnitManager,
  untrusted,
} from "./manager.ts";
export {
  type EnvironmentFileEntry,
  environmentFiles,
  hidingSetting,
  lastValue,
  noExecSetting,
  unsettingSetting,
} from "./obstacles.ts";
export { type ExecCommand, parseProperties, UnitProperties } from "./properties.ts";
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
