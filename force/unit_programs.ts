/**
 * What a unit starts: its programs, whom they run as, and what files and systemd put into their environment.
 *
 * @module
 */

import { NotFoundError } from "../errors.ts";
import { imageOf, type Program, readProgram } from "../program/mod.ts";
import { environmentFiles, parseEnvironmentFile, type UnitProperties } from "../systemd/mod.ts";

/** A program that a unit starts. */
export interface UnitProgram {
  /** Its path as systemd has it, below the root of the unit. */
  readonly path: string;
  /** What the kernel loads in the end; undefined when it could not be read. */
  readonly image: Program | undefined;
  /** Why it could not be read. */
  readonly fault?: string;
}

/** The assignments of a file of `EnvironmentFile=`. */
export interface ReadEnvironmentFile {
  readonly path: string;
  /** Undefined when it may not be read. */
  readonly assignments: readonly string[] | undefined;
}

/** The user and group ids of a line of /etc/passwd. */
function passwdIds(name: string): { uid: number; gid: number } | undefined {
  let text = "";
  try {
    text = Deno.readTextFileSync("/etc/passwd");
  } catch {
    return undefined;
  }
  const line = text.split("\n").map((line) => line.split(":"))
    .find(([user, , uid]) => user === name || uid === name);
  return line === undefined ? undefined : { uid: Number(line[2]), gid: Number(line[3]) };
}

/** Whom the programs run as; somebody who is not root where it cannot be told. */
export function idsOf(
  properties: UnitProperties,
  caller: { readonly uid: number; readonly gid: number },
): { uid: number; gid: number } {
  const SOMEBODY = 65534;
  const number = (text: string) => /^\d+$/.test(text) ? Number(text) : undefined;
  const user = properties.text("User");
  if (user === "" && !properties.isYes("DynamicUser")) {
    return { uid: caller.uid, gid: number(properties.text("Group")) ?? caller.gid };
  }
  const found = passwdIds(user);
  const uid = number(properties.text("UID")) ?? found?.uid ?? number(user) ?? SOMEBODY;
  const gid = number(properties.text("GID")) ?? found?.gid ?? SOMEBODY;
  return { uid, gid };
}

/** Where systemd looks for a program without a slash: DEFAULT_PATH of v257. */
const SEARCHED = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"];

function readUnitProgram(path: string, root: string): UnitProgram {
  const candidates = path.includes("/") ? [path] : SEARCHED.map((folder) => `${folder}/${path}`);
  let fault = "it is not there";
  for (const candidate of candidates) {
    try {
      return { path: candidate, image: imageOf(readProgram(`${root}${candidate}`)) };
    } catch (error) {
      if (error instanceof NotFoundError) continue;
      fault = error instanceof Error ? error.message : String(error);
      break;
    }
  }
  return { path, image: undefined, fault };
}

/** Reads the programs of `ExecStart=`. */
export function readPrograms(properties: UnitProperties): UnitProgram[] {
  const root = properties.text("RootDirectory");
  const image = properties.text("RootImage");
  return properties.commands("ExecStart").map(({ path }) =>
    image === ""
      ? readUnitProgram(path, root === "/" ? "" : root)
      : { path, image: undefined, fault: `it lies in the image ${image}` }
  );
}

/** The files that a pattern of `EnvironmentFile=` names. */
function expandPattern(pattern: string): string[] {
  const at = pattern.lastIndexOf("/");
  const [folder, last] = [pattern.slice(0, at), pattern.slice(at + 1)];
  if (!/[*?[]/.test(last)) return [pattern];
  const expression = last.replace(/[.+^${}()|\\]/g, "\\$&").replaceAll("*", "[^/]*")
    .replaceAll("?", "[^/]").replaceAll("[!", "[^");
  try {
    const matcher = new RegExp(`^${expression}$`);
    return [...Deno.readDirSync(folder || "/")].map(({ name }) => name)
      .filter((name) => matcher.test(name)).sort().map((name) => `${folder}/${name}`);
  } catch {
    return [];
  }
}

/** Reads the files of `EnvironmentFile=`, in order; those that are not there are left out. */
export function readEnvironmentFiles(properties: UnitProperties): ReadEnvironmentFile[] {
  const paths = environmentFiles(properties).flatMap(({ path }) => expandPattern(path));
  return paths.flatMap((path): ReadEnvironmentFile[] => {
    try {
      const assignments = parseEnvironmentFile(Deno.readTextFileSync(path))
        .map(([name, value]) => `${name}=${value}`);
      return [{ path, assignments }];
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      return [{ path, assignments: undefined }];
    }
  });
}

/** What `PassEnvironment=` passes on from the environment of the first process. */
export function passedEnvironment(names: readonly string[]): string[] {
  if (names.length === 0) return [];
  try {
    return Deno.readTextFileSync("/proc/1/environ").split("\0")
      .filter((entry) => names.includes(entry.slice(0, entry.indexOf("="))));
  } catch {
    return []; // Not root: what systemd was started with is not for others to see.
  }
}
