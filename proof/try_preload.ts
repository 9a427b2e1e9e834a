/**
 * Whether the method `preload` works here: tried on a real child.
 *
 * @module
 */

import { MptcpizeError } from "../errors.ts";
import { planCommand } from "../force/mod.ts";
import { readProcessSockets, type Verdict } from "../inspect/mod.ts";
import { copyLibrary, displayByteString, type Environment } from "../preload/mod.ts";

/** How the trial went. */
export interface PreloadTrial {
  /** What the child's listener is; undefined when it did not get that far. */
  readonly verdict: Verdict | undefined;
  /** Where the library lies. */
  readonly library: string | undefined;
  /** Why it did not get that far, as a sentence without a final period. */
  readonly failure?: string;
  /** What mends that. */
  readonly mend?: string;
}

/** Listens as a program does that knows nothing of MPTCP, says so, and ends with its input. */
const CHILD = `const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
Deno.stdout.writeSync(new Uint8Array([10]));
Deno.stdin.readSync(new Uint8Array(1));
listener.close();`;
const PATIENCE_MS = 10_000;

/**
 * Starts this very Deno, a dynamic program, forced; has it listen, and asks the kernel what became of that.
 *
 * @param environment what the child starts with, before it is forced
 */
export async function tryPreload(environment: Environment): Promise<PreloadTrial> {
  const words = [Deno.execPath(), "eval", "--no-config", CHILD];
  const encoder = new TextEncoder();
  let library: string | undefined;
  try {
    const plan = await planCommand({
      words: words.map((word) => encoder.encode(word)),
      environment,
      method: "preload",
    });
    library = plan.library?.path;
    if (plan.library !== undefined) copyLibrary(plan.library);
    const child = new Deno.Command(words[0]!, {
      args: words.slice(1),
      env: Object.fromEntries(
        plan.changes.map(({ name, after }) => [name, displayByteString(after)]),
      ),
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
      signal: AbortSignal.timeout(PATIENCE_MS),
    }).spawn();
    try {
      const reader = child.stdout.getReader();
      const { done } = await reader.read();
      if (done) {
        return { verdict: undefined, library, failure: "the child ended before it listened" };
      }
      const { sockets } = readProcessSockets(child.pid);
      await reader.cancel();
      return { verdict: sockets.find(({ state }) => state === "LISTEN")?.verdict, library };
    } finally {
      await child.stdin.close();
      await child.status;
    }
  } catch (error) {
    if (!(error instanceof MptcpizeError)) throw error;
    const { message: failure, hint: mend } = error;
    return { verdict: undefined, library, failure, ...(mend !== undefined && { mend }) };
  }
}
