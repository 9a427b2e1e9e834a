/**
 * How does mptcpize come onto a machine as a program, and leave it again without a trace?
 *
 * @module
 */

export {
  applyInstall,
  type InstallFile,
  type InstallPlan,
  planInstall,
  type PlannedFile,
  settleInstall,
} from "./apply.ts";
export { type Content } from "./files.ts";
export { type Step } from "./journal.ts";
export { type Manifest, type ManifestFile } from "./manifest.ts";
export {
  checkManifestOwner,
  checkPlaces,
  findPlaces,
  type InstallPlaces,
  type PlaceRequest,
} from "./places.ts";
export { applyUninstall, planUninstall, type UninstallPlan } from "./remove.ts";
export { collectFiles, fillLauncher, type InstallTexts, ownFolder } from "./source.ts";
