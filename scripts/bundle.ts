/**
 * The command line as one file, for an installation: `bundle.ts FILE`, or by {@linkcode bundle}.
 *
 * @module
 */

import { build, stop } from "esbuild";

/** As `cli/mptcpize.ts`, but with imports that a bundler can follow. */
const ENTRY = `import { main } from "./main.ts";
import { readEnv } from "./env.ts";
Deno.exit(await main(readEnv()));
`;

/**
 * Bundles the command line of this checkout; the same sources give the same bytes.
 *
 * @throws {Error} when esbuild cannot be had from npm, or refuses the sources
 */
export async function bundle(): Promise<Uint8Array<ArrayBuffer>> {
  const root = decodeURIComponent(new URL("../", import.meta.url).pathname);
  try {
    const { outputFiles } = await build({
      stdin: { contents: ENTRY, resolveDir: `${root}cli`, sourcefile: "entry.ts", loader: "ts" },
      absWorkingDir: root,
      bundle: true,
      write: false,
      format: "esm",
      target: "esnext",
      platform: "neutral",
      external: ["node:*"],
      legalComments: "none",
      logLevel: "silent",
    });
    return new Uint8Array(outputFiles[0]!.contents);
  } finally {
    await stop();
  }
}

if (import.meta.main) {
  const [file] = Deno.args;
  if (file === undefined) {
    console.error("bundle: name the file to write");
    Deno.exit(2);
  }
  await Deno.writeFile(file, await bundle());
}
