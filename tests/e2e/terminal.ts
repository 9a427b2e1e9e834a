/**
 * A shell on a terminal of its own, typed at as a person does.
 *
 * @module
 */

/** What a test does with the terminal. */
export interface Terminal {
  /** Types text, control characters included. */
  type(text: string): Promise<void>;
  /**
   * Reads on until a pattern is found, and gives all up to its end.
   *
   * @throws {Error} when the shell ends before
   */
  until(pattern: RegExp): Promise<string>;
}

/** Lets a test type at a bash on a terminal; it is ended after a minute at the latest. */
export async function withTerminal(
  terminalType: string,
  work: (terminal: Terminal) => Promise<void>,
): Promise<void> {
  const shell = new Deno.Command("script", {
    args: ["-qefc", "bash --norc --noprofile -i", "/dev/null"],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
    env: { TERM: terminalType },
  }).spawn();
  const writer = shell.stdin.getWriter();
  const reader = shell.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let seen = "";
  const type = (text: string) => writer.write(new TextEncoder().encode(text));
  const until = async (pattern: RegExp) => {
    for (;;) {
      const found = pattern.exec(seen);
      if (found) {
        const before = seen.slice(0, found.index + found[0].length);
        seen = seen.slice(before.length);
        return before;
      }
      const { done, value } = await reader.read();
      if (done) throw new Error(`Cannot find ${pattern} in ${JSON.stringify(seen)}`);
      seen += value;
    }
  };
  const watchdog = setTimeout(() => shell.kill("SIGKILL"), 60_000);
  try {
    await type("PS1='rea''dy> '\n");
    await until(/ready> /);
    await work({ type, until });
    await type("exit\n");
    await shell.status;
  } finally {
    clearTimeout(watchdog);
    await writer.close().catch(() => {});
    await reader.cancel();
    await shell.status;
  }
}
