/**
 * The world of a command, passed in: words, environment, streams. Commands touch nothing else of it.
 *
 * @module
 */

import {
  decodeByteString,
  type Environment,
  parseNulTerminated,
  readIgnoredSignals,
} from "../mod.ts";

/** What a command sees of the process that it runs in. */
export interface Env {
  /** The words behind the program's name, as text. */
  readonly words: readonly string[];
  /** The same words in bytes, as they were given. */
  readonly wordBytes: readonly Uint8Array[];
  readonly environment: Environment;
  /** The soft limit of open files that this process was started with, if it was raised since. */
  readonly openFilesLimit: number | undefined;
  /** Whether this process was started with SIGPIPE ignored; the runtime ignores it in any case. */
  readonly ignoreSigpipe: boolean;
  /** The signals that are ignored, as bits of a mask, before the runtime puts handlers of its own there. */
  readonly ignoredSignals: bigint;
  /** Columns of the terminal; undefined when stdout is none. */
  readonly columns: number | undefined;
  /** Whether stdout may have colour. */
  readonly color: boolean;
  /** The terminal behind stdout as it is now; undefined when stdout is none. */
  size(): { readonly columns: number; readonly rows: number } | undefined;
  /** Calls back on a signal, in place of what it would do. */
  onSignal(signal: Deno.Signal, handler: () => void): void;
  /** Ends {@linkcode Env.onSignal}. */
  offSignal(signal: Deno.Signal, handler: () => void): void;
  /** Stops this process as ^Z would, until it is continued. */
  stop(): void;
  /** Writes data. */
  out(text: string): void;
  /** Writes all else. */
  err(text: string): void;
}

/** stdout was closed by its reader: success, by design. */
export class ClosedPipe extends Error {}

function write(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  let bytes = new TextEncoder().encode(text);
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(stream.writeSync(bytes));
    } catch (error) {
      if (error instanceof Deno.errors.BrokenPipe) throw new ClosedPipe();
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
      // The stream was left non-blocking by another program that shares it.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

function readProc(path: string): Uint8Array | undefined {
  try {
    return Deno.readFileSync(path);
  } catch {
    return undefined; // /proc is not mounted: the runtime's own view has to do.
  }
}

/** The words in bytes: the runtime replaces what is not UTF-8, the kernel keeps it. */
function readWordBytes(words: readonly string[]): Uint8Array[] {
  const encoded = words.map((word) => new TextEncoder().encode(word));
  const all = readProc("/proc/self/cmdline");
  if (all === undefined || words.length === 0) return encoded;
  const kept = parseNulTerminated(all).slice(-words.length)
    .map((word) => Uint8Array.from(word, (character) => character.charCodeAt(0)));
  const decoder = new TextDecoder();
  const same = kept.length === words.length &&
    kept.every((bytes, index) => decoder.decode(bytes) === decoder.decode(encoded[index]));
  return same ? kept : encoded;
}

function readEnvironment(): Environment {
  const bytes = readProc("/proc/self/environ");
  if (bytes !== undefined) return parseNulTerminated(bytes);
  return Object.entries(Deno.env.toObject())
    .map(([name, value]) => decodeByteString(new TextEncoder().encode(`${name}=${value}`)));
}

function softOpenFilesLimit(pid: number | "self"): number | undefined {
  const limits = readProc(`/proc/${pid}/limits`);
  if (limits === undefined) return undefined;
  const match = /^Max open files +(\d+)/m.exec(new TextDecoder().decode(limits));
  return match ? Number(match[1]) : undefined;
}

/**
 * The soft limit of open files before the runtime raised it to the hard one. The kernel does not keep
 * it, so the parent's is taken: it is what this process inherited unless it was changed between fork and
 * exec.
 */
function startOpenFilesLimit(): number | undefined {
  const own = softOpenFilesLimit("self");
  const parent = softOpenFilesLimit(Deno.ppid);
  return own !== undefined && parent !== undefined && parent < own ? parent : undefined;
}

/** What the launcher tells of the process as it was before the runtime started in it. */
interface Start {
  /** The environment without what the launcher put there. */
  readonly environment: Environment;
  readonly openFilesLimit: number | undefined;
  readonly ignoreSigpipe: boolean;
}

/** What the launcher puts behind its first entry. */
const LAUNCHER_ENTRIES = [
  "DENO_DIR=/dev/null",
  "DENO_NO_UPDATE_CHECK=1",
  "DENO_LOG=error,deno::cache::cache_db=off",
];

/**
 * Takes what the launcher puts before all other entries out of an environment, and reads it
 * (launcher/hand_over.c); undefined where it is not: it was not the launcher that started us.
 */
export function takeLauncherStart(environment: Environment): Start | undefined {
  const [told, ...others] = environment.slice(0, 1 + LAUNCHER_ENTRIES.length);
  const text = told?.match(/^MPTCPIZE_START=(.*)$/s)?.[1];
  if (text === undefined || others.join("\0") !== LAUNCHER_ENTRIES.join("\0")) return undefined;
  const limit = /(?:^|,)nofile:(\d+)(?:,|$)/.exec(text)?.[1];
  return {
    environment: environment.slice(1 + LAUNCHER_ENTRIES.length),
    openFilesLimit: limit === undefined ? undefined : Number(limit),
    ignoreSigpipe: text.split(",").includes("sigpipe:ign"),
  };
}

/** The real world. */
export function readEnv(): Env {
  const terminal = Deno.stdout.isTerminal();
  const whole = readEnvironment();
  const start = takeLauncherStart(whole) ??
    { environment: whole, openFilesLimit: startOpenFilesLimit(), ignoreSigpipe: false };
  return {
    words: Deno.args,
    wordBytes: readWordBytes(Deno.args),
    ...start,
    ignoredSignals: readIgnoredSignals(),
    columns: terminal ? Deno.consoleSize().columns : undefined,
    color: terminal && !Deno.noColor,
    size: () => terminal ? Deno.consoleSize() : undefined,
    onSignal: (signal, handler) => Deno.addSignalListener(signal, handler),
    offSignal: (signal, handler) => Deno.removeSignalListener(signal, handler),
    stop: () => Deno.kill(Deno.pid, "SIGSTOP"),
    out: (text) => write(Deno.stdout, text),
    err: (text) => write(Deno.stderr, text),
  };
}
