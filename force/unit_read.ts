/**
 * What is to be known about a unit before it is forced: what systemd says, the programs that it starts, and
 * their environment.
 *
 * @module
 */

import {
  ConflictError,
  MptcpizeError,
  NotFoundError,
  NotPermittedError,
  NotSupportedError,
} from "../errors.ts";
import {
  instanceOf,
  isTemplate,
  type ManagerScope,
  parseUnitName,
  type UnitManager,
  type UnitName,
  type UnitProperties,
} from "../systemd/mod.ts";
import {
  idsOf,
  passedEnvironment,
  type ReadEnvironmentFile,
  readEnvironmentFiles,
  readPrograms,
  type UnitProgram,
} from "./unit_programs.ts";

/** What systemctl is asked about a unit. */
export const UNIT_PROPERTIES: readonly string[] = [
  ...["Id", "LoadState", "LoadError", "ActiveState", "SubState", "Type", "Result", "MainPID"],
  ...["FragmentPath", "DropInPaths", "NeedDaemonReload", "Transient", "UnitFileState"],
  ...["ControlGroup", "ExecStart", "ExecStartEx", "ExecStartPre", "Environment"],
  ...["EnvironmentFiles", "UnsetEnvironment", "PassEnvironment", "User", "Group", "UID", "GID"],
  ...["DynamicUser", "RootDirectory", "RootImage", "RootDirectoryStartOnly", "ProtectHome"],
  ...["PrivateTmp"],
  ...["InaccessiblePaths", "ExecPaths", "NoExecPaths", "TemporaryFileSystem", "BindPaths"],
  ...["BindReadOnlyPaths", "NoNewPrivileges", "RestrictAddressFamilies", "PAMName"],
  ...["AppArmorProfile", "SELinuxContext", "TriggeredBy", "Triggers", "Listen"],
  ...["SocketProtocol", "Accept", "NRestarts"],
];

/** A socket unit that starts a service, with what it listens on. */
export interface TriggeringSocket {
  readonly unit: string;
  readonly properties: UnitProperties;
}

/** What there is to know about a unit. */
export interface UnitFacts {
  readonly name: UnitName;
  /** Those of the unit; of a template, those that an instance would have. */
  readonly properties: UnitProperties;
  /** The units of it that run: itself, or instances of a template. */
  readonly running: readonly string[];
  readonly programs: readonly UnitProgram[];
  readonly environmentFiles: readonly ReadEnvironmentFile[];
  /** The environment that the manager itself gives to services. */
  readonly managerEnvironment: readonly string[];
  /** Infinity where it cannot be told. */
  readonly systemdVersion: number;
  /** Socket units that are in force and give it TCP listeners. */
  readonly sockets: readonly TriggeringSocket[];
  readonly uid: number;
  readonly gid: number;
}

/** An instance that nobody has: to ask what a template would make. */
const SAMPLE_INSTANCES = ["mptcpize", "0"] as const;

const ACTIVE = ["active", "activating", "reloading", "refreshing"];

/** Whether a unit runs, or is about to. */
export function isRunning(properties: UnitProperties): boolean {
  return ACTIVE.includes(properties.text("ActiveState"));
}

/** The name under which a unit may be asked about: of a template, that of a sample instance. */
export function askableName(name: UnitName): string {
  return isTemplate(name) ? instanceOf(name, SAMPLE_INSTANCES[0]) : name.name;
}

/** Listeners that would be MPTCP: `ADDRESS:PORT (Stream)`. */
export function tcpListeners(properties: UnitProperties): string[] {
  return properties.lines("Listen").flatMap((line) => {
    const match = /^((?:\[[0-9a-f:.]+(?:%\w+)?\](?:%\w+)?|\d+(?:\.\d+){3}):\d+) \(Stream\)$/i
      .exec(line);
    return match?.[1] === undefined ? [] : [match[1]];
  });
}

/** Listeners for which there is no MPTCP: a socket unit has one protocol for all. */
export function otherListeners(properties: UnitProperties): string[] {
  const tcp = new Set(tcpListeners(properties));
  return properties.lines("Listen").filter((line) =>
    /\((Stream|Datagram|SequentialPacket)\)$/.test(line) &&
    !tcp.has(line.replace(/ \(Stream\)$/, ""))
  );
}

/** What stands before a unit where it may be a user's. */
export function userFlag(scope: ManagerScope): "--user " | "" {
  return scope === "user" ? "--user " : "";
}

/** Why a unit of a type that has no sockets of its own is refused. */
function wrongType({ name, type }: UnitName, scope: ManagerScope): MptcpizeError {
  // Names are those of the machine's units: one of a user is found by its path.
  const attach = scope === "system"
    ? `\`mptcpize attach ${name}\``
    : "as root, `mptcpize attach` with the path of its cgroup";
  const about: Record<string, readonly [string, string]> = {
    slice: ["a slice starts no program itself", `${attach} forces all that is in it`],
    scope: [
      "the processes of a scope are started by others",
      `${attach} forces what they open from now on`,
    ],
    timer: ["a timer starts another unit", "name the service that it starts"],
    path: ["a path unit starts another unit", "name the service that it starts"],
  };
  const [state, hint] = about[type] ??
    [`a ${type} unit starts no program that makes sockets`, "name a service or a socket"];
  return new NotSupportedError(`Cannot enable MPTCP for ${name}: ${state}`, { hint });
}

/** Why a unit cannot carry a drop-in, or undefined if it can. */
function unitRefusal(
  name: UnitName,
  properties: UnitProperties,
  { scope, command: systemctl }: UnitManager,
): MptcpizeError | undefined {
  const cannot = (state: string) => `Cannot enable MPTCP for ${name.name}: ${state}`;
  if (name.type !== "service" && name.type !== "socket") return wrongType(name, scope);
  switch (properties.text("LoadState")) {
    case "loaded":
      break;
    case "not-found":
      return new NotFoundError(cannot("there is no such unit"), {
        tried: [name.name],
        hint: `\`${systemctl} list-unit-files '*.${name.type}'\` lists those that there are`,
      });
    case "masked":
      return new ConflictError(cannot("it is masked, so that nothing can start it"), {
        hint: `\`${systemctl} unmask ${name.name}\``,
      });
    default: {
      const said = /"(.*)"$/.exec(properties.text("LoadError"))?.[1];
      return new ConflictError(
        cannot(`systemd cannot load it (${said ?? properties.text("LoadState")})`),
        { hint: `\`${systemctl} status ${name.name}\` tells more` },
      );
    }
  }
  if (properties.isYes("Transient")) {
    return new NotSupportedError(
      cannot("it is transient: it is gone when it stops, and a drop-in would have come too late"),
      { hint: `\`systemd-run ${userFlag(scope)}mptcpize run COMMAND\` starts another one` },
    );
  }
  return undefined;
}

async function readSockets(
  manager: UnitManager,
  properties: UnitProperties,
): Promise<TriggeringSocket[]> {
  const found: TriggeringSocket[] = [];
  for (const unit of properties.words("TriggeredBy").filter((unit) => unit.endsWith(".socket"))) {
    const socket = await manager.show(unit, UNIT_PROPERTIES);
    const inForce = isRunning(socket) || socket.text("UnitFileState").startsWith("enabled");
    if (inForce && tcpListeners(socket).length > 0) found.push({ unit, properties: socket });
  }
  return found;
}

/**
 * Reads what there is to know about a unit; changes nothing.
 *
 * @param word as the user wrote it; an alias is followed
 *
 * @throws {UsageError} for what is no name of a unit
 * @throws {MptcpizeError} of a class that tells why it cannot carry a drop-in
 */
export async function readUnit(manager: UnitManager, word: string): Promise<UnitFacts> {
  const asked = parseUnitName(word);
  const early = asked.type === "service" || asked.type === "socket"
    ? undefined
    : wrongType(asked, manager.scope);
  if (early !== undefined) throw early;
  const properties = await manager.show(askableName(asked), UNIT_PROPERTIES);
  const refusal = unitRefusal(asked, properties, manager);
  if (refusal !== undefined) throw refusal;
  const template = isTemplate(asked);
  const name = template ? asked : parseUnitName(properties.text("Id"));
  if (template) await checkSamples(manager, asked, properties);
  const running = template
    ? await runningInstances(manager, asked)
    : isRunning(properties)
    ? [name.name]
    : [];
  const ofManager = await manager.showManager(["Environment", "Version"]);
  const caller = manager.scope === "system"
    ? { uid: 0, gid: 0 }
    : { uid: Deno.uid() ?? 0, gid: Deno.gid() ?? 0 };
  return {
    name,
    properties,
    running,
    programs: readPrograms(properties),
    environmentFiles: readEnvironmentFiles(properties),
    managerEnvironment: [
      ...ofManager.words("Environment"),
      ...passedEnvironment(properties.words("PassEnvironment")),
    ],
    // Such as `252.39-1~deb12u1`.
    systemdVersion: Number(/^\d+/.exec(ofManager.text("Version"))?.[0] ?? Infinity),
    sockets: name.type === "service" ? await readSockets(manager, properties) : [],
    ...idsOf(properties, caller),
  };
}

/** The instances of a template that run. */
export async function runningInstances(manager: UnitManager, name: UnitName): Promise<string[]> {
  const names = await manager.listUnits(`${name.prefix}@*.${name.type}`);
  const running: string[] = [];
  for (const unit of names) {
    if (isRunning(await manager.show(unit, ["ActiveState"]))) running.push(unit);
  }
  return running;
}

/** Refuses a template whose environment is another one for each instance: it cannot be merged into. */
async function checkSamples(
  manager: UnitManager,
  name: UnitName,
  first: UnitProperties,
): Promise<void> {
  const second = await manager.show(instanceOf(name, SAMPLE_INSTANCES[1]), UNIT_PROPERTIES);
  for (const variable of ["LD_PRELOAD", "GODEBUG"]) {
    const [one, other] = [first, second].map((properties) =>
      properties.words("Environment").findLast((word) => word.startsWith(`${variable}=`))
    );
    if (one === other) continue;
    throw new ConflictError(
      `Cannot enable MPTCP for ${name.name}: its ${variable} is another one for each instance`,
      {
        hint: `enable its instances one by one: \`mptcpize enable ${userFlag(manager.scope)}${
          instanceOf(name, "NAME")
        }\``,
      },
    );
  }
}

/** An error for who may not change units. */
export function checkMayChange(user: boolean, verb: "enable" | "disable"): void {
  if (user || Deno.uid() === 0) return;
  throw new NotPermittedError(
    `Cannot ${verb} MPTCP for units of this machine: only root may change them`,
    { hint: `run it as root, or \`mptcpize ${verb} --user\` for your own services` },
  );
}
