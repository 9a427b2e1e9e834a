/**
 * The single steps on files: each either happens or does not, whenever the power fails.
 *
 * @module
 */

import { ConflictError, MptcpizeError, NotPermittedError } from "../errors.ts";

/** What a file of an installation consists of: bytes, or another file's. */
export type Content = Uint8Array<ArrayBuffer> | { readonly copyOf: string };

/** The name that a file has before it is complete. */
export function stagedName(path: string): string {
  return path.replace(/[^/]*$/, (name) => `.${name}.mptcpize-new`);
}

/** The name that what a file replaces has until all is done. */
export function backupName(path: string): string {
  return path.replace(/[^/]*$/, (name) => `.${name}.mptcpize-old`);
}

/** The folder that something lies in. */
export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

/** What stands at a path, a symbolic link not followed; undefined if nothing. */
export function look(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return undefined;
    }
    throw error;
  }
}

/** SHA-256 in hexadecimal digits. */
export async function digest(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/** The digest of a regular file; undefined for what is none. */
export async function fileDigest(path: string): Promise<string | undefined> {
  if (!look(path)?.isFile) return undefined;
  return await digest(Deno.readFileSync(path));
}

/** The digest that a content will have as a file. */
export async function contentDigest(content: Content): Promise<string> {
  return await digest("copyOf" in content ? Deno.readFileSync(content.copyOf) : content);
}

/** Writes a new file, down to the disk; fails where something stands already. */
export function writeNew(path: string, content: Content, mode: number): void {
  using file = Deno.openSync(path, { createNew: true, write: true, mode: 0o600 });
  if ("copyOf" in content) Deno.copyFileSync(content.copyOf, path);
  else {
    for (let rest: Uint8Array = content; rest.length > 0;) {
      rest = rest.subarray(file.writeSync(rest));
    }
  }
  // After the copy, which takes the mode along; and whatever the umask is.
  Deno.chmodSync(path, mode);
  file.syncSync();
}

/** Gives a complete file its name, where nothing stands: never over a file that has come meanwhile. */
export function placeNew(staged: string, path: string): void {
  Deno.linkSync(staged, path);
  Deno.removeSync(staged);
}

/** Gives a complete file its name in place of another one, which is kept aside. */
export function placeOver(staged: string, path: string): void {
  Deno.linkSync(path, backupName(path));
  Deno.renameSync(staged, path);
}

/** Removes a file if it is there. */
export function removeFile(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory)) {
      throw error;
    }
  }
}

/** Removes a folder if it is there and empty. */
export function removeEmptyFolder(path: string): void {
  try {
    if (!look(path)?.isDirectory || [...Deno.readDirSync(path)].length > 0) return;
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * Keeps others from changing what lies in a folder until it is disposed of; of a folder that is not
 * there, the nearest one above.
 *
 * @throws {ConflictError} while another process does
 */
export function lockFolder(folder: string): Disposable {
  let at = folder;
  while (at !== "/" && look(at) === undefined) at = parentOf(at);
  const file = Deno.openSync(at);
  if (file.tryLockSync(true)) {
    return {
      [Symbol.dispose]: () => {
        // Closing alone would not do while a process that is being started has a copy.
        file.unlockSync();
        file.close();
      },
    };
  }
  file.close();
  throw new ConflictError(`Cannot change ${folder}: another process is at it`, {
    hint: "wait for it, and try again",
  });
}

/** An error of the runtime in the words of this library; its own errors stay. */
export function translated(what: string, error: unknown, hint: string): Error {
  if (error instanceof MptcpizeError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const text = `Cannot ${what}: ${message}`;
  const details = { cause: error, hint };
  if (error instanceof Deno.errors.PermissionDenied) return new NotPermittedError(text, details);
  if (error instanceof Deno.errors.AlreadyExists) return new ConflictError(text, details);
  return new MptcpizeError(text, details);
}
