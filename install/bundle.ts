/**
 * The command line of a checkout as one file.
 *
 * @module
 */

import { MptcpizeError } from "../errors.ts";

/**
 * Bundles the command line of this checkout, by a process of its own, for which the checkout's lock file
 * counts.
 *
 * @throws {MptcpizeError} when esbuild cannot be had from npm, or refuses the sources
 */
export async function bundle(): Promise<Uint8Array<ArrayBuffer>> {
  const root = decodeURIComponent(new URL("../", import.meta.url).pathname);
  const file = Deno.makeTempFileSync({ prefix: "mptcpize-bundle-", suffix: ".js" });
  try {
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-qA", "scripts/bundle.ts", file],
      cwd: root,
      env: { NO_COLOR: "1" },
      stdin: "null",
    }).output();
    if (!success) {
      const words = new TextDecoder().decode(stderr).trim();
      throw new MptcpizeError(`Cannot bundle the command line: ${words}`, {
        hint: "esbuild comes from npm the first time: check the network",
      });
    }
    return Deno.readFileSync(file);
  } finally {
    Deno.removeSync(file);
  }
}
