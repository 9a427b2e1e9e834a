/**
 * What of a unit's settings keeps a file from its programs, or a variable from their environment. Pure.
 *
 * Source: systemd.exec(5); src/core/namespace.c @ systemd v257.
 *
 * @module
 */

import type { UnitProperties } from "./properties.ts";

/** Whether a path is another one, or lies below it. */
function isBelow(path: string, above: string): boolean {
  return above === "/" || path === above || path.startsWith(`${above}/`);
}

/** A path of a list that may tell with `-` and `+` what is to be if it is not there. */
function plain(path: string): string {
  return path.replace(/^[-+]+/, "").replace(/(?<=.)\/+$/, "");
}

interface Cover {
  readonly path: string;
  /** The setting that hides what lies there; undefined where it is shown. */
  readonly hides?: string;
}

/** `SOURCE:DESTINATION:OPTIONS` of a property, the destination often left out. */
function binds(properties: UnitProperties, name: string): Cover[] {
  return properties.text(name).split(" ").filter((bind) => bind !== "").map((bind) => {
    const [source = "", destination = ""] = bind.split(":");
    const [from, to] = [plain(source), plain(destination) || plain(source)];
    return from === to ? { path: to } : { path: to, hides: `${name}=${from}:${to}` };
  });
}

/** What is laid over or taken out of the file system that the unit's programs see. */
function covers(properties: UnitProperties): Cover[] {
  const home = properties.text("ProtectHome");
  const temporary = properties.text("TemporaryFileSystem").split(" ")
    .filter((entry) => entry !== "").map((entry) => plain(entry.split(":")[0] ?? ""));
  return [
    ...properties.words("InaccessiblePaths").map(plain)
      .map((path) => ({ path, hides: `InaccessiblePaths=${path}` })),
    ...temporary.map((path) => ({ path, hides: `TemporaryFileSystem=${path}` })),
    ...(home === "yes" || home === "tmpfs" ? ["/home", "/root", "/run/user"] : [])
      .map((path) => ({ path, hides: `ProtectHome=${home}` })),
    ...(properties.isYes("PrivateTmp") ? ["/tmp", "/var/tmp"] : [])
      .map((path) => ({ path, hides: "PrivateTmp=yes" })),
    ...binds(properties, "BindPaths"),
    ...binds(properties, "BindReadOnlyPaths"),
  ];
}

/** The deepest of several that a path lies below; the last of those that are equally deep. */
function deepest<T extends { readonly path: string }>(
  candidates: readonly T[],
  path: string,
): T | undefined {
  return candidates.filter((candidate) => isBelow(path, candidate.path))
    .reduce<T | undefined>(
      (best, next) => best === undefined || next.path.length >= best.path.length ? next : best,
      undefined,
    );
}

/**
 * The setting that hides a file from a unit's programs, such as `RootDirectory=/srv/www`; undefined if
 * they see it.
 *
 * @param isInRoot whether the file is there too, below a folder that the unit has as its root
 */
export function hidingSetting(
  properties: UnitProperties,
  path: string,
  isInRoot: (root: string) => boolean,
): string | undefined {
  const cover = deepest(covers(properties), path);
  if (cover !== undefined) return cover.hides;
  const root = plain(properties.text("RootDirectory"));
  if (root !== "" && root !== "/" && !isInRoot(root)) return `RootDirectory=${root}`;
  const image = properties.text("RootImage");
  return image === "" ? undefined : `RootImage=${image}`;
}

/**
 * The setting that keeps a unit's programs from executing, and so from loading, a file, such as
 * `NoExecPaths=/`; undefined if none does.
 */
export function noExecSetting(properties: UnitProperties, path: string): string | undefined {
  const rule = deepest([
    ...properties.words("ExecPaths").map(plain).map((path) => ({ path, setting: undefined })),
    ...properties.words("NoExecPaths").map(plain)
      .map((path) => ({ path, setting: `NoExecPaths=${path}` })),
  ], path);
  return rule?.setting;
}

/** The value that a list of assignments gives a variable: the last counts. */
export function lastValue(assignments: readonly string[], name: string): string | undefined {
  return assignments.findLast((assignment) => assignment.startsWith(`${name}=`))
    ?.slice(name.length + 1);
}

/**
 * The setting that takes an assignment out of the environment, whoever set it; undefined if none does.
 *
 * @param assignment such as `LD_PRELOAD=/x.so`
 */
export function unsettingSetting(
  properties: UnitProperties,
  assignment: string,
): string | undefined {
  const name = assignment.slice(0, assignment.indexOf("="));
  const word = properties.words("UnsetEnvironment")
    .find((word) => word === name || word === assignment);
  return word === undefined ? undefined : `UnsetEnvironment=${word}`;
}

/** A file of `EnvironmentFile=`, as it is listed. */
export interface EnvironmentFileEntry {
  /** Its path, or a pattern of paths. */
  readonly path: string;
  /** Whether the unit starts without it. */
  readonly optional: boolean;
}

/** The files that a unit's environment is read from at each start, in order: the last counts. */
export function environmentFiles(properties: UnitProperties): EnvironmentFileEntry[] {
  return properties.lines("EnvironmentFiles").map((line) => {
    const match = /^(.*) \(ignore_errors=(yes|no)\)$/s.exec(line);
    return { path: match?.[1] ?? line, optional: match?.[2] === "yes" };
  });
}
