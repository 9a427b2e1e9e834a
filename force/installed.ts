/**
 * Where the installed mptcpize is: what systemd may start as root.
 *
 * @module
 */

import { NotSupportedError } from "../errors.ts";
import { indexOfBytes, LAUNCHER_MARK } from "../program/mod.ts";
import { untrusted } from "../systemd/mod.ts";

/** The launcher of the installation that this code belongs to, if it belongs to one. */
function ownLauncher(): string | undefined {
  const own = decodeURIComponent(new URL(import.meta.url).pathname);
  // PREFIX/lib/mptcpize/…: see install/places.ts. That of /usr/local lies below /usr.
  const prefix = /^(.*)\/lib\/mptcpize\/[^/]+\.js$/.exec(own)?.[1];
  return prefix === undefined || prefix === "/usr" ? undefined : `${prefix}/bin/mptcpize`;
}

/** Why a file is not what systemd may start as root, or undefined if it is. */
function unfit(path: string): string | undefined {
  try {
    const fault = untrusted(Deno.realPathSync(path));
    if (fault !== undefined) return fault;
    const bytes = Deno.readFileSync(path);
    const at = indexOfBytes(bytes, LAUNCHER_MARK);
    // Behind the mark stands the folder of its installation.
    return at !== -1 && bytes[at + LAUNCHER_MARK.length] === 0x2f
      ? undefined
      : "it is another program";
  } catch (error) {
    return error instanceof Deno.errors.NotFound ? "it is not there" : String(error);
  }
}

/**
 * The path of an installed mptcpize that only root can replace.
 *
 * @param candidates where to look, in this order
 * @throws {NotSupportedError} when there is none
 */
export function findInstalled(
  candidates: readonly string[] = [
    ...[ownLauncher()].filter((path) => path !== undefined),
    "/usr/local/bin/mptcpize",
  ],
): string {
  const tried: string[] = [];
  for (const path of candidates) {
    const fault = unfit(path);
    if (fault === undefined) return path;
    tried.push(`${path}: ${fault}`);
  }
  throw new NotSupportedError(
    `Cannot have systemd start mptcpize: no installed one that only root can replace (${
      tried.join("; ")
    })`,
    { hint: "`mptcpize install` as root" },
  );
}
