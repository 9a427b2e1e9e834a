/**
 * The one way to leave a test out: by naming the feature that this machine lacks.
 *
 * A feature that the machine must have, because `MPTCPIZE_EXPECT` names it or says `all` as CI does,
 * is never skipped: a test of its own fails in its place. What was skipped is told once at the end
 * of a run, with what to do about it.
 *
 * @module
 */

/** What a test takes from {@linkcode skipUnless}. */
export interface Skip {
  /** Whether the test is left out. */
  readonly ignore: boolean;
}

/** The ways to get a feature that `deno task setup` does not install. */
const REMEDIES: Readonly<Record<string, string>> = {
  "root": "run the tests as root",
  "network namespaces": "run the tests as root, where unshare(CLONE_NEWNET) is permitted",
  "cgroup v2": "run the tests as root, where /sys/fs/cgroup, or unified in it, is cgroup2",
  "MPTCP": "a kernel with CONFIG_MPTCP, and sysctl net.mptcp.enabled=1",
  "native library": "build it: `deno task build`",
};

const skipped = new Map<string, string>();
const demanded = new Set<string>();

/**
 * Leaves a test out when a feature is absent, unless the feature must be there.
 *
 * `hint` says how to get the feature; without it the setup task is named. Where the feature must be
 * there, a test named `feature <name> must be there` fails instead.
 *
 * @example
 * ```ts
 * import { commandExists, skipUnless } from "./skip.ts";
 * Deno.test({
 *   name: "run forces a musl program",
 *   ...skipUnless("musl-gcc", commandExists("musl-gcc")),
 *   fn() {},
 * });
 * ```
 *
 * @throws {Error} when the feature must be there and no test can be added any more, inside a test.
 */
export function skipUnless(
  feature: string,
  present: boolean | (() => boolean),
  hint?: string,
): Skip {
  if (typeof present === "function" ? present() : present) return { ignore: false };
  const remedy = hint ?? REMEDIES[feature] ?? "as root: `deno task setup`";
  if (isExpected(feature, Deno.env.get("MPTCPIZE_EXPECT"))) demand(feature, remedy);
  else note(feature, remedy);
  return { ignore: true };
}

/** Leaves a test out when any of several features is absent. */
export function skipUnlessAll(...skips: readonly Skip[]): Skip {
  return { ignore: skips.some(({ ignore }) => ignore) };
}

/** What few machines' kernels permit: the kernel lab is asked for it by name (kernels.json), not this machine. */
const OF_THE_LAB = ["update_socket_protocol"];

/** Whether the value of `MPTCPIZE_EXPECT` says that the feature must be there. */
export function isExpected(feature: string, expect: string | undefined): boolean {
  const names = (expect ?? "").split(",").map((name) => name.trim());
  return names.includes(feature) || (names.includes("all") && !OF_THE_LAB.includes(feature));
}

/** Whether a command is in PATH and may be executed. */
export function commandExists(name: string): boolean {
  return (Deno.env.get("PATH") ?? "").split(":").some((folder) => {
    try {
      const { isFile, mode } = Deno.statSync(`${folder || "."}/${name}`);
      return isFile && ((mode ?? 0) & 0o111) !== 0;
    } catch {
      return false;
    }
  });
}

/** Whether this process is root, as `skipUnless("root", isRoot)` wants it. */
export function isRoot(): boolean {
  return Deno.uid() === 0;
}

function demand(feature: string, remedy: string): void {
  if (demanded.has(feature)) return;
  demanded.add(feature);
  const message = `feature ${feature} must be there: ${remedy}`;
  try {
    Deno.test(`feature ${feature} must be there`, () => {
      throw new Error(message);
    });
  } catch {
    throw new Error(message);
  }
}

/** Each test file is an isolate of its own: the runner gathers their notes through one file. */
function note(feature: string, remedy: string): void {
  if (skipped.has(feature)) return;
  skipped.set(feature, remedy);
  const file = Deno.env.get("MPTCPIZE_SKIPPED");
  if (file !== undefined) {
    Deno.writeTextFileSync(file, `${feature}\t${remedy}\n`, { append: true });
  } else if (skipped.size === 1) {
    globalThis.addEventListener("unload", () => {
      for (const [name, way] of skipped) console.log(`skipped without ${name} (${way})`);
    });
  }
}
