/**
 * How is a dynamic or a Go program made to ask for MPTCP? By its environment: our library in
 * LD_PRELOAD, and a setting in GODEBUG.
 *
 * @module
 */

export {
  decodeByteString,
  displayByteString,
  encodeByteString,
  type Environment,
  type ForcedEnvironment,
  forceEnvironment,
  getVariable,
  mergeGodebug,
  mergePreload,
  parseNulTerminated,
  setVariable,
  toByteString,
} from "./environment.ts";
export { Ledger, type LedgerCounts, type LedgerSocket } from "./ledger.ts";
export {
  copyLibrary,
  findInstalledLibrary,
  findLibrary,
  isLibraryMachine,
  libraryIn,
  type LibraryMachine,
  type LibraryName,
  type LibraryPlace,
  type LibraryUser,
  unsafeToMake,
} from "./library.ts";
