/**
 * Where execvp(3) looks for a command, in order.
 *
 * @module
 */

const SLASH = 0x2f;
const COLON = 0x3a;
const PATH_MAX = 4096;

/** The PATH of a process that has none: CS_PATH of the GNU C library. */
const DEFAULT_PATH = "/bin:/usr/bin";

/** The bytes of a string in UTF-8, or the bytes themselves. */
export function toBytes(text: string | Uint8Array): Uint8Array {
  return typeof text === "string" ? new TextEncoder().encode(text) : text;
}

/**
 * The files that execvp(3) tries to execute, in order.
 *
 * A command with a slash is taken as it is. An empty element of PATH means the working directory. The
 * empty command is nowhere.
 *
 * Source: glibc 2.36, posix/execvpe.c. It skips an element of PATH_MAX bytes or more, and so does this;
 * that it then tries the working directory as well is a slip that is not repeated here.
 */
export function lookupPaths(
  command: Uint8Array,
  environmentPath: string | Uint8Array | undefined,
): Uint8Array[] {
  if (command.length === 0) return [];
  if (command.includes(SLASH)) return [command];
  const path = toBytes(environmentPath ?? DEFAULT_PATH);
  const paths: Uint8Array[] = [];
  for (let start = 0; start <= path.length;) {
    const colon = path.indexOf(COLON, start);
    const end = colon === -1 ? path.length : colon;
    if (end - start < PATH_MAX) paths.push(join(path.subarray(start, end), command));
    start = end + 1;
  }
  return paths;
}

function join(directory: Uint8Array, name: Uint8Array): Uint8Array {
  if (directory.length === 0) return name;
  const joined = new Uint8Array(directory.length + 1 + name.length);
  joined.set(directory);
  joined[directory.length] = SLASH;
  joined.set(name, directory.length + 1);
  return joined;
}
