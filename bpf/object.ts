/**
 * The BPF object: where its file is, and what the kernel says when it is loaded.
 *
 * @module
 */

import {
  MptcpizeError,
  NotPermittedError,
  NotSupportedError,
  SyscallError,
  VerifierError,
} from "../errors.ts";
import { Errno, errnoName, errnoWords } from "../ffi/errno.ts";
import { BpfObject } from "../ffi/libbpf.ts";

/** What reaches programs where BPF cannot. */
export const OTHER_WAYS =
  "`mptcpize run` forces dynamic and Go programs without it, and `--method patch` static ones";

/** The object's file. */
export interface ObjectFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The start of its SHA-256. */
  readonly digest: bigint;
}

let read: ObjectFile | undefined;

/**
 * Reads the object that came with this code.
 *
 * @throws {NotSupportedError} when its file is not there
 */
export function readObjectFile(): ObjectFile {
  if (read) return read;
  const url = new URL("./lib/mptcpify.bpf.o", import.meta.url);
  try {
    const bytes = Deno.readFileSync(url);
    // Not imported: loading it takes longer than all of our own modules, for each command.
    // deno-lint-ignore no-process-global
    const { createHash } = process.getBuiltinModule("node:crypto");
    const hash = createHash("sha256").update(bytes).digest();
    return read = { bytes, digest: hash.readBigUInt64LE(0) };
  } catch (cause) {
    throw new NotSupportedError(`Cannot load the BPF program: ${url.pathname} cannot be read`, {
      cause,
      hint: "`deno task build` makes it, and `mptcpize install` brings it along",
    });
  }
}

/** The capabilities that BPF needs, by their bits in CapEff; CAP_SYS_ADMIN stands for each. */
const CAPABILITIES = { CAP_BPF: 39n, CAP_PERFMON: 38n, CAP_NET_ADMIN: 12n } as const;
const CAP_SYS_ADMIN = 21n;

function effectiveCapabilities(): bigint {
  const digits = /^CapEff:\s*([0-9a-f]+)$/m.exec(Deno.readTextFileSync("/proc/self/status"))?.[1];
  return BigInt(`0x${digits ?? "0"}`);
}

/**
 * The capabilities that this process lacks.
 *
 * Source: Documentation/bpf and bpf_prog_load() in kernel/bpf/syscall.c @ v6.12: CAP_BPF for all,
 * CAP_PERFMON for programs that trace, CAP_NET_ADMIN for those of cgroups.
 */
export function missingCapabilities(wanted: readonly (keyof typeof CAPABILITIES)[]): string[] {
  const effective = effectiveCapabilities();
  const has = (bit: bigint) => (effective >> bit & 1n) === 1n;
  return wanted.filter((name) => !has(CAPABILITIES[name]) && !has(CAP_SYS_ADMIN));
}

/** The error for a bpf(2) that was refused (EPERM, EACCES). */
export function permissionError(
  what: string,
  wanted: readonly (keyof typeof CAPABILITIES)[],
  cause?: unknown,
): MptcpizeError {
  const missing = missingCapabilities(wanted);
  const listed = (names: readonly string[]) => names.join(", ").replace(/, (?=\w+$)/, " and ");
  if (missing.length > 0) {
    return new NotPermittedError(`Cannot ${what}: it takes ${listed(missing)}`, {
      cause,
      capability: missing.join(","),
      hint: "run it as root",
    });
  }
  return new NotSupportedError(
    `Cannot ${what}: the kernel does not permit it, not even with ${
      listed(wanted)
    }: it is locked ` +
      "down, or a container forbids it (bpf: EPERM)",
    { cause, hint: OTHER_WAYS },
  );
}

/** A failure of bpf(2) in the words of this program; other errors as they are. */
export function translate(
  what: string,
  error: unknown,
  wanted: readonly (keyof typeof CAPABILITIES)[] = ["CAP_BPF"],
): unknown {
  if (!(error instanceof SyscallError)) return error;
  if (error.errno === Errno.EPERM || error.errno === Errno.EACCES) {
    return permissionError(what, wanted, error);
  }
  return error;
}

const BTF = "/sys/kernel/btf/vmlinux";
const FUNCTION = "update_socket_protocol";

/** Whether the kernel's type information holds each of some names; undefined where there is none. */
function typesName(...names: readonly string[]): boolean | undefined {
  let types: string;
  try {
    types = new TextDecoder("latin1").decode(Deno.readFileSync(BTF));
  } catch {
    return undefined;
  }
  return names.every((name) => types.includes(`\0${name}\0`));
}

/** Which programs of the object are wanted. */
export interface WantedPrograms {
  readonly force: boolean;
  readonly soften: boolean;
}

/** The line of a verifier's log that says what is wrong; empty where none does. */
export function summarizeLog(log: string): string {
  // Behind it come counts.
  const counts = /^(processed|verification time|stack depth)\b/;
  return log.trimEnd().split("\n").findLast((line) => !counts.test(line))?.trim() ?? "";
}

/** What a refusal to load means: by the error number, the verifier's log and what the kernel has. */
function loadError(errno: number, log: string, programs: WantedPrograms): MptcpizeError {
  const what = "load the BPF program";
  const named = typesName(FUNCTION);
  if (named === undefined) {
    return new NotSupportedError(
      `Cannot ${what}: the kernel has no type information (${BTF} is not there)`,
      { hint: `a kernel with CONFIG_DEBUG_INFO_BTF=y; ${OTHER_WAYS}` },
    );
  }
  if (!named && programs.force) {
    return new NotSupportedError(
      `Cannot ${what}: this kernel lets no program choose the protocol of a socket ` +
        `(no ${FUNCTION}: ${errnoName(errno)})`,
      { hint: `Linux 6.6 or newer; ${OTHER_WAYS}` },
    );
  }
  if (log.includes(`${FUNCTION}() is not modifiable`)) {
    return new NotSupportedError(`Cannot ${what}: this kernel was built without MPTCP`, {
      hint: "a kernel with CONFIG_MPTCP=y and CONFIG_BPF_JIT=y",
    });
  }
  if (errno === Errno.EPERM) {
    const last = programs.soften ? ["CAP_NET_ADMIN"] as const : [];
    return permissionError(what, ["CAP_BPF", "CAP_PERFMON", ...last]);
  }
  const summary = summarizeLog(log);
  if (summary !== "") {
    return new VerifierError(
      `Cannot ${what}: the kernel's verifier refuses it: ${summary} (bpf: ${errnoName(errno)})`,
      { summary, log, hint: "report it with the log, which `--json` shows" },
    );
  }
  return new NotSupportedError(
    `Cannot ${what}: ${errnoWords(errno)} (bpf: ${errnoName(errno)})`,
    { hint: OTHER_WAYS },
  );
}

/** The programs of the object, as their pins are named. */
export const PROGRAMS = { force: "mptcpize_force", soften: "mptcpize_soften" } as const;
/** The maps of the object, as their pins are named; the settings are a global variable. */
export const MAPS = {
  targets: "mptcpize_target",
  names: "mptcpize_name",
  settings: ".data",
} as const;

/**
 * Loads the object; nothing is attached or pinned.
 *
 * @param maps descriptors of maps to take over
 * @throws {NotFoundError} where libbpf is absent
 * @throws {NotPermittedError} without the capabilities
 * @throws {NotSupportedError} where the kernel cannot do it
 * @throws {VerifierError} where the verifier refuses it
 */
export function loadObject(
  programs: WantedPrograms,
  maps: Partial<Record<keyof typeof MAPS, number>> = {},
): BpfObject {
  const { bytes } = readObjectFile();
  const object = new BpfObject(bytes, "mptcpize");
  try {
    if (!programs.force) object.leaveOut(PROGRAMS.force);
    if (!programs.soften) object.leaveOut(PROGRAMS.soften);
    for (const [name, fd] of Object.entries(maps)) {
      const errno = object.reuseMap(MAPS[name as keyof typeof MAPS], fd);
      if (errno !== 0) throw loadError(errno, "", programs);
    }
    const { errno, log } = object.load();
    if (errno !== 0) throw loadError(errno, log, programs);
    return object;
  } catch (error) {
    object[Symbol.dispose]();
    throw error;
  }
}

/**
 * Where the kernel keeps the number by which MPTCP's part of a network namespace is found; 0 where it
 * does not tell.
 *
 * Source: /proc/kallsyms shows addresses to root, or with CAP_SYSLOG where kernel.kptr_restrict is not
 * 2; static variables only with CONFIG_KALLSYMS_ALL.
 */
export function findPernetId(): bigint {
  // The program goes without where the struct is not what it knows.
  if (!typesName("mptcp_pernet", "mptcp_enabled")) return 0n;
  let symbols: string;
  try {
    symbols = new TextDecoder("latin1").decode(Deno.readFileSync("/proc/kallsyms"));
  } catch {
    return 0n;
  }
  const address = /^([0-9a-f]+) \w mptcp_pernet_id$/m.exec(symbols)?.[1];
  return BigInt(`0x${address ?? "0"}`);
}
