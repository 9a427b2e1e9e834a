/**
 * The command line as one file: `bundle.ts FILE` for an installation, `bundle.ts FILE CHECKOUT` for what goes on
 * finding the other files of a checkout, which lies at that URL.
 *
 * @module
 */

import { build, type Plugin, stop } from "esbuild";

/** As `cli/mptcpize.ts`, but with imports that a bundler can follow. */
const ENTRY = `import { main } from "./main.ts";
import { readEnv } from "./env.ts";
Deno.exit(await main(readEnv()));
`;

/** Has each module believe that it lies where it would without being bundled. */
function keepPlaces(root: string, checkout: string): Plugin {
  return {
    name: "places",
    setup: ({ onLoad }) =>
      onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const text = await Deno.readTextFile(path);
        const place = JSON.stringify(`${checkout}${path.slice(root.length)}`);
        return { contents: text.replaceAll("import.meta.url", place), loader: "ts" };
      }),
  };
}

/**
 * Bundles the command line of this checkout; the same sources give the same bytes.
 *
 * @throws {Error} when esbuild cannot be had from npm, or refuses the sources
 */
export async function bundle(checkout?: string): Promise<Uint8Array<ArrayBuffer>> {
  const root = decodeURIComponent(new URL("../../", import.meta.url).pathname);
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
      plugins: checkout === undefined ? [] : [keepPlaces(root, checkout)],
      legalComments: "none",
      logLevel: "silent",
    });
    return new Uint8Array(outputFiles[0]!.contents);
  } finally {
    await stop();
  }
}

if (import.meta.main) {
  const [file, checkout] = Deno.args;
  if (file === undefined) {
    console.error("bundle: name the file to write");
    Deno.exit(2);
  }
  await Deno.writeFile(file, await bundle(checkout));
}
