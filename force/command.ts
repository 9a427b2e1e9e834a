/**
 * Forcing one command: read what is there, choose, and give a plan as plain data; then start it.
 *
 * @module
 */

import { probeBpf } from "../bpf/mod.ts";
import { NotPermittedError, NotSupportedError, UsageError } from "../errors.ts";
import { type Feature, probeMptcp } from "../features/mod.ts";
import {
  encodeByteString,
  type Environment,
  findLibrary,
  forceEnvironment,
  getVariable,
  isLibraryMachine,
  type LibraryPlace,
} from "../preload/mod.ts";
import { findPatcher, type PatchStart } from "../patch/mod.ts";
import { findCommand, imageOf, type Program } from "../program/mod.ts";
import {
  type Choice,
  type ChoiceFacts,
  chooseMethod,
  type Method,
  METHODS,
  refusalReason,
  waysToReach,
} from "./choose.ts";
import { makesNewEnvironment, programNotes } from "./notes.ts";
import { type PatchSite, readPatchSites } from "./patch_sites.ts";
import { planRunCgroup, type RunCgroup } from "./run_cgroup.ts";

/** What the caller wants to start. */
export interface CommandRequest {
  /** The command and its arguments, in bytes: they need not be UTF-8. */
  readonly words: readonly Uint8Array[];
  /** The environment to start from. */
  readonly environment: Environment;
  /** A method to insist on; `auto` takes the one that reaches the program, or refuses. */
  readonly method?: Method | "auto";
  /** Whether `auto` may patch what nothing else reaches. */
  readonly allowPatch?: boolean;
  /** Whether the preload library and the patcher name what they do on stderr. */
  readonly debug?: boolean;
  /**
   * Whether the preload library leaves socket options alone, and a program that cannot be patched is not
   * started.
   */
  readonly strict?: boolean;
  /** Whether its sockets are written down for a report. */
  readonly report?: boolean;
  /** The soft limit of open files that the command is to have; undefined leaves it as it is. */
  readonly openFilesLimit?: number | undefined;
  /** Whether the command is to find SIGPIPE ignored; else at its default. */
  readonly ignoreSigpipe?: boolean;
  /** With `report`: the signals that it is to find ignored, as bits of a mask; those that are, by default. */
  readonly ignoredSignals?: bigint;
}

/** What is known about a command, without the decision to start it. */
export interface CommandFacts {
  /** The file that was found. */
  readonly program: Program;
  /** The file that the kernel loads in the end: behind scripts, their interpreter. */
  readonly image: Program;
  /** The method that reaches it, and why each does or does not. */
  readonly choice: Choice;
  /** The places of its code that patching would replace; undefined where nobody looked. */
  readonly sites: readonly PatchSite[] | undefined;
  /** Whether the kernel makes MPTCP sockets here. */
  readonly mptcp: Feature;
  /** Sentences worth knowing, without a final period. */
  readonly notes: readonly string[];
}

/** A variable that the plan sets. */
export interface VariableChange {
  /** Such as `LD_PRELOAD`. */
  readonly name: string;
  /** As a byte string; undefined if it was not set. */
  readonly before: string | undefined;
  /** As a byte string. */
  readonly after: string;
}

/** All that will happen, as plain data: what `--dry-run` prints. */
export interface CommandPlan extends CommandFacts {
  /** The method taken: what was insisted on, or what reaches the program. */
  readonly method: Method;
  /** The file to execute. */
  readonly path: Uint8Array;
  /** The command and its arguments, as asked for. */
  readonly words: readonly Uint8Array[];
  /** The library's place; undefined where the method does not need it. */
  readonly library: LibraryPlace | undefined;
  /** The place of the library that reports; undefined where it is not asked for, or not needed. */
  readonly reportLibrary: LibraryPlace | undefined;
  /** How the program is patched, and by which file; undefined where it is not. */
  readonly patch: PatchStart | undefined;
  /** The cgroup of its own that the program gets, and is forced in; undefined where it gets none. */
  readonly cgroup: (RunCgroup & { readonly strict: boolean }) | undefined;
  /** The whole environment that the command gets. */
  readonly environment: Environment;
  /** What of the environment is set. */
  readonly changes: readonly VariableChange[];
  /** What the user is to know before it starts, as sentences without a final period. */
  readonly warnings: readonly string[];
  /** The soft limit of open files that the command gets; undefined leaves it as it is. */
  readonly openFilesLimit: number | undefined;
  /** Whether the command finds SIGPIPE ignored. */
  readonly ignoreSigpipe: boolean;
  /** The signals that a reported command finds ignored. */
  readonly ignoredSignals: bigint | undefined;
}

const encoder = new TextEncoder();

/** The names that a plan may set. */
const VARIABLES = ["LD_PRELOAD", "GODEBUG", "MPTCPIZE_DEBUG", "MPTCPIZE_STRICT"];

/**
 * Finds and reads a command and chooses its method; changes nothing.
 *
 * @param looks whether to look for what patching would replace
 * @param tries whether to try the BPF program even where the choice does not depend on it
 */
function readCommand(
  request: CommandRequest,
  { looks, tries }: { readonly looks: boolean; readonly tries: boolean },
): CommandFacts & { path: Uint8Array } {
  const { environment } = request;
  const command = firstWord(request);
  const searched = getVariable(environment, "PATH");
  const { program, bytes } = findCommand(
    command,
    searched === undefined ? undefined : encodeByteString(searched),
  );
  const image = imageOf(program);
  let facts: ChoiceFacts = {
    program: image,
    uid: Deno.uid() ?? 0,
    gid: Deno.gid() ?? 0,
    hasLibrary: isLibraryMachine,
    machine: Deno.build.arch,
    allowPatch: request.allowPatch === true || request.method === "patch",
  };
  let choice = chooseMethod(facts);
  let sites: readonly PatchSite[] | undefined;
  // To try and to look takes time, so it is done only where the answer counts.
  const { method } = choice;
  if (tries || request.method === "bpf" || method === undefined || method === "patch") {
    facts = { ...facts, bpf: probeBpf() };
    choice = chooseMethod(facts);
  }
  if (looks && choice.reaches.some(({ method, reaches }) => method === "patch" && reaches)) {
    sites = readPatchSites(image, image === program ? bytes : image.path);
    choice = chooseMethod({ ...facts, sites: sites.length });
  }
  return {
    program,
    image,
    choice,
    sites,
    mptcp: probeMptcp(),
    notes: programNotes(program),
    path: bytes,
  };
}

/** The machine whose library a command needs; this machine's where the file does not tell. */
function libraryMachine(image: Program) {
  const machine = image.elf?.machine ?? Deno.build.arch;
  return isLibraryMachine(machine) ? machine : Deno.build.arch;
}

/**
 * Reads what a command is, and how it can be forced; changes nothing.
 *
 * @throws {NotFoundError} when there is no such command
 * @throws {NotPermittedError} when it is there and cannot be executed
 * @throws {FormatError} when its file makes no sense
 */
export function explainCommand(request: CommandRequest): CommandFacts {
  return readCommand(request, { looks: true, tries: true });
}

function firstWord(request: CommandRequest): Uint8Array {
  const command = request.words[0];
  if (command === undefined) {
    throw new UsageError("Cannot run a command: none is given", {
      hint: "`mptcpize run curl https://example.org/`",
    });
  }
  return command;
}

/**
 * Plans how a command is started and forced; changes nothing.
 *
 * @example
 * ```ts
 * import { planCommand } from "./mod.ts";
 * const words = ["sh", "-c", "true"].map((word) => new TextEncoder().encode(word));
 * const plan = await planCommand({ words, environment: ["PATH=/usr/bin:/bin"] });
 * console.assert(plan.method === "preload");
 * ```
 *
 * @throws {UsageError} when no command is given
 * @throws {NotFoundError} when there is no such command
 * @throws {NotPermittedError} when it is there and cannot be executed, or `bpf` was insisted on and takes
 * root
 * @throws {NotSupportedError} when no method reaches it and none was insisted on, when `bpf` was and this
 * kernel cannot do it, or when the library has no safe place
 * @throws {FormatError} when its file makes no sense to the kernel either
 */
export async function planCommand(request: CommandRequest): Promise<CommandPlan> {
  const { environment, debug = false, strict = false, allowPatch = false } = request;
  const asked = request.method === "auto" ? undefined : request.method;
  const looks = asked === undefined && allowPatch;
  const { path, ...facts } = readCommand(request, { looks, tries: false });
  const method = asked ?? facts.choice.method;
  if (method === undefined) {
    throw new NotSupportedError(
      `Cannot force ${facts.program.path}: ${refusalReason(facts.choice, facts.image)}`,
      { hint: waysToReach(facts.choice, facts.image, Deno.uid() ?? 0) },
    );
  }
  if (method === "bpf") checkBpf(facts);
  const patches = facts.choice.reaches.some((reach) => reach.method === "patch" && reach.reaches);
  if (method === "patch" && strict && !patches) {
    const reason = facts.choice.reaches.find((reach) => reach.method === "patch")?.reason;
    throw new NotSupportedError(`Cannot patch ${facts.program.path}: ${reason}`, {
      hint: "without `--strict` it runs as TCP",
    });
  }
  // What the command starts may need either, so both are set unless one was asked for. Not where the kernel
  // does it for the whole cgroup: it would undo what the library does when it goes back to TCP.
  const methods: readonly Method[] = asked === undefined && method !== "bpf" ? METHODS : [method];
  const user = {
    uid: Deno.uid() ?? 0,
    cacheHome: getVariable(environment, "XDG_CACHE_HOME"),
    home: getVariable(environment, "HOME"),
  };
  const machine = libraryMachine(facts.image);
  const library = methods.includes("preload") ? await findLibrary(machine, user) : undefined;
  const reportLibrary = library !== undefined && request.report
    ? await findLibrary(machine, user, "libmptcpize-report.so")
    : undefined;
  const forced = forceEnvironment(environment, {
    library: library?.path,
    report: reportLibrary?.path,
    godebug: methods.includes("godebug"),
    debug,
    strict,
  });
  const changes = VARIABLES.flatMap((name): VariableChange[] => {
    const before = getVariable(environment, name);
    const after = getVariable(forced, name);
    return after === undefined || after === before ? [] : [{ name, before, after }];
  });
  return {
    ...facts,
    method,
    path,
    words: request.words,
    library,
    reportLibrary,
    patch: method === "patch" && patches
      ? {
        patcher: findPatcher(),
        image: facts.image === facts.program ? path : encoder.encode(facts.image.path),
        path,
        words: request.words,
        debug,
        strict,
      }
      : undefined,
    cgroup: method === "bpf" ? { ...planRunCgroup(), strict } : undefined,
    environment: forced,
    changes,
    warnings: planWarnings(facts, method),
    openFilesLimit: request.openFilesLimit,
    ignoreSigpipe: request.ignoreSigpipe ?? false,
    ignoredSignals: request.ignoredSignals,
  };
}

/** Refuses what the kernel would not do: the command would run as TCP, and nobody would know. */
function checkBpf({ program, choice }: CommandFacts): void {
  const reach = choice.reaches.find(({ method }) => method === "bpf");
  if (reach?.reaches) return;
  const message = `Cannot force ${program.path} by BPF: ${reach?.reason}`;
  const other = choice.reaches.find(({ method, reaches }) => reaches && method !== "patch");
  const hint = other === undefined
    ? waysToReach(choice, program)
    : `\`--method ${other.method}\` reaches it`;
  if (Deno.uid() === 0) throw new NotSupportedError(message, { hint });
  throw new NotPermittedError(message, {
    hint: "run it as root: `sudo mptcpize run --method bpf …`",
    capability: "CAP_BPF",
  });
}

function planWarnings(facts: CommandFacts, method: Method): string[] {
  const warnings = [];
  if (facts.mptcp.state === "no") {
    warnings.push(`${facts.mptcp.reason}: ${facts.program.path} runs as TCP`);
  }
  const reach = facts.choice.reaches.find((reach) => reach.method === method);
  if (reach !== undefined && !reach.reaches) {
    warnings.push(`${facts.program.path} stays TCP: ${reach.reason}`);
  }
  const cleared = makesNewEnvironment(facts.program);
  if (cleared !== undefined) warnings.push(cleared);
  return warnings;
}
