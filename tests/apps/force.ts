/**
 * How the tests start a command under mptcpize: the one place that knows the words.
 *
 * @module
 */

/** The entry of the command line, as a path. */
export const CLI = new URL("../../cli/mptcpize.ts", import.meta.url).pathname;

/** The choices that `mptcpize run` offers. */
export interface ForceOptions {
  /** `--method`; absent for what `run` chooses. */
  readonly method?: "preload" | "godebug";
}

/** The words that run a command under `mptcpize run`. */
export function force(command: readonly string[], options: ForceOptions = {}): string[] {
  const method = options.method === undefined ? [] : ["--method", options.method];
  return [Deno.execPath(), "run", "-qA", CLI, "run", ...method, "--", ...command];
}
