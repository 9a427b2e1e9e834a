/**
 * The targets that systemd attaches anew, as its files have them.
 *
 * @module
 */

import { ConflictError, NotPermittedError } from "../errors.ts";
import {
  BOOT_UNIT,
  type BootTarget,
  DROP_IN,
  isOurs,
  isStrictDropIn,
  parseBootUnit,
  type PersistentTarget,
} from "./attach_units.ts";

/** Where the units of the administrator lie. */
export const UNIT_FOLDER = "/etc/systemd/system";

/** The text of a file; undefined if there is none. */
export function readText(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return undefined;
    }
    throw new NotPermittedError(
      `Cannot read ${path}: ${error instanceof Error ? error.message : error}`,
      { cause: error, hint: "run it as root" },
    );
  }
}

/** The text of a file that is ours, or undefined if there is none. */
export function readOurs(path: string): string | undefined {
  const text = readText(path);
  if (text === undefined || isOurs(text)) return text;
  throw new ConflictError(`Cannot change ${path}: it was not made by mptcpize`, {
    hint: "move it away",
  });
}

/** The path of the drop-in of a service. */
export function dropInPath(folder: string, service: string): string {
  return `${folder}/${service}.d/${DROP_IN}`;
}

/** The targets of the unit for the boot. */
export function readBootTargets(folder: string): BootTarget[] {
  const text = readOurs(`${folder}/${BOOT_UNIT}`);
  return text === undefined ? [] : parseBootUnit(text);
}

/**
 * The targets that are attached anew at a start or at boot; an empty list where there are none.
 *
 * @throws {ConflictError} when a file of our name was made by somebody else
 */
export function listPersistentTargets(folder = UNIT_FOLDER): PersistentTarget[] {
  let names: string[];
  try {
    names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  } catch {
    return [];
  }
  const services = names.filter((name) => name.endsWith(".service.d")).flatMap((name) => {
    const service = name.slice(0, -".d".length);
    const text = readText(dropInPath(folder, service));
    return text === undefined || !isOurs(text)
      ? []
      : [{ kind: "service" as const, name: service, strict: isStrictDropIn(text) }];
  });
  return [...services, ...readBootTargets(folder)];
}

/** The names of the targets that systemd attaches by a command, which is not to be removed before them. */
export function listAttachedBy(command: string, folder = UNIT_FOLDER): string[] {
  return listPersistentTargets(folder).flatMap((target) => {
    const path = target.kind === "service"
      ? dropInPath(folder, target.name)
      : `${folder}/${BOOT_UNIT}`;
    if (!readText(path)?.includes(`-${command} attach `)) return [];
    if (target.kind === "all") return ["--all"];
    return [target.kind === "comm" ? `--comm ${target.name}` : target.name];
  });
}
