/**
 * How does the kernel force the programs of a cgroup to MPTCP, whatever they are?
 *
 * @module
 */

export { attachTargets, detachTargets } from "./attach.ts";
export { probeBpf, readBpfState, tryToLoad } from "./state.ts";
export type {
  AttachOptions,
  AttachResult,
  BpfState,
  DetachResult,
  LoadedMap,
  LoadedProgram,
  Target,
  TargetSpec,
} from "./types.ts";
