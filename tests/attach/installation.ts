/**
 * An installation whose command line is this checkout's, since the lab has nothing to bundle it with.
 *
 * @module
 */

import { fillLauncher } from "../../install/mod.ts";

const FOLDER = "/usr/lib/mptcpize";
const COMMAND = "/usr/local/bin/mptcpize";

/** The library that services load. */
export const LIBRARY = `${FOLDER}/lib/${Deno.build.arch}/libmptcpize.so`;

/** Whether it is installed already. */
export function isInstalled(): boolean {
  try {
    return Deno.statSync(LIBRARY).isFile;
  } catch {
    return false;
  }
}

/** Installs, until it is disposed of. */
export function installCheckout(): Disposable {
  const launcher = new URL(`../../launcher/bin/${Deno.build.arch}/mptcpize`, import.meta.url);
  const cli = new URL("../../cli/mptcpize.ts", import.meta.url).href;
  Deno.mkdirSync(FOLDER, { mode: 0o755 });
  Deno.copyFileSync(Deno.execPath(), `${FOLDER}/deno`);
  Deno.chmodSync(`${FOLDER}/deno`, 0o755);
  Deno.mkdirSync(LIBRARY.slice(0, LIBRARY.lastIndexOf("/")), { recursive: true });
  const library = `../../preload/lib/${Deno.build.arch}/libmptcpize.so`;
  Deno.copyFileSync(new URL(library, import.meta.url), LIBRARY);
  Deno.writeTextFileSync(`${FOLDER}/mptcpize.js`, `await import(${JSON.stringify(cli)});\n`);
  Deno.writeFileSync(COMMAND, fillLauncher(Deno.readFileSync(launcher), FOLDER), { mode: 0o755 });
  return {
    [Symbol.dispose]() {
      Deno.removeSync(COMMAND);
      Deno.removeSync(FOLDER, { recursive: true });
    },
  };
}
