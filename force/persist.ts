/**
 * Targets that outlive a restart of their service and a reboot: which files of systemd's that takes, and
 * writing or removing them, whole or not at all.
 *
 * @module
 */

import { MptcpizeError, NotPermittedError, NotSupportedError } from "../errors.ts";
import {
  type DropInFolders,
  lockDropIns,
  openManager,
  parseUnitName,
  removeDropIn,
  type UnitManager,
  writeDropIn,
} from "../systemd/mod.ts";
import {
  BOOT_UNIT,
  type BootTarget,
  bootUnitCommand,
  type PersistentTarget,
  renderBootUnit,
  renderDropIn,
  rootOfCommands,
} from "./attach_units.ts";
import {
  dropInPath,
  listPersistentTargets,
  readBootTargets,
  readOurs,
  readText,
  UNIT_FOLDER,
} from "./persistent_targets.ts";
import type { NamedTarget } from "./targets.ts";

/** One file, before and after. */
export interface FileChange {
  /** Absolute. */
  readonly path: string;
  /** Its text; undefined where there is none. */
  readonly before: string | undefined;
  /** Its text; undefined where it is removed. */
  readonly after: string | undefined;
}

/** What is done to systemd's files for some targets. */
export interface PersistPlan {
  /** The services that attach themselves at each start. */
  readonly services: readonly string[];
  /** Whether the unit for the boot has targets afterwards; undefined where it does not change. */
  readonly boot: boolean | undefined;
  /** In this order; those that would change nothing are left out. */
  readonly changes: readonly FileChange[];
}

function sameBootTarget(left: BootTarget, right: BootTarget): boolean {
  return left.kind === right.kind &&
    (left.kind === "all" || right.kind === "all" || left.name === right.name);
}

/** What can be attached anew, of what a target was named by. */
function persistentTarget({ spec, name, unit, strict }: NamedTarget): PersistentTarget {
  if (spec !== undefined && spec.kind !== "cgroup") return spec;
  const type = unit === undefined ? undefined : parseUnitName(unit).type;
  if (unit !== undefined && (type === "service" || type === "slice")) {
    return { kind: type, name: unit, strict };
  }
  const path = spec?.path ?? "";
  const inside = path.split("/").findLast((part) => /\.(service|slice)$/.test(part));
  throw new NotSupportedError(
    `Cannot attach ${name} for good: nothing tells when its cgroup is made again`,
    {
      hint: inside === undefined
        ? "attach it where it is made, after it was made"
        : `\`mptcpize attach --persist ${inside}\`, which systemd starts`,
    },
  );
}

async function checkService(name: string, manager: UnitManager): Promise<void> {
  const properties = await manager.show(name, [
    ...["LoadState", "Transient", "RootDirectory", "RootImage", "RootDirectoryStartOnly"],
  ]);
  const refuse = (state: string, hint: string) =>
    new NotSupportedError(`Cannot attach ${name} at each start: ${state}`, { hint });
  if (properties.isYes("Transient")) {
    throw refuse(
      "it is transient, and there is no next start of it",
      `attach it without --persist`,
    );
  }
  if (properties.text("LoadState") !== "loaded") {
    throw refuse(`systemd says that it is ${properties.text("LoadState")}`, "load it first");
  }
  const root = rootOfCommands((name) => properties.text(name));
  if (root !== undefined) {
    throw refuse(
      `its commands are executed inside of ${root}, where mptcpize is not`,
      "set RootDirectoryStartOnly=yes, or attach its slice",
    );
  }
}

/** A list without the changes that change nothing. */
function real(changes: readonly FileChange[]): FileChange[] {
  return changes.filter(({ before, after }) => before !== after);
}

/** Looks for and writes persistent targets in one folder, of one manager. */
export class Persistence {
  readonly #folder: string;
  readonly #manager: () => UnitManager;

  /** Takes what tests replace. */
  constructor(folder: string = UNIT_FOLDER, manager = () => openManager("system")) {
    this.#folder = folder;
    this.#manager = manager;
  }

  /** The targets that systemd attaches anew. */
  list(): PersistentTarget[] {
    return listPersistentTargets(this.#folder);
  }

  /**
   * Plans how targets are made persistent; changes nothing.
   *
   * @param command the installed mptcpize, as an absolute path
   * @throws {NotSupportedError} for a target that nothing starts again, or where systemd does not run
   * @throws {ConflictError} when a file of our name was made by somebody else
   */
  async planAdd(targets: readonly NamedTarget[], command: string): Promise<PersistPlan> {
    const wanted = targets.map(persistentTarget);
    const changes: FileChange[] = [];
    const boot = readBootTargets(this.#folder);
    const services: string[] = [];
    for (const target of wanted) {
      if (target.kind === "service") {
        await checkService(target.name, this.#manager());
        const path = dropInPath(this.#folder, target.name);
        const after = renderDropIn(target.name, command, target.strict);
        changes.push({ path, before: readOurs(path), after });
        services.push(target.name);
        continue;
      }
      const at = boot.findIndex((other) => sameBootTarget(other, target));
      if (at === -1) boot.push(target);
      else boot[at] = target;
    }
    const inUnit = wanted.length > services.length;
    if (inUnit) changes.push(this.#bootChange(boot, command));
    return { services, boot: inUnit ? true : undefined, changes: real(changes) };
  }

  /** Plans how targets stop being persistent; changes nothing. */
  planRemove(targets: readonly PersistentTarget[]): PersistPlan {
    const services = targets.flatMap(({ kind, ...target }) =>
      kind === "service" && "name" in target ? [target.name] : []
    );
    const changes = services.map((service): FileChange => {
      const path = dropInPath(this.#folder, service);
      return { path, before: readOurs(path), after: undefined };
    });
    const before = readBootTargets(this.#folder);
    const after = before.filter((target) =>
      !targets.some((other) => other.kind !== "service" && sameBootTarget(other, target))
    );
    const changed = after.length < before.length;
    // The same command as before: that one may be gone, and still a target is to be taken out.
    const command = bootUnitCommand(readText(`${this.#folder}/${BOOT_UNIT}`) ?? "");
    if (changed) changes.push(this.#bootChange(after, command));
    return {
      services,
      boot: changed ? after.length > 0 : undefined,
      changes: real(changes),
    };
  }

  #bootChange(targets: readonly BootTarget[], command: string): FileChange {
    const path = `${this.#folder}/${BOOT_UNIT}`;
    const after = targets.length === 0 ? undefined : renderBootUnit(targets, command);
    return { path, before: readText(path), after };
  }

  /**
   * Carries a plan out, and asks the manager whether it took effect; else all is as before.
   *
   * @throws {MptcpizeError} when a file cannot be written, or systemd does not take it
   */
  async apply(plan: PersistPlan): Promise<void> {
    const { changes, services, boot } = plan;
    if (changes.length === 0 && await this.#isSettled(services, boot)) return;
    const manager = this.#manager();
    const done: FileChange[] = [];
    try {
      if (boot === false) {
        await manager.stop(BOOT_UNIT);
        await manager.disable(BOOT_UNIT);
      }
      for (const change of changes) {
        done.push(change);
        this.#put(change.path, change.after);
      }
      await manager.reload();
      if (boot) {
        await manager.reenable(BOOT_UNIT);
        await manager.restart(BOOT_UNIT);
      }
      for (const { path, after } of changes) {
        const service = services.find((name) => path === dropInPath(this.#folder, name));
        if (service === undefined || after === undefined) continue;
        const read = (await manager.show(service, ["DropInPaths"])).words("DropInPaths");
        if (!read.includes(path)) {
          throw new MptcpizeError(
            `Cannot attach ${service} at each start: systemd leaves out ${path}`,
          );
        }
      }
    } catch (error) {
      await this.#undo(done, boot);
      throw error;
    }
  }

  /** Whether the manager has taken what is on the disk: an earlier call may have been killed. */
  async #isSettled(services: readonly string[], boot: boolean | undefined): Promise<boolean> {
    for (const unit of [...services, ...(boot ? [BOOT_UNIT] : [])]) {
      const names = ["NeedDaemonReload", "UnitFileState", "ActiveState"];
      const properties = await this.#manager().show(unit, names);
      if (properties.isYes("NeedDaemonReload")) return false;
      if (unit !== BOOT_UNIT) continue;
      if (properties.text("UnitFileState") !== "enabled") return false;
      if (properties.text("ActiveState") !== "active") return false;
    }
    return true;
  }

  async #undo(done: readonly FileChange[], boot: boolean | undefined): Promise<void> {
    const manager = this.#manager();
    const attempt = async (step: () => void | Promise<void>) => {
      try {
        await step();
      } catch {
        // The error that led here is told; the rest is undone all the same.
      }
    };
    const had = done.some(({ path, before }) =>
      path === `${this.#folder}/${BOOT_UNIT}` && before !== undefined
    );
    if (boot && !had) await attempt(() => manager.disable(BOOT_UNIT));
    for (const { path, before } of [...done].reverse()) {
      await attempt(() => this.#put(path, before));
    }
    await attempt(() => manager.reload());
    if (had || boot === false) {
      await attempt(() => manager.reenable(BOOT_UNIT));
      await attempt(() => manager.start(BOOT_UNIT));
    }
  }

  /** Keeps other calls from changing the same files, until it is disposed of; waits for them. */
  async lock(): Promise<Disposable> {
    this.#manager(); // Where systemd does not run, that is told.
    return await lockDropIns(this.#folders());
  }

  #folders(): DropInFolders {
    return { persistent: this.#folder, runtime: this.#folder, stop: [this.#folder] };
  }

  /** Gives a file a text, whole or not at all; or removes it, with its folder if that is empty then. */
  #put(path: string, text: string | undefined): void {
    try {
      if (text === undefined) removeDropIn(path, this.#folders(), () => {});
      else writeDropIn(path, text, () => {});
    } catch (cause) {
      const message = `Cannot write ${path}: ${cause instanceof Error ? cause.message : cause}`;
      const details = { cause, hint: "run it as root, where /etc can be written" };
      throw cause instanceof Deno.errors.PermissionDenied
        ? new NotPermittedError(message, details)
        : new MptcpizeError(message, details);
    }
  }
}
