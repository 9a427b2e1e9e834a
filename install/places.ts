/**
 * Where an installation lies.
 *
 * @module
 */

import { NotPermittedError, NotSupportedError, UsageError } from "../errors.ts";
import { unsafeToMake } from "../preload/mod.ts";

/** What of the places is asked for. */
export interface PlaceRequest {
  /** The folder above `bin` and `share`; undefined for `/usr/local`. */
  readonly prefix?: string | undefined;
  /** Whether it is for one user: below `~/.local`. */
  readonly user?: boolean;
  /** `$HOME`, if it is set. */
  readonly home?: string | undefined;
  /** The working directory, for a relative prefix. */
  readonly cwd: string;
}

/** Where an installation lies; all paths are absolute and without symbolic links. */
export interface InstallPlaces {
  /** The folder above `bin` and `share`. */
  readonly prefix: string;
  /** The folder with the libraries, Deno and the command line. */
  readonly folder: string;
}

const DEFAULT_PREFIX = "/usr/local";
/** Where AppArmor's base abstraction lets confined programs map a library from. */
const DEFAULT_FOLDER = "/usr/lib/mptcpize";
/** What the launcher has room for: FOLDER_ROOM in launcher/launcher.h, with a NUL. */
const FOLDER_ROOM = 1024;

/** A path with the symbolic links of what is there of it resolved, without `.`, `..` and `//`. */
function resolve(path: string): string {
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  for (let count = names.length; count >= 0; count--) {
    try {
      const there = Deno.realPathSync(`/${names.slice(0, count).join("/")}`);
      const rest = names.slice(count);
      return rest.length === 0 ? there : `${there === "/" ? "" : there}/${rest.join("/")}`;
    } catch {
      // Not there, or closed: its folder decides.
    }
  }
  return `/${names.join("/")}`;
}

/**
 * Where an installation is to lie; reads folders, changes nothing.
 *
 * @throws {UsageError} when the prefix is empty, both it and `user` are given, or there is no home
 */
export function findPlaces(request: PlaceRequest): InstallPlaces {
  const { prefix, user, home, cwd } = request;
  if (user && prefix !== undefined) {
    throw new UsageError("Cannot take both --user and --prefix: each names a place", {
      hint: `\`--user\` is \`--prefix ~/.local\``,
    });
  }
  if (user) {
    if (home === undefined || !home.startsWith("/")) {
      throw new UsageError("Cannot find the home folder for --user: HOME is not an absolute path", {
        hint: "set HOME, or name the place by `--prefix`",
      });
    }
    return below(resolve(`${home}/.local`));
  }
  if (prefix === undefined) return { prefix: DEFAULT_PREFIX, folder: DEFAULT_FOLDER };
  const places = below(resolve(prefix.startsWith("/") ? prefix : `${cwd}/${prefix}`));
  return places.prefix === DEFAULT_PREFIX ? { ...places, folder: DEFAULT_FOLDER } : places;
}

function below(prefix: string): InstallPlaces {
  const start = prefix === "/" ? "" : prefix;
  return { prefix: start, folder: `${start}/lib/mptcpize` };
}

/**
 * Refuses places from which programs could not, or should not, load the library.
 *
 * @throws {NotSupportedError} with the component that stands in the way
 */
export function checkPlaces({ folder }: InstallPlaces, uid: number): void {
  const fault = folder.length >= FOLDER_ROOM
    ? `its path has ${folder.length} bytes, and there is room for ${FOLDER_ROOM - 1}`
    : unsafeToMake(`${folder}/libmptcpize.so`, uid);
  if (fault === undefined) return;
  throw new NotSupportedError(
    `Cannot install to ${folder}: commands could not safely load the library from there: ${fault}`,
    {
      hint: uid === 0
        ? "install to a folder that all can read and only root can write, such as /usr/local"
        : "install to a folder that only you or root can write",
    },
  );
}

/**
 * Refuses to believe a manifest that somebody else could have written: what it lists is removed.
 *
 * @throws {NotPermittedError} with the component that stands in the way
 */
export function checkManifestOwner(folder: string, uid: number): void {
  const fault = unsafeToMake(`${folder}/libmptcpize.so`, uid);
  if (fault === undefined) return;
  throw new NotPermittedError(
    `Cannot uninstall from ${folder}: its list is not to be trusted: ${fault}`,
    {
      hint: "uninstall as the user that it belongs to",
    },
  );
}
