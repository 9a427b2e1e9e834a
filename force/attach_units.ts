/**
 * The texts by which systemd attaches targets anew: a drop-in for a service, one unit for all else. Pure.
 *
 * A service's cgroup is made anew at each of its starts, and pins do not outlive a reboot
 * (docs/adr/0014-persistent-targets.md).
 *
 * @module
 */

import { FormatError } from "../errors.ts";

/** A target that the unit attaches at boot. */
export type BootTarget =
  | { readonly kind: "slice"; readonly name: string; readonly strict: boolean }
  | { readonly kind: "comm"; readonly name: string; readonly strict: boolean }
  | { readonly kind: "all"; readonly strict: boolean };

/** A target that systemd attaches anew: a service by its drop-in, all else by the unit for the boot. */
export type PersistentTarget =
  | { readonly kind: "service"; readonly name: string; readonly strict: boolean }
  | BootTarget;

/** The drop-in of a service that is attached at each start. */
export const DROP_IN = "90-mptcpize-attach.conf";
/** The unit that attaches what has no start of its own. */
export const BOOT_UNIT = "mptcpize-attach.service";

const HEADER = "# Made by `mptcpize attach --persist`";
const TARGETS = "# targets ";
const COMMAND = "# by ";

/** Whether a text was made here. */
export function isOurs(text: string): boolean {
  return text.startsWith(HEADER);
}

/** A word of a command line of systemd's (systemd.service(5), "Command lines"). */
function quote(word: string): string {
  const escaped = word.replace(/["\\]/g, "\\$&").replaceAll("%", "%%").replaceAll("$", "$$$$")
    .replace(
      /\p{Cc}/gu,
      (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
    );
  return /^[\w@%+=:,./\\-]+$/.test(escaped) ? escaped : `"${escaped}"`;
}

/**
 * The command by which a service attaches itself before it starts: as root and outside of its sandbox
 * (`+`), and without keeping it from starting (`-`).
 *
 * @param command the installed mptcpize, as an absolute path
 */
export function attachAtStart(command: string, strict: boolean): string {
  // %n is the name of the unit, instances included.
  return `ExecStartPre=+-${quote(command)} attach --quiet${strict ? " --strict" : ""} %n`;
}

/**
 * Where the commands of a service are executed, if that is not where mptcpize is: then {@linkcode attachAtStart}
 * would fail. `+` does not lead out of there (src/core/exec-invoke.c, apply_mount_namespace() @ systemd v257).
 *
 * @param text gives properties of the service: RootDirectory, RootImage, RootDirectoryStartOnly
 */
export function rootOfCommands(text: (name: string) => string): string | undefined {
  const root = text("RootDirectory") || text("RootImage");
  return root === "" || root === "/" || text("RootDirectoryStartOnly") === "yes" ? undefined : root;
}

/** The drop-in of a service. */
export function renderDropIn(unit: string, command: string, strict: boolean): string {
  return `${HEADER}; \`mptcpize detach ${unit}\` removes it.
[Service]
${attachAtStart(command, strict)}
`;
}

/** Whether the drop-in of a service asks for `--strict`. */
export function isStrictDropIn(text: string): boolean {
  return /^ExecStartPre=.* --strict /m.test(text);
}

function attachWords(target: BootTarget): string[] {
  const strict = target.strict ? ["--strict"] : [];
  if (target.kind === "all") return [...strict, "--all"];
  return [...strict, target.kind === "comm" ? `--comm=${target.name}` : target.name];
}

/**
 * The unit that attaches targets at boot, before ordinary services start; and slices each time that they
 * are started.
 *
 * @param command the installed mptcpize, as an absolute path
 */
export function renderBootUnit(targets: readonly BootTarget[], command: string): string {
  // As they are: lists of units know no escape, and a unit's name needs none.
  const slices = targets.flatMap((target) => target.kind === "slice" ? [target.name] : []);
  const lines = targets.map((target) =>
    `ExecStart=-${[command, "attach", "--quiet", ...attachWords(target)].map(quote).join(" ")}`
  );
  return `${HEADER}; \`mptcpize detach\` takes targets out of it.
${TARGETS}${JSON.stringify(targets)}
${COMMAND}${command}
[Unit]
Description=Multipath TCP for targets of mptcpize
Documentation=man:mptcpize(1)
DefaultDependencies=no
${slices.length === 0 ? "" : `Requires=${slices.join(" ")}\n`}After=local-fs.target ${
    slices.join(" ")
  }
Before=basic.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
${lines.join("\n")}

[Install]
WantedBy=basic.target ${slices.join(" ")}
`.replace(/ +$/gm, "");
}

function isBootTarget(value: unknown): value is BootTarget {
  if (typeof value !== "object" || value === null) return false;
  const { kind, name, strict } = value as Record<string, unknown>;
  return typeof strict === "boolean" &&
    (kind === "all" || (kind === "slice" || kind === "comm") && typeof name === "string");
}

/** The mptcpize that a unit which {@linkcode renderBootUnit} made starts; empty where that line is gone. */
export function bootUnitCommand(text: string): string {
  const line = text.split("\n").find((line) => line.startsWith(COMMAND));
  return line?.slice(COMMAND.length) ?? "";
}

/**
 * The targets of a unit that {@linkcode renderBootUnit} made.
 *
 * @throws {FormatError} when its line with the targets was changed
 */
export function parseBootUnit(text: string): BootTarget[] {
  const line = text.split("\n").find((line) => line.startsWith(TARGETS));
  try {
    const targets: unknown = JSON.parse(line?.slice(TARGETS.length) ?? "");
    if (Array.isArray(targets) && targets.every(isBootTarget)) return targets;
  } catch {
    // Told below.
  }
  throw new FormatError(`Cannot read ${BOOT_UNIT}: its line "${TARGETS.trim()}" was changed`, {
    hint: `remove the unit, and attach with --persist again`,
  });
}
