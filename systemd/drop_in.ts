/**
 * Drop-ins of ours: settings beside a unit file that is never touched, under a header that tells whose they
 * are. Pure.
 *
 * Source: systemd.unit(5), systemd.syntax(7) "Quoting"; src/basic/extract-word.c @ systemd v257.
 *
 * @module
 */

/** The file name of a drop-in of ours. */
export const DROP_IN_NAME = "90-mptcpize.conf";

/**
 * Its name where another drop-in behind the usual one would undo it: `systemctl edit` writes
 * `override.conf`, and drop-ins count in the order of their names, whatever folder they lie in.
 */
export const LATE_DROP_IN_NAME = "zz-mptcpize.conf";

/** A drop-in of ours. */
export interface DropIn {
  /** The version of mptcpize that wrote it. */
  readonly version: string;
  /** The unit that it was written for. */
  readonly unit: string;
  /** How the unit is forced. */
  readonly method: string;
  /** What removes it. */
  readonly undo: string;
  /** The section of its settings, such as `Service`. */
  readonly section: string;
  /** Settings as `Name=value`, quoted already. */
  readonly settings: readonly string[];
  /** Assignments as they were without it, such as `LD_PRELOAD=/x.so`: ours were merged into them. */
  readonly before: readonly string[];
}

const ESCAPES: Readonly<Record<string, string>> = { "\n": "\\n", "\t": "\\t", "\r": "\\r" };

/** A word as systemd takes it: in quotes, and with no specifier in it. */
export function quoteSetting(word: string): string {
  const escaped = word.replace(/["\\]/g, "\\$&").replaceAll("%", "%%")
    .replace(/\p{Cc}/gu, (character) => {
      const code = character.charCodeAt(0);
      // Those beyond ASCII would be bytes, and are letters to UTF-8.
      if (code >= 0x80) return character;
      return ESCAPES[character] ?? `\\x${code.toString(16).padStart(2, "0")}`;
    });
  return `"${escaped}"`;
}

/** What {@linkcode quoteSetting} quoted. */
function unquoteSetting(text: string): string {
  return text.slice(1, -1).replaceAll("%%", "%").replace(
    /\\(x[0-9a-f]{2}|.)/g,
    (_, escaped: string) => {
      if (escaped.startsWith("x")) return String.fromCharCode(parseInt(escaped.slice(1), 16));
      return { n: "\n", t: "\t", r: "\r" }[escaped] ?? escaped;
    },
  );
}

/** A setting that assigns a variable of the environment. */
export function environmentSetting(assignment: string): string {
  return `Environment=${quoteSetting(assignment)}`;
}

/** The text of a drop-in. */
export function renderDropIn(dropIn: DropIn): string {
  const { version, unit, method, undo, section, settings, before } = dropIn;
  return [
    `# Written by mptcpize ${version} for ${unit}, method ${method}`,
    `# Undo: ${undo}`,
    ...before.map((assignment) => `# Before: ${quoteSetting(assignment)}`),
    `[${section}]`,
    ...settings,
    "",
  ].join("\n");
}

/** Reads a drop-in of ours; undefined for what was written by others. */
export function parseDropIn(text: string): DropIn | undefined {
  const [first = "", ...lines] = text.split("\n");
  const match = /^# Written by mptcpize (\S+) for (\S+), method (\S+)$/.exec(first);
  if (match === null) return undefined;
  const [, version = "", unit = "", method = ""] = match;
  const behind = (start: string) =>
    lines.filter((line) => line.startsWith(start)).map((line) => line.slice(start.length));
  return {
    version,
    unit,
    method,
    undo: behind("# Undo: ")[0] ?? "",
    section: /^\[(\w+)\]$/m.exec(text)?.[1] ?? "",
    settings: lines.filter((line) => /^[A-Za-z]+=/.test(line)),
    before: behind("# Before: ").map(unquoteSetting),
  };
}

/** The variables that a drop-in of ours sets, as assignments. */
export function assignmentsOf({ settings }: DropIn): string[] {
  const start = "Environment=";
  return settings.filter((setting) => setting.startsWith(start))
    .map((setting) => unquoteSetting(setting.slice(start.length)));
}
