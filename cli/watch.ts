/**
 * Text that is shown anew each second, in place, on a terminal that is left as it was.
 *
 * @module
 */

import type { Env } from "./env.ts";

const INTERVAL_MS = 1000;
/** The other screen, so that what was on this one comes back; and no cursor. */
const ENTER = "\x1b[?1049h\x1b[?25l";
const LEAVE = "\x1b[?25h\x1b[?1049l";
const HOME = "\x1b[H";
const CLEAR_LINE = "\x1b[K";
const CLEAR_REST = "\x1b[J";

const ENDING = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** Source: signal(7). */
const SIGNAL_NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

// deno-lint-ignore no-control-regex
const PAINT = /\x1b\[\d+m/g;

/** A line that is at most as wide as the terminal; the codes of colours have no width. */
function clip(line: string, columns: number): string {
  if (line.replace(PAINT, "").length <= columns) return line;
  return line.replace(PAINT, "").slice(0, columns - 1) + "…";
}

/** One screen: the text from its top, with a last line that says what did not fit. */
export function frame(text: string, size: { columns: number; rows: number }): string {
  const lines = text.replace(/\n$/, "").split("\n");
  const shown = lines.length <= size.rows ? lines : [
    ...lines.slice(0, size.rows - 1),
    `… ${lines.length - size.rows + 1} more lines`,
  ];
  return HOME +
    shown.map((line) => clip(line, size.columns) + CLEAR_LINE).join("\r\n") + CLEAR_REST;
}

/**
 * Shows text anew each second until a signal ends it: in place on a terminal, else one after the other.
 *
 * ^Z leaves the terminal as it was too, and `fg` goes on.
 *
 * @param plain one after the other on a terminal too, as JSON lines are
 * @returns the exit status: 0 for ^C, else 128 and the number of the signal
 */
export async function watch(env: Env, plain: boolean, render: () => string): Promise<number> {
  const inPlace = !plain && env.size() !== undefined;
  let status: number | undefined;
  let wake: () => void = () => {};
  const handlers = ENDING.map((signal) => {
    const handler = () => {
      // Interrupted is how it ends.
      status = signal === "SIGINT" ? 0 : 128 + SIGNAL_NUMBERS[signal];
      wake();
    };
    return [signal, handler] as const;
  });
  const stop = () => {
    env.out(LEAVE);
    env.stop();
    env.out(ENTER);
    wake();
  };
  const resize = () => wake();
  for (const [signal, handler] of handlers) env.onSignal(signal, handler);
  if (inPlace) {
    env.onSignal("SIGTSTP", stop);
    env.onSignal("SIGWINCH", resize);
    env.out(ENTER);
  }
  try {
    while (status === undefined) {
      const text = render();
      const size = env.size();
      env.out(inPlace && size ? frame(text, size) : plain ? text : `${text}\n`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, INTERVAL_MS);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return status;
  } finally {
    if (inPlace) env.out(LEAVE);
    for (const [signal, handler] of handlers) env.offSignal(signal, handler);
    if (inPlace) {
      env.offSignal("SIGTSTP", stop);
      env.offSignal("SIGWINCH", resize);
    }
  }
}
