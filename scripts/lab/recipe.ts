/**
 * What the kernel lab is made of, and where what was made is kept.
 *
 * @module
 */

import recipe from "../../tests/lab/kernels.json" with { type: "json" };

/** One kernel of the lab. */
export interface Kernel {
  /** The suite of Debian that it is in. */
  readonly suite: string;
  /** Patterns, each for the name of one package; of several that match, the newest is taken. */
  readonly packages: readonly string[];
  /** The features that tests may not skip for on this kernel. */
  readonly has: readonly string[];
  /** The features that it is known to lack, each with the reason. */
  readonly lacks: Readonly<Record<string, string>>;
}

/** The whole of tests/lab/kernels.json. */
export interface Recipe {
  /** The system that every kernel boots into. */
  readonly root: {
    readonly suite: string;
    readonly packages: readonly string[];
  };
  /** The files and folders of tests that run in the lab, side by side. */
  readonly tests: readonly string[];
  /** Those that change the whole machine: they run after the others, one at a time. */
  readonly alone: readonly string[];
  /**
   * Those that go on after a reboot: they run last, with `MPTCPIZE_BOOT` 1, and alone with 2 when the
   * machine was turned off and on again.
   */
  readonly reboot: readonly string[];
  /** Those of `alone` with a program that needs the instruction CMPXCHG16B. */
  readonly cx16: readonly string[];
  /** The kernels by name, the oldest first. */
  readonly kernels: Readonly<Record<string, Kernel>>;
}

/** What the lab is made of. */
export const RECIPE: Recipe = recipe;

/** Counts up when the code that makes images gives something else than before. */
const GENERATION = 1;

/** The folder of the lab in the cache; `MPTCPIZE_CACHE` moves the cache. */
export function labFolder(): string {
  const cache = Deno.env.get("MPTCPIZE_CACHE") ??
    `${Deno.env.get("XDG_CACHE_HOME") || `${Deno.env.get("HOME")}/.cache`}/mptcpize`;
  return `${cache}/lab`;
}

/** A name for what a part of the recipe makes: the same part gives the same name. */
async function nameOf(stem: string, part: unknown): Promise<string> {
  const text = JSON.stringify([GENERATION, Deno.build.arch, part]);
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return `${stem}-${new Uint8Array(hash).slice(0, 6).toHex()}`;
}

/**
 * The folder that holds what a part of the recipe makes; made on the first call.
 *
 * It appears whole or not at all, and older ones of the same stem go.
 *
 * @param make fills the folder that it is given
 */
export async function cached(
  stem: string,
  part: unknown,
  make: (folder: string) => Promise<void>,
): Promise<string> {
  const name = await nameOf(stem, part);
  const target = `${labFolder()}/${name}`;
  if (await exists(target)) return target;
  Deno.mkdirSync(labFolder(), { recursive: true });
  const started = performance.now();
  console.log(`lab: making ${stem}`);
  const folder = await Deno.makeTempDir({ dir: labFolder(), prefix: `.${name}-` });
  try {
    await make(folder);
    Deno.chmodSync(folder, 0o755);
    // Another run may have been first, and be using it.
    if (await exists(target)) throw new Deno.errors.AlreadyExists(target);
    for (const { name: other } of Deno.readDirSync(labFolder())) {
      if (other.startsWith(`${stem}-`)) await remove(`${labFolder()}/${other}`);
    }
    await Deno.rename(folder, target);
  } catch (error) {
    await remove(folder);
    if (!await exists(target)) throw error;
  }
  console.log(`lab: ${stem} took ${((performance.now() - started) / 1000).toFixed(0)} s`);
  return target;
}

/** Whether there is something at a path. */
export async function exists(path: string | URL): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** Removes a file or a whole folder, if it is there. */
export async function remove(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}

/**
 * Runs a command and gives what it printed.
 *
 * @throws {Error} with what it said, when it fails.
 */
export async function run(
  words: readonly [string, ...string[]],
  options: Pick<Deno.CommandOptions, "cwd" | "env"> = {},
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(words[0], {
    args: words.slice(1),
    stdin: "null",
    ...options,
  }).output();
  const decoder = new TextDecoder();
  if (!success) {
    throw new Error(
      `Cannot run ${words.join(" ")}:\n${decoder.decode(stdout)}${decoder.decode(stderr)}`,
    );
  }
  return decoder.decode(stdout);
}
