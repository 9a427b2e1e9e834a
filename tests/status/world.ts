/**
 * What the tests of `status` share: the command line, and cgroups.
 *
 * @module
 */

import { listCgroupMounts, type Status } from "../../mod.ts";

const CLI = new URL("../../cli/mptcpize.ts", import.meta.url).pathname;

/** How a command ended. */
export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command to its end. */
export async function run(...words: readonly string[]): Promise<Ended> {
  const { code, stdout, stderr } = await new Deno.Command(words[0]!, {
    args: words.slice(1),
    stdin: "null",
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder();
  return { code, out: text.decode(stdout), err: text.decode(stderr) };
}

/** Runs the command line of this checkout. */
export function mptcpize(...words: readonly string[]): Promise<Ended> {
  return run(Deno.execPath(), "run", "-qA", "--no-check", CLI, ...words);
}

/** All that `status --json` says. */
export async function readStatus(): Promise<{ readonly status: Status; readonly code: number }> {
  const { code, out, err } = await mptcpize("status", "--json");
  if (out === "") throw new Error(err);
  return { status: JSON.parse(out), code };
}

/** A cgroup below the uppermost; removed by `using`, whose processes have to be gone. */
export class TestCgroup implements Disposable {
  /** Its folder. */
  readonly path: string;

  /** Makes it. */
  constructor(name: string) {
    this.path = `${listCgroupMounts()[0]}/mptcpize-${name}-${Deno.pid}`;
    Deno.mkdirSync(this.path);
  }

  /** Removes it; a second time does nothing. */
  [Symbol.dispose](): void {
    try {
      Deno.removeSync(this.path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}
