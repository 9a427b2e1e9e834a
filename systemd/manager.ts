/**
 * Talking to systemd by systemctl: the only place that starts it.
 *
 * Words are handed over as they are, never to a shell, and an option cannot be mistaken for a unit:
 * every name has been through {@linkcode parseUnitName} and stands behind `--`.
 *
 * @module
 */

import { MptcpizeError, NotFoundError, NotPermittedError, NotSupportedError } from "../errors.ts";
import { parseProperties, type UnitProperties } from "./properties.ts";
import { parseUnitName } from "./unit_name.ts";

/** Which manager is meant: that of the machine, or that of the user who calls. */
export type ManagerScope = "system" | "user";

/** Since this version `SocketProtocol=` of a socket unit knows mptcp. Source: NEWS of systemd 257. */
export const SOCKET_PROTOCOL_SINCE = 257;

/** What a command of systemd's answered. */
export interface Answer {
  /** The exit status. */
  readonly code: number;
  /** What it printed. */
  readonly stdout: string;
  /** What it said, without blanks around it. */
  readonly stderr: string;
}

/** Starts one of systemd's programs and gives its answer. */
export type StartProgram = (
  name: "systemctl" | "journalctl" | "busctl",
  words: readonly string[],
  signal?: AbortSignal,
) => Promise<Answer>;

/** Where systemd's programs lie: not searched for in PATH, which others may have set. */
const FOLDERS = ["/usr/bin", "/bin", "/run/current-system/sw/bin"];

const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;

/** Why a program is not to be started, or undefined if it may: only root must be able to replace it. */
export function untrusted(path: string): string | undefined {
  const names = path.split("/").slice(1);
  for (let count = 0; count <= names.length; count++) {
    const part = `/${names.slice(0, count).join("/")}`;
    const { uid, mode, isDirectory } = Deno.lstatSync(part);
    if (uid !== 0) return `${part} belongs to user ${uid}, not to root`;
    const writable = ((mode ?? 0) & OTHERS_WRITE) !== 0;
    if (writable && !(isDirectory && ((mode ?? 0) & STICKY) !== 0)) {
      return `${part} is writable for others than root`;
    }
  }
  return undefined;
}

function findProgram(name: string): string {
  const tried: string[] = [];
  for (const folder of FOLDERS) {
    let path: string;
    try {
      path = Deno.realPathSync(`${folder}/${name}`);
    } catch {
      tried.push(`${folder}/${name}`);
      continue;
    }
    const fault = untrusted(path);
    if (fault === undefined) return path;
    tried.push(`${folder}/${name} (${fault})`);
  }
  throw new NotSupportedError(
    `Cannot ask systemd: ${name} is not there (${tried.join(", ")})`,
    { hint: "`mptcpize run COMMAND` needs no systemd" },
  );
}

/** What systemctl needs of our environment to find the manager of a user. */
const KEPT_VARIABLES = ["XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "HOME"];

async function startProgram(
  name: string,
  words: readonly string[],
  signal?: AbortSignal,
): Promise<Answer> {
  const env: Record<string, string> = {
    LC_ALL: "C",
    PATH: "/usr/bin:/bin",
    SYSTEMD_COLORS: "0",
    SYSTEMD_PAGER: "",
  };
  for (const name of KEPT_VARIABLES) {
    const value = Deno.env.get(name);
    if (value !== undefined) env[name] = value;
  }
  const { code, stdout, stderr } = await new Deno.Command(findProgram(name), {
    args: [...words],
    clearEnv: true,
    env,
    stdin: "null",
    ...(signal === undefined ? {} : { signal }),
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr).trim() };
}

function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/** What tells whether a manager runs. */
export interface ManagerSigns {
  /** Whether a folder is there. */
  readonly hasFolder: (path: string) => boolean;
  /** `$XDG_RUNTIME_DIR`, if it is set. */
  readonly runtime: string | undefined;
}

/**
 * Refuses where there is no such manager: systemctl would tell it in a less clear way.
 *
 * @throws {NotSupportedError} when it does not run
 */
export function checkRunning(scope: ManagerScope, { hasFolder, runtime }: ManagerSigns): void {
  // As sd_booted(3) does.
  if (!hasFolder("/run/systemd/system")) {
    throw new NotSupportedError(
      "Cannot ask systemd: this machine or container was not started by systemd (/run/systemd/system is not there)",
      { hint: "`mptcpize run COMMAND` forces a command without systemd" },
    );
  }
  if (scope === "system" || (runtime !== undefined && hasFolder(`${runtime}/systemd`))) return;
  throw new NotSupportedError(
    runtime === undefined
      ? "Cannot ask the systemd of this user: XDG_RUNTIME_DIR is not set"
      : `Cannot ask the systemd of this user: none runs below ${runtime}`,
    { hint: "log in as that user, by ssh or `machinectl shell USER@`, not by su or sudo" },
  );
}

/** The first line of what a program says on stderr. */
function firstLine(text: string): string {
  return text.split("\n").find((line) => line !== "")?.trim() ?? "";
}

/** One manager of systemd's. */
export class UnitManager {
  readonly #start: StartProgram;

  /** Takes what starts its programs; tests give answers of their own. */
  constructor(readonly scope: ManagerScope, start: StartProgram) {
    this.#start = start;
  }

  /** The words by which a user asks this manager: `systemctl`, or `systemctl --user`. */
  get command(): string {
    return this.scope === "user" ? "systemctl --user" : "systemctl";
  }

  #systemctl(words: readonly string[], signal?: AbortSignal): Promise<Answer> {
    const scope = this.scope === "user" ? ["--user"] : [];
    const all = [...scope, "--no-pager", "--no-ask-password", ...words];
    return this.#start("systemctl", all, signal);
  }

  /** An error of systemctl's in the words of this library. */
  #failure(verb: string, { code, stderr }: Answer): MptcpizeError {
    const said = firstLine(stderr) || `systemctl exits with status ${code}`;
    const message = `Cannot ${verb}: ${said}`;
    if (/access denied|authentication required|permission denied/i.test(stderr)) {
      return new NotPermittedError(message, { hint: "run it as root" });
    }
    return new MptcpizeError(message);
  }

  async #do(verb: string, words: readonly string[], signal?: AbortSignal): Promise<void> {
    const answer = await this.#systemctl(words, signal);
    if (answer.code !== 0) throw this.#failure(verb, answer);
  }

  /**
   * The properties of a unit, loading it if need be.
   *
   * A unit that is not there is no error: its `LoadState` is `not-found`.
   *
   * @param unit a whole name, not a template
   * @param names as `systemctl show` prints them; those that the unit's type lacks are left out
   *
   * @throws {NotSupportedError} when systemctl is not there, or systemd does not run
   * @throws {MptcpizeError} when the manager does not answer
   */
  async show(unit: string, names: readonly string[]): Promise<UnitProperties> {
    const answer = await this.#systemctl(["show", "-p", names.join(","), "--", unit]);
    if (answer.code !== 0) throw this.#failure(`read the unit ${unit}`, answer);
    return parseProperties(answer.stdout, names);
  }

  /** The properties of the manager itself, such as `DefaultEnvironment`. */
  async showManager(names: readonly string[]): Promise<UnitProperties> {
    const answer = await this.#systemctl(["show", "-p", names.join(",")]);
    if (answer.code !== 0) throw this.#failure("read the state of systemd", answer);
    return parseProperties(answer.stdout, names);
  }

  /** The names of units that are loaded and match a pattern, such as `foo@*.service`. */
  async listUnits(pattern: string): Promise<string[]> {
    const answer = await this.#systemctl([
      "list-units",
      "--all",
      "--full",
      "--plain",
      "--no-legend",
      "--",
      pattern,
    ]);
    if (answer.code !== 0) throw this.#failure(`list the units ${pattern}`, answer);
    return answer.stdout.split("\n").flatMap((line) => line.trim().split(/\s+/, 1)).filter((name) =>
      name !== ""
    );
  }

  /** Makes the manager read all unit files and drop-ins again. */
  async reload(): Promise<void> {
    await this.#do("reload systemd", ["daemon-reload"]);
  }

  /**
   * Restarts a unit, or starts it where it does not run; waits until systemd calls that done.
   *
   * @param signal ends the waiting, with an error
   */
  async restart(unit: string, signal?: AbortSignal): Promise<void> {
    await this.#do(`restart ${unit}`, ["restart", "--", unit], signal);
  }

  /** Starts a unit, as {@linkcode UnitManager.restart} does. */
  async start(unit: string, signal?: AbortSignal): Promise<void> {
    await this.#do(`start ${unit}`, ["start", "--", unit], signal);
  }

  /** Stops a unit. */
  async stop(unit: string): Promise<void> {
    await this.#do(`stop ${unit}`, ["stop", "--", unit]);
  }

  /** Forgets that a unit has failed, and how often it was started of late. */
  async resetFailed(unit: string): Promise<void> {
    await this.#do(`reset ${unit}`, ["reset-failed", "--", unit]);
  }

  /** Has a unit started with what its [Install] section names, and with nothing else. */
  async reenable(unit: string): Promise<void> {
    await this.#do(`enable ${unit}`, ["reenable", "--quiet", "--", unit]);
  }

  /** Ends {@linkcode UnitManager.reenable}. */
  async disable(unit: string): Promise<void> {
    await this.#do(`disable ${unit}`, ["disable", "--quiet", "--", unit]);
  }

  /**
   * Has a process moved into a scope of its own, which systemd removes when it is empty. The manager does
   * it some time after the answer.
   *
   * Source: org.freedesktop.systemd1(5), StartTransientUnit().
   *
   * @param scope its whole name
   */
  async startScope(scope: string, pid: number, description: string): Promise<void> {
    const manager = ["org.freedesktop.systemd1", "/org/freedesktop/systemd1"];
    const properties = [
      ["Description", "s", description],
      ["PIDs", "au", "1", `${pid}`],
      ["CollectMode", "s", "inactive-or-failed"],
    ];
    const answer = await this.#start("busctl", [
      ...[...(this.scope === "user" ? ["--user"] : []), "--quiet", "call", "--", ...manager],
      ...["org.freedesktop.systemd1.Manager", "StartTransientUnit", "ssa(sv)a(sa(sv))"],
      ...[scope, "fail", `${properties.length}`, ...properties.flat(), "0"],
    ]);
    if (answer.code !== 0) throw this.#failure(`start ${scope}`, answer);
  }

  /**
   * The last lines that a unit has logged since a moment, oldest first; none where the journal cannot be
   * read.
   */
  async lastLog(unit: string, lines: number, since: Date): Promise<string[]> {
    const scope = this.scope === "user" ? ["--user-unit"] : ["--unit"];
    const { code, stdout } = await this.#start("journalctl", [
      "--no-pager",
      "--quiet",
      "--output=cat",
      `--lines=${lines}`,
      `--since=@${Math.floor(since.getTime() / 1000)}`,
      ...scope,
      unit,
    ]);
    return code === 0 ? stdout.split("\n").filter((line) => line !== "") : [];
  }
}

/**
 * The manager of the machine, or of the user who calls.
 *
 * @throws {NotSupportedError} when it does not run
 */
export function openManager(scope: ManagerScope): UnitManager {
  checkRunning(scope, { hasFolder: isDirectory, runtime: Deno.env.get("XDG_RUNTIME_DIR") });
  return new UnitManager(scope, startProgram);
}

/**
 * The control group that a unit's processes are in, as a path from the root of the hierarchy such as
 * `/system.slice/nginx.service`; undefined while it has none, because it does not run.
 *
 * Its path stays, but the group is made anew on each start (systemd: src/core/unit.c,
 * unit_prune_cgroup), and so its id changes.
 *
 * @param unit as a user writes it: without a suffix it is a service
 *
 * @throws {UsageError} for what is no name of a unit
 * @throws {NotFoundError} when there is no such unit
 * @throws {NotSupportedError} when it is a template, systemctl is not there, or systemd does not run
 */
export async function controlGroupOf(
  unit: string,
  options: { readonly user?: boolean; readonly manager?: UnitManager } = {},
): Promise<string | undefined> {
  const { name, instance } = parseUnitName(unit);
  if (instance === "") {
    throw new NotSupportedError(
      `Cannot find the control group of ${name}: it is a template, an instance is needed`,
      { hint: `\`systemctl list-units '${name.replace("@.", "@*.")}'\` lists its instances` },
    );
  }
  const manager = options.manager ?? openManager(options.user ? "user" : "system");
  const properties = await manager.show(name, ["LoadState", "ControlGroup"]);
  const group = properties.text("ControlGroup");
  if (group === "" && properties.text("LoadState") === "not-found") {
    throw new NotFoundError(`Cannot find the control group of ${name}: there is no such unit`, {
      tried: [name],
      hint: "`systemctl list-units` lists those that are loaded",
    });
  }
  // That of the root slice is "/"; a unit that does not run has none.
  return group === "" ? undefined : group;
}
