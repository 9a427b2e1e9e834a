import { deepStrictEqual, ok, strictEqual } from "node:assert";
import type { Env } from "./env.ts";
import { frame, watch } from "./watch.ts";

const SIZE = { columns: 10, rows: 3 };

Deno.test("frame() cuts what does not fit, and says how much that is", () => {
  strictEqual(frame("a\nb\n", SIZE), "\x1b[Ha\x1b[K\r\nb\x1b[K\x1b[J");
  ok(frame("1\n2\n3\n4\n5", SIZE).includes("2\x1b[K\r\n… 3 more …"));
  ok(frame("0123456789x", SIZE).includes("012345678…\x1b[K"));
});

Deno.test("frame() counts colour as no width", () => {
  const painted = "\x1b[32m0123456789\x1b[0m";
  ok(frame(painted, SIZE).includes(painted));
});

function world(onTerminal: boolean) {
  const handlers = new Map<string, () => void>();
  let out = "";
  const env = {
    size: () => onTerminal ? SIZE : undefined,
    onSignal: (signal: string, handler: () => void) => handlers.set(signal, handler),
    offSignal: (signal: string) => handlers.delete(signal),
    stop: () => out += "<stopped>",
    out: (text: string) => out += text,
  } as unknown as Env;
  return { env, handlers, output: () => out };
}

Deno.test("watch() leaves the terminal as it was when it is interrupted", async () => {
  const { env, handlers, output } = world(true);
  const ended = watch(env, false, () => "text");
  handlers.get("SIGTSTP")!();
  handlers.get("SIGINT")!();
  strictEqual(await ended, 0);
  ok(output().startsWith("\x1b[?1049h\x1b[?25l"));
  ok(output().includes("\x1b[?25h\x1b[?1049l<stopped>\x1b[?1049h\x1b[?25l"));
  ok(output().endsWith("\x1b[?25h\x1b[?1049l"));
  strictEqual(handlers.size, 0);
});

Deno.test("watch() leaves the terminal as it was when rendering fails", async () => {
  const { env, handlers, output } = world(true);
  let message = "";
  try {
    await watch(env, false, () => {
      throw new Error("gone");
    });
  } catch (error) {
    message = (error as Error).message;
  }
  strictEqual(message, "gone");
  ok(output().endsWith("\x1b[?25h\x1b[?1049l"));
  strictEqual(handlers.size, 0);
});

Deno.test("watch() prints one text after the other when there is no terminal", async () => {
  const { env, handlers, output } = world(false);
  const ended = watch(env, true, () => "{}\n");
  handlers.get("SIGTERM")!();
  deepStrictEqual([await ended, output()], [143, "{}\n"]);
});
