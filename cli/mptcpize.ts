#!/usr/bin/env -S deno run -qA
/**
 * The executable. A symbolic link to this file works too: what it imports lies beside the file itself.
 *
 * @module
 */

const folder = Deno.realPathSync(import.meta.filename!).replace(/[^/]*$/, "");
const { main } = await import(`file://${encodeURI(folder)}main.ts`) as typeof import("./main.ts");
const { readEnv } = await import(`file://${encodeURI(folder)}env.ts`) as typeof import("./env.ts");

Deno.exit(await main(readEnv()));
