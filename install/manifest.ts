/**
 * The list of what an installation put where; while it is being changed, the journal to undo it by.
 *
 * @module
 */

import { FormatError } from "../errors.ts";

/** A file of an installation. */
export interface ManifestFile {
  /** Where it is: absolute. */
  readonly path: string;
  /** SHA-256 of its content, in hexadecimal digits. */
  readonly sha256: string;
}

/** What an installation put where. */
export interface Manifest {
  /** The version of mptcpize. */
  readonly version: string;
  /** All its files, but for the manifest itself. */
  readonly files: readonly ManifestFile[];
  /** The folders that were made for it, each behind the one that it lies in. */
  readonly folders: readonly string[];
  /** Files of the version before that this one does not have any more. */
  readonly obsolete: readonly string[];
}

const FORMAT = 1;

/** A manifest as text. */
export function encodeManifest(manifest: Manifest): string {
  return JSON.stringify({ format: FORMAT, ...manifest }, null, 2) + "\n";
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function isFile(value: unknown): value is ManifestFile {
  const file = value as Partial<ManifestFile> | null;
  return typeof file === "object" && file !== null && typeof file.path === "string" &&
    typeof file.sha256 === "string" && /^[0-9a-f]{64}$/.test(file.sha256);
}

/**
 * Parses a manifest.
 *
 * Every path must be absolute and plain: what it names is going to be removed.
 *
 * @param name the file, for the error
 * @throws {FormatError} when it is none, or of a format that is not known here
 */
export function parseManifest(text: string, name: string): Manifest {
  const fail = (what: string): never => {
    throw new FormatError(`Cannot read the manifest ${name}: ${what}`);
  };
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(text);
  } catch {
    return fail("it is not JSON");
  }
  if (typeof value !== "object" || value === null) return fail("it is no object");
  const { format, version, files, folders, obsolete } = value;
  if (format !== FORMAT) return fail(`its format is ${format}, and only ${FORMAT} is known here`);
  if (
    typeof version !== "string" || !Array.isArray(files) || !files.every(isFile) ||
    !isStrings(folders) || !isStrings(obsolete)
  ) return fail("a field is missing or wrong");
  for (const path of [...files.map((file) => file.path), ...folders, ...obsolete]) {
    const plain = path.startsWith("/") &&
      path.slice(1).split("/").every((part) => part !== "" && part !== "." && part !== "..");
    if (!plain) fail(`${JSON.stringify(path)} is no plain absolute path`);
  }
  return { version, files, folders, obsolete };
}
