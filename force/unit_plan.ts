/**
 * Forcing units of systemd as a plan: drop-ins beside unit files that stay as they are, as plain data.
 *
 * @module
 */

import { ConflictError, MptcpizeError, NotFoundError, NotSupportedError } from "../errors.ts";
import { probeBpf } from "../bpf/mod.ts";
import { type Feature, probeMptcp } from "../features/mod.ts";
import { findInstalledLibrary, isLibraryMachine } from "../preload/mod.ts";
import {
  type DropInFile,
  type DropInFolders,
  dropInFolders,
  dropInPath,
  environmentSetting,
  findDropIns,
  hasLeftovers,
  LATE_DROP_IN_NAME,
  type ManagerScope,
  openManager,
  parseUnitName,
  renderDropIn,
  type UnitManager,
} from "../systemd/mod.ts";
import manifest from "../deno.json" with { type: "json" };
import { attachAtStart } from "./attach_units.ts";
import { findInstalled } from "./installed.ts";
import { programNotes } from "./notes.ts";
import {
  chooseUnitMethod,
  type UnitMethod,
  type UnitObstacle,
  type UnitVariable,
} from "./unit_choice.ts";
import {
  askableName,
  isRunning,
  otherListeners,
  readUnit,
  runningInstances,
  tcpListeners,
  UNIT_PROPERTIES,
  type UnitFacts,
} from "./unit_read.ts";

/** What systemd must say of a unit afterwards. */
export interface UnitExpectation {
  /** The unit to ask about; of a template, a sample instance. */
  readonly unit: string;
  /** Such as `Environment`. */
  readonly property: string;
  /** A member of it, or a part of a command line, that must be there. */
  readonly has?: string;
  /** A member that must not be there. */
  readonly lacks?: string;
}

/** One change, in the order of the plan. */
export type UnitAction =
  | {
    readonly kind: "write";
    readonly path: string;
    readonly text: string;
    readonly before?: string;
  }
  | { readonly kind: "remove"; readonly path: string; readonly before?: string }
  | { readonly kind: "reload" }
  | { readonly kind: "expect"; readonly expectation: UnitExpectation }
  /** `first` is stopped before and started after it: a socket cannot be made anew below its service. */
  | { readonly kind: "restart"; readonly unit: string; readonly first?: string };

/** What is planned for one unit. */
export interface PlannedUnit {
  /** Its name, an alias followed. */
  readonly unit: string;
  /** How it is forced. */
  readonly method: UnitMethod;
  /** The drop-in. */
  readonly file: string;
  /** Its text; undefined where it is removed. */
  readonly text: string | undefined;
  /** What the drop-in sets in the environment. */
  readonly variables: readonly UnitVariable[];
  /** Whether it is as it is to be already. */
  readonly done: boolean;
  /** The units of it that run, and that this is in force for after their next start. */
  readonly running: readonly string[];
  /** What the user is to know, as sentences without a final period. */
  readonly warnings: readonly string[];
  /** What is worth knowing about its programs. */
  readonly notes: readonly string[];
}

/** All that will happen. */
export interface UnitPlan {
  /** Whose units. */
  readonly scope: ManagerScope;
  /** `enable` or `disable`. */
  readonly verb: "enable" | "disable";
  /** Where drop-ins lie. */
  readonly folders: DropInFolders;
  /** One for each unit that was asked for, or that belongs to one. */
  readonly units: readonly PlannedUnit[];
  /** What is done, in this order; empty when all is done already. */
  readonly actions: readonly UnitAction[];
  /** Whether the kernel makes MPTCP sockets here. */
  readonly mptcp: Feature;
}

/** What the user asks for. */
export interface EnableRequest {
  /** Units as the user names them. */
  readonly units: readonly string[];
  /** Whether they are those of the user who calls. */
  readonly user?: boolean;
  /** A method to insist on; `auto` takes what reaches the unit, or refuses. */
  readonly method?: "auto" | "preload" | "godebug" | "bpf";
  /** Whether the change is gone with the next boot. */
  readonly runtime?: boolean;
  /** Whether units that run are restarted. */
  readonly now?: boolean;
  /** Whether the sockets that start a service are enabled together with it. */
  readonly withSockets?: boolean;
  /** The folders of installations, the best first. */
  readonly installations: readonly string[];
}

/** Where a plan is made; tests give one of their own. */
export interface UnitWorld {
  /** Who is asked. */
  readonly manager: UnitManager;
  /** Where drop-ins lie. */
  readonly folders: DropInFolders;
  /** Whether the kernel makes MPTCP sockets here. */
  readonly mptcp: Feature;
  /** Whose programs load the library; root's may become anybody. */
  readonly uid: number;
  /** Whether BPF programs may choose the protocol here: tried when that counts. */
  readonly bpf: () => Feature;
}

const NO_BPF_FOR_USERS: Feature = {
  state: "no",
  reason: "the systemd of a user may not load BPF programs",
  needs: "`mptcpize attach` as root reaches the services of a user",
};

/**
 * This machine.
 *
 * @throws {NotSupportedError} when systemd does not run
 */
export function openUnitWorld(scope: ManagerScope): UnitWorld {
  const uid = scope === "system" ? 0 : Deno.uid() ?? 0;
  return {
    manager: openManager(scope),
    folders: dropInFolders(scope),
    mptcp: probeMptcp(),
    uid,
    bpf: scope === "user" ? () => NO_BPF_FOR_USERS : probeBpf,
  };
}

/** A drop-in of ours that is there, unless it is not of ours. */
function ownDropIn(files: readonly DropInFile[], verb: string): DropInFile | undefined {
  const foreign = files.find(({ dropIn }) => dropIn === undefined);
  if (foreign !== undefined) {
    throw new ConflictError(
      `Cannot ${verb} MPTCP for ${foreign.unit}: ${foreign.path} was not written by mptcpize`,
      { hint: "move it away, if it is not needed" },
    );
  }
  return files[0];
}

/** Whether a drop-in behind the usual name of ours sets what ours sets: then ours goes behind it. */
function needsLateName(facts: UnitFacts, settings: readonly string[]): boolean {
  const names = new Set(settings.map((setting) => setting.split("=")[0]!));
  return facts.properties.words("DropInPaths").some((path) => {
    const name = path.slice(path.lastIndexOf("/") + 1);
    if (name <= "90-mptcpize.conf" || name === LATE_DROP_IN_NAME) return false;
    try {
      return Deno.readTextFileSync(path).split("\n")
        .some((line) => names.has(/^\s*(\w+)\s*=/.exec(line)?.[1] ?? ""));
    } catch {
      return false;
    }
  });
}

interface Planned {
  readonly unit: PlannedUnit;
  readonly actions: readonly UnitAction[];
  readonly expectations: readonly UnitExpectation[];
  /** Whether systemd has read what is not there any more. */
  readonly reload?: boolean;
}

/** The drop-in of a unit, with what must be true of it afterwards. */
function planDropIn(
  world: UnitWorld,
  request: EnableRequest,
  facts: UnitFacts,
  chosen: {
    readonly method: UnitMethod;
    readonly settings: readonly string[];
    readonly variables: readonly UnitVariable[];
    readonly warnings: readonly string[];
    readonly expectations: readonly Omit<UnitExpectation, "unit">[];
  },
  existing: DropInFile | undefined,
): Planned {
  const { name } = facts;
  const { method, settings, variables } = chosen;
  const text = renderDropIn({
    version: manifest.version,
    unit: name.name,
    method,
    undo: `mptcpize disable ${request.user ? "--user " : ""}${name.name}`,
    section: name.type === "socket" ? "Socket" : "Service",
    settings,
    before: variables.flatMap(({ name, before }) =>
      before === undefined ? [] : [`${name}=${before}`]
    ),
  });
  const late = existing?.path.endsWith(LATE_DROP_IN_NAME) || needsLateName(facts, settings);
  const runtime = request.runtime ?? false;
  const file = dropInPath(world.folders, name.name, { runtime, late });
  const there = findDropIns(world.folders, name.name);
  const same = there.find(({ path }) => path === file);
  const before = same === undefined ? undefined : Deno.readTextFileSync(file);
  const unit = askableName(name);
  const expectations = [
    { unit, property: "DropInPaths", has: file },
    ...chosen.expectations.map((expectation) => ({ unit, ...expectation })),
  ];
  // One that lies elsewhere, such as in /run, would count beside it.
  const others = there.filter(({ path }) => path !== file);
  const done = before === text && others.length === 0 && !hasLeftovers(world.folders, name.name) &&
    expectations.every((expectation) => holds(facts.properties, expectation)) &&
    !facts.properties.isYes("NeedDaemonReload");
  const actions: UnitAction[] = [
    ...others.map(({ path }): UnitAction => ({
      kind: "remove",
      path,
      before: Deno.readTextFileSync(path),
    })),
    { kind: "write", path: file, text, ...(before === undefined ? {} : { before }) },
  ];
  const notes = facts.programs.flatMap(({ image }) =>
    image === undefined ? [] : programNotes(image)
  );
  return {
    unit: {
      unit: name.name,
      method,
      file,
      text,
      variables,
      done,
      running: facts.running,
      warnings: chosen.warnings,
      notes: [...new Set(notes)],
    },
    actions: done ? [] : actions,
    expectations: done ? [] : expectations,
  };
}

/** Whether properties say what is expected. */
export function holds(
  properties: {
    text(name: string): string;
    words(name: string): string[];
    lines(name: string): readonly string[];
  },
  { property, has, lacks }: Omit<UnitExpectation, "unit">,
): boolean {
  if (property.startsWith("Exec")) {
    return properties.lines(property).some((line) => line.includes(has ?? ""));
  }
  const words = properties.words(property);
  if (has !== undefined && !words.includes(has)) return false;
  return lacks === undefined || !words.includes(lacks);
}

/** The refusal of a unit as an error. */
function refusalError(unit: string, { state, remedy }: UnitObstacle): MptcpizeError {
  return new NotSupportedError(
    `Cannot enable MPTCP for ${unit}: ${state}`,
    remedy === "" ? {} : { hint: remedy },
  );
}

function planService(world: UnitWorld, request: EnableRequest, facts: UnitFacts): Planned {
  const { name } = facts;
  const existing = ownDropIn(findDropIns(world.folders, name.name), "enable");
  const choice = chooseUnitMethod(facts, request.method ?? "auto", {
    library: (machine) => {
      try {
        if (!isLibraryMachine(machine)) throw new Error(`there is no library for ${machine}`);
        return findInstalledLibrary(machine, request.installations, world.uid);
      } catch (error) {
        const hint = error instanceof MptcpizeError ? error.hint : undefined;
        return {
          state: `mptcpize is not installed, and units load its library at each start (${
            error instanceof Error ? error.message.replace(/^.*?: /, "") : error
          })`,
          remedy: hint ?? "",
        };
      }
    },
    hasLibrary: isLibraryMachine,
    machine: Deno.build.arch,
    bpf: world.bpf,
    dropIn: existing?.dropIn,
    isInRoot: (root, path) => {
      try {
        return Deno.statSync(root + path).isFile;
      } catch {
        return false;
      }
    },
  });
  if ("refused" in choice) throw refusalError(name.name, choice.refused);
  const { method, variables } = choice;
  if (method === "bpf") {
    const command = findInstalled();
    return planDropIn(world, request, facts, {
      ...choice,
      settings: [attachAtStart(command, false)],
      expectations: [{
        property: "ExecStartPre",
        has: `path=${command} ; argv[]=${command} attach`,
      }],
    }, existing);
  }
  const assignments = variables.map(({ name, after }) => `${name}=${after}`);
  return planDropIn(world, request, facts, {
    ...choice,
    settings: assignments.map(environmentSetting),
    expectations: assignments.map((has) => ({ property: "Environment", has })),
  }, existing);
}

function planSocket(world: UnitWorld, request: EnableRequest, facts: UnitFacts): Planned {
  const { name, properties } = facts;
  const cannot = (state: string) => `Cannot enable MPTCP for ${name.name}: ${state}`;
  const method = request.method ?? "auto";
  if (method !== "auto") {
    throw new NotSupportedError(
      cannot(`systemd makes its listeners itself, so that ${method} does not reach them`),
      { hint: `without --method, SocketProtocol=mptcp is set` },
    );
  }
  if (tcpListeners(properties).length === 0) {
    throw new NotSupportedError(cannot("it has no TCP listener"), {
      hint: `\`systemctl cat ${name.name}\` shows what it listens on`,
    });
  }
  const [other] = otherListeners(properties);
  if (other !== undefined) {
    throw new NotSupportedError(
      cannot(
        `it listens on ${other} too, for which there is no MPTCP, and has one protocol for all`,
      ),
      { hint: "put its TCP listeners into a socket unit of their own" },
    );
  }
  const protocol = properties.text("SocketProtocol");
  const existing = ownDropIn(findDropIns(world.folders, name.name), "enable");
  const MPTCP = "262";
  if (!["", "0", "6", MPTCP].includes(protocol)) {
    throw new ConflictError(cannot(`it has another protocol (SocketProtocol ${protocol})`), {});
  }
  if (existing === undefined && protocol === MPTCP) {
    throw new ConflictError(cannot("its unit file has SocketProtocol=mptcp already"), {
      hint: "nothing is to be done for it",
    });
  }
  const { mptcp } = world;
  if (mptcp.state === "no") {
    throw new NotSupportedError(cannot(`${mptcp.reason}, and it would not start any more`), {
      hint: mptcp.needs,
    });
  }
  return planDropIn(world, request, facts, {
    method: "socket",
    settings: ["SocketProtocol=mptcp"],
    variables: [],
    warnings: [
      `${name.name} does not start where MPTCP is off: keep net.mptcp.enabled at 1`,
    ],
    expectations: [{ property: "SocketProtocol", has: MPTCP }],
  }, existing);
}

/** Refuses, or leads to, the sockets that start a service; gives those to be enabled with it. */
function socketsOf(
  request: EnableRequest,
  facts: UnitFacts,
): { units: string[]; warning?: string } {
  const units = facts.sockets.filter(({ properties }) =>
    properties.text("SocketProtocol") !== "262"
  )
    .map(({ unit }) => unit);
  if (units.length === 0 || request.withSockets) return { units };
  const { name } = facts.name;
  const state = `its listeners are made by systemd (${units.join(", ")})`;
  const wanted = units.filter((unit) =>
    !request.units.some((word) => parseUnitName(word).name === unit)
  );
  if (wanted.length === 0) return { units: [] };
  if ((request.method ?? "auto") !== "auto") {
    return {
      units: [],
      warning: `${state}, and stay TCP: \`mptcpize enable ${wanted.join(" ")}\``,
    };
  }
  throw new ConflictError(
    `Cannot enable MPTCP for ${name}: ${state}, out of its own reach`,
    {
      hint: `\`mptcpize enable --with-sockets ${name}\` does both, \`mptcpize enable ${
        wanted.join(" ")
      }\` the listeners alone`,
    },
  );
}

/** How a unit comes to run with its drop-in. */
async function planRestarts(
  world: UnitWorld,
  facts: UnitFacts,
  skipped: ReadonlySet<string>,
): Promise<UnitAction[]> {
  if (facts.name.type === "service") {
    return facts.running.filter((unit) => !skipped.has(unit))
      .map((unit) => ({ kind: "restart", unit }));
  }
  const actions: UnitAction[] = [];
  for (const unit of facts.running) {
    const accepts = facts.properties.isYes("Accept");
    const [service] = facts.properties.words("Triggers");
    const active = !accepts && service !== undefined &&
      isRunning(await world.manager.show(service, ["ActiveState"]));
    actions.push({ kind: "restart", unit, ...(active ? { first: service } : {}) });
  }
  return actions;
}

/**
 * Plans how units are forced; changes nothing.
 *
 * @throws {UsageError} for what is no name of a unit
 * @throws {NotFoundError} when there is no such unit
 * @throws {NotSupportedError} when nothing reaches it, with the remedy; or when systemd does not run
 * @throws {ConflictError} when it is masked, or something of others is in the way
 */
export async function planEnable(request: EnableRequest, world: UnitWorld): Promise<UnitPlan> {
  const planned = new Map<string, { readonly facts: UnitFacts; readonly plan: Planned }>();
  const add = async (word: string): Promise<void> => {
    const facts = await readUnit(world.manager, word);
    if (planned.has(facts.name.name)) return;
    if (facts.name.type === "socket") {
      planned.set(facts.name.name, { facts, plan: planSocket(world, request, facts) });
      return;
    }
    const { units, warning } = socketsOf(request, facts);
    const plan = planService(world, request, facts);
    const warnings = [...plan.unit.warnings, ...(warning === undefined ? [] : [warning])];
    planned.set(facts.name.name, { facts, plan: { ...plan, unit: { ...plan.unit, warnings } } });
    const socketRequest: EnableRequest = { ...request, method: "auto" };
    for (const unit of units) {
      const socket = await readUnit(world.manager, unit);
      if (planned.has(unit)) continue;
      planned.set(unit, { facts: socket, plan: planSocket(world, socketRequest, socket) });
    }
  };
  for (const word of request.units) await add(word);
  return await assemble("enable", world, [...planned.values()], request.now ?? false);
}

async function assemble(
  verb: UnitPlan["verb"],
  world: UnitWorld,
  planned: readonly { readonly facts: UnitFacts; readonly plan: Planned }[],
  now: boolean,
): Promise<UnitPlan> {
  const changes = planned.flatMap(({ plan }) => plan.actions);
  const actions: UnitAction[] = [...changes];
  if (changes.length > 0 || planned.some(({ plan }) => plan.reload)) {
    actions.push({ kind: "reload" });
  }
  for (const { plan } of planned) {
    for (const expectation of plan.expectations) actions.push({ kind: "expect", expectation });
  }
  if (now) {
    // A service is restarted together with its socket, once.
    const restarts: UnitAction[] = [];
    const together = new Set<string>();
    const sockets = planned.filter(({ facts }) => facts.name.type === "socket");
    for (const { facts } of [...sockets, ...planned.filter((plan) => !sockets.includes(plan))]) {
      for (const action of await planRestarts(world, facts, together)) {
        if (action.kind === "restart" && action.first !== undefined) together.add(action.first);
        restarts.push(action);
      }
    }
    actions.push(...restarts);
  }
  return {
    scope: world.manager.scope,
    verb,
    folders: world.folders,
    units: planned.map(({ plan }) => plan.unit),
    actions,
    mptcp: world.mptcp,
  };
}

/** What the user wants to end. */
export interface DisableRequest {
  /** Units as the user names them. */
  readonly units: readonly string[];
  /** Whether they are those of the user who calls. */
  readonly user?: boolean;
  /** Whether units that run are restarted. */
  readonly now?: boolean;
}

/**
 * Plans how units are left alone again; changes nothing. A unit that is not enabled is no error.
 *
 * @throws {UsageError} for what is no name of a unit
 * @throws {NotFoundError} when there is neither such a unit nor a drop-in of ours for it
 * @throws {ConflictError} when a file under the name of ours was written by others
 */
export async function planDisable(request: DisableRequest, world: UnitWorld): Promise<UnitPlan> {
  const planned: { facts: UnitFacts; plan: Planned }[] = [];
  for (const word of request.units) {
    const asked = parseUnitName(word);
    const properties = await world.manager.show(askableName(asked), UNIT_PROPERTIES);
    const template = asked.instance === "";
    const id = properties.text("Id");
    // The drop-in of a unit that is gone lies under its own name.
    const own = findDropIns(world.folders, asked.name);
    const name = template || own.length > 0 || id === "" ? asked : parseUnitName(id);
    const files = own.length > 0 ? own : findDropIns(world.folders, name.name);
    const existing = ownDropIn(files, "disable");
    const leftovers = hasLeftovers(world.folders, name.name);
    if (existing === undefined && !leftovers && properties.text("LoadState") === "not-found") {
      throw new NotFoundError(`Cannot disable MPTCP for ${name.name}: there is no such unit`, {
        tried: [name.name],
        hint: "`mptcpize status` lists what is enabled",
      });
    }
    const path = existing?.path ?? dropInPath(world.folders, name.name);
    // Killed behind the removal: systemd has it in its memory still.
    const gone = files.length > 0
      ? []
      : properties.words("DropInPaths").filter((path) =>
        [false, true].some((runtime) =>
          [false, true].some((late) =>
            path === dropInPath(world.folders, name.name, { runtime, late })
          )
        )
      );
    const isThere = existing !== undefined || gone.length > 0;
    const running = !isThere
      ? []
      : template
      ? await runningInstances(world.manager, name)
      : isRunning(properties)
      ? [name.name]
      : [];
    const facts: UnitFacts = {
      name,
      properties,
      running,
      programs: [],
      environmentFiles: [],
      managerEnvironment: [],
      sockets: [],
      uid: 0,
      gid: 0,
    };
    const actions = files.map(({ path }): UnitAction => ({
      kind: "remove",
      path,
      before: Deno.readTextFileSync(path),
    }));
    if (actions.length === 0 && leftovers) actions.push({ kind: "remove", path });
    const loaded = properties.text("LoadState") === "loaded";
    planned.push({
      facts,
      plan: {
        unit: {
          unit: name.name,
          method: (existing?.dropIn?.method ?? "preload") as UnitMethod,
          file: path,
          text: undefined,
          variables: [],
          done: !isThere,
          running,
          warnings: [],
          notes: [],
        },
        actions,
        expectations: isThere && loaded
          ? [{ unit: askableName(name), property: "DropInPaths", lacks: path }]
          : [],
        reload: gone.length > 0,
      },
    });
  }
  return await assemble("disable", world, planned, request.now ?? false);
}
