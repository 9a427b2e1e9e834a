/**
 * How units are forced: their drop-ins, and what must be true of them afterwards.
 *
 * @module
 */

import { ConflictError, MptcpizeError, NotSupportedError } from "../errors.ts";
import { findInstalledLibrary, isLibraryMachine, libraryIn } from "../preload/mod.ts";
import {
  type DropIn,
  environmentSetting,
  findDropIns,
  type ManagerScope,
  parseDropIn,
  parseUnitName,
  SOCKET_PROTOCOL_SINCE,
} from "../systemd/mod.ts";
import { attachAtStart } from "./attach_units.ts";
import { findInstalled } from "./installed.ts";
import { makesNewEnvironment } from "./notes.ts";
import { chooseUnitMethod, type UnitChoiceFacts } from "./unit_choice.ts";
import { planDropIn } from "./unit_drop_in.ts";
import type { UnitObstacle } from "./unit_environment.ts";
import { readInstance } from "./unit_list.ts";
import { assemble, ownDropIn, type Planned, type UnitPlan, type UnitWorld } from "./unit_plan.ts";
import { otherListeners, readUnit, tcpListeners, type UnitFacts, userFlag } from "./unit_read.ts";

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
  /** An installation that is made before the plan is carried out; it counts as if it were there. */
  readonly toInstall?: ComingInstallation;
}

/** An installation that is not there yet. */
export interface ComingInstallation {
  /** Its folder, of which the library is loaded. */
  readonly folder: string;
  /** Its program. */
  readonly command: string;
}

/** Whether units find the library of one of some installations. */
export function hasInstallation(installations: readonly string[], user: boolean): boolean {
  try {
    if (!isLibraryMachine(Deno.build.arch)) return false;
    findInstalledLibrary(Deno.build.arch, installations, user ? Deno.uid() ?? 0 : 0);
    return true;
  } catch (error) {
    if (error instanceof NotSupportedError) return false;
    throw error;
  }
}

/** The refusal of a unit as an error. */
function refusalError(unit: string, { state, remedy }: UnitObstacle): MptcpizeError {
  return new NotSupportedError(
    `Cannot enable MPTCP for ${unit}: ${state}`,
    remedy === "" ? {} : { hint: remedy },
  );
}

/** That there is no installation, and how to get one; `error` has what was tried. */
function notInstalled(why: string, error: unknown, scope: ManagerScope): UnitObstacle {
  const tried = error instanceof Error ? error.message.replace(/^.*?: /, "") : String(error);
  const hint = error instanceof MptcpizeError ? error.hint : undefined;
  return {
    state: `mptcpize is not installed, and ${why} at each start (${tried})`,
    remedy: hint === undefined
      ? ""
      : `${hint}, or \`mptcpize enable ${userFlag(scope)}--install\` for both`,
    bars: "all",
  };
}

/** The program that systemd is to start, where BPF forces a unit. */
function commandFor(world: UnitWorld, { toInstall }: EnableRequest, unit: string): string {
  if (toInstall !== undefined) return toInstall.command;
  try {
    return findInstalled();
  } catch (error) {
    throw refusalError(
      unit,
      notInstalled("systemd attaches the unit by it", error, world.manager.scope),
    );
  }
}

/** What decides for a service on this machine, besides itself. */
export function choiceFactsOf(
  world: UnitWorld,
  { installations, toInstall }: Pick<EnableRequest, "installations" | "toInstall">,
  dropIn: DropIn | undefined,
): UnitChoiceFacts {
  return {
    library: (machine) => {
      if (toInstall !== undefined) return libraryIn(toInstall.folder, machine);
      try {
        if (!isLibraryMachine(machine)) throw new Error(`there is no library for ${machine}`);
        return findInstalledLibrary(machine, installations, world.uid);
      } catch (error) {
        return notInstalled("units load its library", error, world.manager.scope);
      }
    },
    hasLibrary: isLibraryMachine,
    machine: Deno.build.arch,
    bpf: world.bpf,
    dropIn,
    isInRoot: (root, path) => {
      try {
        return Deno.statSync(root + path).isFile;
      } catch {
        return false;
      }
    },
  };
}

function planService(world: UnitWorld, request: EnableRequest, facts: UnitFacts): Planned {
  const { name } = facts;
  const existing = ownDropIn(findDropIns(world.folders, name.name), "enable");
  const choice = chooseUnitMethod(
    facts,
    request.method ?? "auto",
    choiceFactsOf(world, request, existing?.dropIn),
  );
  if ("refused" in choice) throw refusalError(name.name, choice.refused);
  const { method, variables } = choice;
  if (method === "bpf") {
    const command = commandFor(world, request, name.name);
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
  const cleared = facts.programs.flatMap(({ image }) =>
    (image === undefined ? undefined : makesNewEnvironment(image)) ?? []
  );
  return planDropIn(world, request, facts, {
    ...choice,
    warnings: [...choice.warnings, ...cleared],
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
      hint: `\`${world.manager.command} cat ${name.name}\` shows what it listens on`,
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
      "it does not start where MPTCP is off: keep net.mptcp.enabled at 1",
      // Tried all the same: distributions take single changes into older versions.
      ...(facts.systemdVersion < SOCKET_PROTOCOL_SINCE
        ? [
          `SocketProtocol=mptcp came with systemd ${SOCKET_PROTOCOL_SINCE}, and this is ${facts.systemdVersion}: ` +
          "it is undone if it does not take effect",
        ]
        : []),
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
  const enable = `mptcpize enable ${userFlag(request.user ? "user" : "system")}`;
  if ((request.method ?? "auto") !== "auto") {
    return {
      units: [],
      warning: `${state}, and stay TCP: \`${enable}${wanted.join(" ")}\``,
    };
  }
  throw new ConflictError(
    `Cannot enable MPTCP for ${name}: ${state}, out of its own reach`,
    {
      hint: `\`${enable}--with-sockets ${name}\` does both, \`${enable}${
        wanted.join(" ")
      }\` the listeners alone`,
    },
  );
}

/** Leaves out what runs with a drop-in already that is as it is to be. */
async function withPending(world: UnitWorld, plan: Planned): Promise<Planned> {
  const dropIn = plan.unit.done ? parseDropIn(plan.unit.text ?? "") : undefined;
  if (dropIn === undefined) return plan;
  const running: string[] = [];
  for (const unit of plan.unit.running) {
    if ((await readInstance(world.manager, unit, dropIn)).pending !== false) running.push(unit);
  }
  return { ...plan, unit: { ...plan.unit, running } };
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
  return await planRead(request, world, (word) => readUnit(world.manager, word));
}

/** As {@linkcode planEnable}, of units as `read` gives them. */
export async function planRead(
  request: EnableRequest,
  world: UnitWorld,
  read: (word: string) => Promise<UnitFacts>,
): Promise<UnitPlan> {
  const planned = new Map<string, { readonly facts: UnitFacts; readonly plan: Planned }>();
  const add = async (facts: UnitFacts, plan: Planned): Promise<void> => {
    planned.set(facts.name.name, { facts, plan: await withPending(world, plan) });
  };
  for (const word of request.units) {
    const facts = await read(word);
    if (planned.has(facts.name.name)) continue;
    if (facts.name.type === "socket") {
      await add(facts, planSocket(world, request, facts));
      continue;
    }
    const { units, warning } = socketsOf(request, facts);
    const plan = planService(world, request, facts);
    const warnings = [...plan.unit.warnings, ...(warning === undefined ? [] : [warning])];
    await add(facts, { ...plan, unit: { ...plan.unit, warnings } });
    for (const unit of units.filter((unit) => !planned.has(unit))) {
      const socket = await readUnit(world.manager, unit);
      await add(socket, planSocket(world, { ...request, method: "auto" }, socket));
    }
  }
  return await assemble("enable", world, [...planned.values()], request.now ?? false);
}
