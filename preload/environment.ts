/**
 * The environment that makes a program, and what it starts, ask for MPTCP: pure merging.
 *
 * An environment is a list of `NAME=value` entries as the kernel hands it over: in order, names and
 * values of any bytes. Here each entry is a byte string, one character for one byte, so that what is
 * not UTF-8 comes out as it went in.
 *
 * @module
 */

/** `NAME=value` entries, one character for one byte. */
export type Environment = readonly string[];

/** One byte for each character of a byte string. */
export function encodeByteString(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** One character for each byte. */
export function decodeByteString(bytes: Uint8Array): string {
  let text = "";
  // In slices: the number of arguments of one call is limited.
  for (let at = 0; at < bytes.length; at += 4096) {
    text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  }
  return text;
}

/** A byte string as a person reads it: UTF-8 where it is UTF-8. */
export function displayByteString(text: string): string {
  return new TextDecoder().decode(encodeByteString(text));
}

/** A string of this language as a byte string in UTF-8. */
export function toByteString(text: string): string {
  return decodeByteString(new TextEncoder().encode(text));
}

/**
 * Parses NUL-terminated strings, as in `/proc/PID/environ` and `/proc/PID/cmdline`.
 *
 * An empty string counts, and so does a last one without its NUL.
 */
export function parseNulTerminated(bytes: Uint8Array): string[] {
  if (bytes.length === 0) return [];
  const text = decodeByteString(bytes);
  return (text.endsWith("\0") ? text.slice(0, -1) : text).split("\0");
}

/**
 * The value that the reader of a variable sees, if it is set.
 *
 * With a name twice in the list, getenv(3) takes the first; ld.so takes the last LD_PRELOAD, since it
 * walks through the whole list (glibc: elf/rtld.c, process_envvars).
 */
export function getVariable(environment: Environment, name: string): string | undefined {
  const start = `${name}=`;
  const entry = name === "LD_PRELOAD"
    ? environment.findLast((entry) => entry.startsWith(start))
    : environment.find((entry) => entry.startsWith(start));
  return entry?.slice(start.length);
}

/** Sets a variable where it stood first, or at the end; it is in the list once afterwards. */
export function setVariable(environment: Environment, name: string, value: string): Environment {
  const start = `${name}=`;
  const at = environment.findIndex((entry) => entry.startsWith(start));
  const rest = environment.filter((entry, index) => index === at || !entry.startsWith(start));
  return at === -1 ? [...rest, start + value] : rest.with(at, start + value);
}

/** The names of our libraries' files; an entry that ends so is ours, whatever its folder. */
const LIBRARY_NAME = "libmptcpize.so";
const REPORT_LIBRARY_NAME = "libmptcpize-report.so";

/**
 * Merges our library into a value of LD_PRELOAD.
 *
 * Space and colon both separate (ld.so(8)). Ours goes behind what is there: a library before it that
 * overrides `socket` still gets its turn, and reaches ours as the next one. Only before libmptcpwrap, the
 * library of the C tool, which calls the kernel itself and would hide ours. Ours is never there twice:
 * another copy of it is replaced.
 *
 * @param library the absolute path of our library, without space or colon
 * @param report that of the one that reports, which comes before it; without, one that is there stays
 */
export function mergePreload(
  value: string | undefined,
  library: string,
  report?: string,
): string {
  const entries = (value ?? "").split(/[ :]+/).filter((entry) => entry !== "");
  const ours = (entry: string) =>
    entry === library || entry.endsWith(`/${LIBRARY_NAME}`) ||
    report !== undefined && entry.endsWith(`/${REPORT_LIBRARY_NAME}`);
  const others = entries.filter((entry) => !ours(entry));
  const peer = others.findIndex((entry) => /(^|\/)libmptcpwrap\.so/.test(entry));
  const merged = others.toSpliced(
    peer === -1 ? others.length : peer,
    0,
    ...(report === undefined ? [] : [report]),
    library,
  );
  // What is right already stays as it was written.
  return value !== undefined && entries.join(":") === merged.join(":") ? value : merged.join(":");
}

const GO_SETTING = "multipathtcp";

/**
 * Merges `multipathtcp=1` into a value of GODEBUG.
 *
 * Of a key that is there twice, the last counts (Go: internal/godebugs, runtime/runtime1.go), so ours
 * goes behind, and another value of the same key is taken out. 1 is dial and listen; 2 and 3 are not
 * known before Go 1.24.
 */
export function mergeGodebug(value: string | undefined): string {
  const settings = (value ?? "").split(",").filter((setting) => setting !== "");
  const own = settings.filter((setting) => setting.startsWith(`${GO_SETTING}=`));
  if (value !== undefined && own.length === 1 && own[0] === `${GO_SETTING}=1`) return value;
  const others = settings.filter((setting) => !own.includes(setting));
  return [...others, `${GO_SETTING}=1`].join(",");
}

/** What of the environment is to be set. */
export interface ForcedEnvironment {
  /** The absolute path of our library, or undefined to leave LD_PRELOAD alone. */
  readonly library?: string | undefined;
  /** The absolute path of the library that reports, to be loaded before ours. */
  readonly report?: string | undefined;
  /** Whether to set GODEBUG. */
  readonly godebug: boolean;
  /** Whether the library is to name what it does on stderr. */
  readonly debug: boolean;
  /** Whether the library is to leave socket options alone. */
  readonly strict: boolean;
}

/** Puts what forces a program into its environment; what is not asked for stays as it is. */
export function forceEnvironment(environment: Environment, forced: ForcedEnvironment): Environment {
  let result = environment;
  const set = (name: string, value: string) => result = setVariable(result, name, value);
  if (forced.library !== undefined) {
    const library = toByteString(forced.library);
    const report = forced.report === undefined ? undefined : toByteString(forced.report);
    set("LD_PRELOAD", mergePreload(getVariable(result, "LD_PRELOAD"), library, report));
  }
  if (forced.godebug) set("GODEBUG", mergeGodebug(getVariable(result, "GODEBUG")));
  if (forced.debug) set("MPTCPIZE_DEBUG", "1");
  if (forced.strict) set("MPTCPIZE_STRICT", "1");
  return result;
}
