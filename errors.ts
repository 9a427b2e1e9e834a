/**
 * The errors that this library throws, one class for each meaning a caller may act on.
 *
 * Messages read `Cannot <verb> <object>: <state now>, <state wanted> (<call>: <ERRNO>)`: sentence
 * case, no final period, with the value that was wrong. What to do about it is {@linkcode
 * MptcpizeError.hint}, never part of the message.
 *
 * @module
 */

/** What every error of this library carries besides its message. */
export interface ErrorDetails {
  /** One thing the user can do, as a sentence without a final period; commands in backticks. */
  readonly hint?: string;
  /** The error that led to this one. */
  readonly cause?: unknown;
}

/**
 * The base of all errors that this library throws on purpose.
 *
 * @example
 * ```ts
 * import { MptcpizeError, UsageError } from "./errors.ts";
 * const error = new UsageError("Cannot parse --pid: `x` is not a number", { hint: "give a PID" });
 * console.assert(error instanceof MptcpizeError && error.hint === "give a PID");
 * ```
 */
export class MptcpizeError extends Error {
  /** The name of the class, by which an error under `--json` is told. */
  override name = "MptcpizeError";
  /** One thing to do about it. */
  readonly hint: string | undefined;

  /** Takes the message in its final form. */
  constructor(message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.hint = details.hint;
  }

  /** What the message says behind `Cannot <verb> <object>: `. */
  get state(): string {
    return this.message.replace(/^Cannot [^:]*: /, "");
  }

  /** The shape of one error under `--json`. */
  toJSON(): Record<string, unknown> {
    return {
      error: this.name,
      message: this.message,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
    };
  }
}

/** The words of the caller make no sense: a flag, a name, a value. Exit status 2. */
export class UsageError extends MptcpizeError {
  /** The name of the class. */
  override name = "UsageError";
}

/** This machine, kernel or program cannot do what was asked, and no retry will help. */
export class NotSupportedError extends MptcpizeError {
  /** The name of the class. */
  override name = "NotSupportedError";
}

/** Something that was named, or that is needed, is not there. */
export class NotFoundError extends MptcpizeError {
  /** The name of the class. */
  override name = "NotFoundError";
  /** Every place that was looked at, in order. */
  readonly tried: readonly string[];

  /** Takes the message in its final form. */
  constructor(
    message: string,
    details: ErrorDetails & { readonly tried?: readonly string[] } = {},
  ) {
    super(message, details);
    this.tried = details.tried ?? [];
  }

  /** The shape of one error under `--json`. */
  override toJSON(): Record<string, unknown> {
    return { ...super.toJSON(), tried: this.tried };
  }
}

/** The caller lacks a right. */
export class NotPermittedError extends MptcpizeError {
  /** The name of the class. */
  override name = "NotPermittedError";
  /** The capability that would do, such as `CAP_SYS_PTRACE`, if one would. */
  readonly capability: string | undefined;

  /** Takes the message in its final form. */
  constructor(message: string, details: ErrorDetails & { readonly capability?: string } = {}) {
    super(message, details);
    this.capability = details.capability;
  }

  /** The shape of one error under `--json`. */
  override toJSON(): Record<string, unknown> {
    return {
      ...super.toJSON(),
      ...(this.capability === undefined ? {} : { capability: this.capability }),
    };
  }
}

/** What is there stands against what was asked. */
export class ConflictError extends MptcpizeError {
  /** The name of the class. */
  override name = "ConflictError";
}

/** A file whose bytes are not what its format demands: truncated, out of range, endless. */
export class FormatError extends MptcpizeError {
  /** The name of the class. */
  override name = "FormatError";
}

/** The kernel's verifier refused a BPF program. */
export class VerifierError extends MptcpizeError {
  /** The name of the class. */
  override name = "VerifierError";
  /** The line of the log that tells why. */
  readonly summary: string;
  /** The verifier's whole log. */
  readonly log: string;

  /** Takes the message in its final form. */
  constructor(
    message: string,
    details: ErrorDetails & { readonly summary: string; readonly log: string },
  ) {
    super(message, details);
    this.summary = details.summary;
    this.log = details.log;
  }

  /** The shape of one error under `--json`. */
  override toJSON(): Record<string, unknown> {
    return { ...super.toJSON(), summary: this.summary, log: this.log };
  }
}

/** A system call failed. */
export class SyscallError extends MptcpizeError {
  /** The name of the class. */
  override name = "SyscallError";
  /** The call as its man page names it, such as `pidfd_getfd`. */
  readonly call: string;
  /** The error number, positive. */
  readonly errno: number;
  /** The name of {@linkcode SyscallError.errno}, such as `EPERM`. */
  readonly code: string;

  /** Takes the message in its final form. */
  constructor(
    message: string,
    details: ErrorDetails & {
      readonly call: string;
      readonly errno: number;
      readonly code: string;
    },
  ) {
    super(message, details);
    this.call = details.call;
    this.errno = details.errno;
    this.code = details.code;
  }

  /** The shape of one error under `--json`. */
  override toJSON(): Record<string, unknown> {
    return { ...super.toJSON(), call: this.call, errno: this.errno, code: this.code };
  }
}
