/**
 * How is a static program made to ask for MPTCP? By its own code: a native program traces it for the
 * moment of its start and replaces the calls of socket(2) in its memory.
 *
 * @module
 */

export { holdsPatch, PATCH_PAGE_HEAD, PATCH_PAGE_SIZE } from "./page.ts";
export { findPatcher, patcherWords, type PatchStart } from "./patcher.ts";
export { type Code, findSites, type Site } from "./sites.ts";
