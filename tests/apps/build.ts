/**
 * Building the programs that these tests bring along, and where tools lie that no package installs.
 *
 * @module
 */

import { strict as assert } from "node:assert";
import { commandExists } from "../skip.ts";
import { program } from "./app.ts";
import type { Scene } from "./scene.ts";

/** A folder outside the checkout that outlives a run. */
export const CACHE = Deno.env.get("MPTCPIZE_CACHE") ??
  `${Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`}/mptcpize`;

/** A version of Go: 1.19 is too old to know of MPTCP, 1.23 takes it from GODEBUG. */
export const GO = {
  "1.19": "/usr/lib/go-1.19/bin/go",
  "1.23": `${CACHE}/go-1.23/usr/lib/go-1.23/bin/go`,
} as const;

/** The Rust compiler, wherever it is installed, or where it would be. */
export const RUSTC = ["/usr/bin/rustc", `${Deno.env.get("HOME")}/.cargo/bin/rustc`]
  .find((path) => exists(path)) ?? "rustc";

/** esbuild is Go, and comes from npm: this version, in the package for this machine. */
const ESBUILD_VERSION = "0.28.2";
const ESBUILD_PACKAGE = `@esbuild/linux-${Deno.build.arch === "x86_64" ? "x64" : "arm64"}`;
const ESBUILD_PREFIX = `${CACHE}/esbuild-${ESBUILD_VERSION}`;

/** The program of esbuild, where {@linkcode installEsbuild} puts it. */
export const ESBUILD = `${ESBUILD_PREFIX}/node_modules/${ESBUILD_PACKAGE}/bin/esbuild`;

/** Installs esbuild in the cache, where npm and its registry are there; else changes nothing. */
export async function installEsbuild(): Promise<void> {
  if (exists(ESBUILD) || !commandExists("npm")) return;
  const quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--no-save"];
  const package_ = `${ESBUILD_PACKAGE}@${ESBUILD_VERSION}`;
  await new Deno.Command("npm", {
    args: ["install", ...quiet, "--prefix", ESBUILD_PREFIX, package_],
    stdin: "null",
    stdout: "null",
    stderr: "null",
    signal: AbortSignal.timeout(60_000),
  }).output();
}

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
