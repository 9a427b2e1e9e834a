/**
 * Building the programs that these tests bring along, and where tools lie that no package installs.
 *
 * @module
 */

import { strict as assert } from "node:assert";
import { program } from "./app.ts";
import type { Scene } from "./scene.ts";

/** A folder outside the checkout that outlives a run; `scripts/setup_debian.sh` fills it. */
export const CACHE = Deno.env.get("MPTCPIZE_CACHE") ??
  `${Deno.env.get("XDG_CACHE_HOME") || `${Deno.env.get("HOME")}/.cache`}/mptcpize`;

/** A version of Go: 1.19 is too old to know of MPTCP, 1.23 takes it from GODEBUG. */
export const GO = {
  "1.19": "/usr/lib/go-1.19/bin/go",
  "1.23": `${CACHE}/go-1.23/usr/lib/go-1.23/bin/go`,
} as const;

/** The Rust compiler, wherever it is installed, or where it would be. */
export const RUSTC = ["/usr/bin/rustc", `${Deno.env.get("HOME")}/.cargo/bin/rustc`]
  .find((path) => exists(path)) ?? "rustc";

/** The program of esbuild, which is Go, from npm. */
export const ESBUILD = `${CACHE}/esbuild/esbuild`;

/** Whether there is something at a path. */
export function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Runs a compiler; it needs no network and keeps what it learned in the cache. */
async function compile(
  command: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const [file, ...args] = command;
  const child = new Deno.Command(file!, { args, env, signal: AbortSignal.timeout(180_000) });
  const { success, stderr } = await child.output();
  assert.ok(success, `${command.join(" ")}:\n${new TextDecoder().decode(stderr)}`);
}

/** Builds a C program with a compiler and its flags, and gives its path. */
export async function buildC(scene: Scene, source: string, compiler: string[]): Promise<string> {
  const path = scene.path(source.replace(/\.c$/, ""));
  await compile([...compiler, "-O1", "-Wall", "-o", path, program(source)]);
  return path;
}

/** Builds the Go program, static. */
export async function buildGo(scene: Scene, version: keyof typeof GO): Promise<string> {
  const path = scene.path("transfer");
  await compile([GO[version], "build", "-o", path, program("transfer.go")], {
    CGO_ENABLED: "0",
    GO111MODULE: "off",
    GOCACHE: `${CACHE}/go-build`,
    GOFLAGS: "",
    GOTOOLCHAIN: "local",
  });
  return path;
}

/** Builds the Rust program. */
export async function buildRust(scene: Scene): Promise<string> {
  const path = scene.path("transfer");
  await compile([RUSTC, "-o", path, program("transfer.rs")]);
  return path;
}
