/**
 * `mptcpize install` and `mptcpize uninstall`.
 *
 * @module
 */

import {
  applyInstall,
  applyUninstall,
  checkManifestOwner,
  checkPlaces,
  collectFiles,
  ConflictError,
  encodeByteString,
  findPlaces,
  getVariable,
  type InstallPlaces,
  type InstallPlan,
  type InstallTexts,
  listDependents,
  ownFolder,
  type PlaceRequest,
  planInstall,
  planUninstall,
  settleInstall,
  type UninstallPlan,
} from "../mod.ts";
import { completionScript } from "./completions.ts";
import type { Env } from "./env.ts";
import type { ParsedFlags } from "./flags.ts";
import { manualPage } from "./manual.ts";
import { count, table } from "./render.ts";
import manifest from "../deno.json" with { type: "json" };

/** What shells and man(1) look for below a prefix. */
function installTexts(): InstallTexts {
  return {
    "share/man/man1/mptcpize.1": manualPage(manifest.version),
    "share/bash-completion/completions/mptcpize": completionScript("bash"),
    "share/zsh/site-functions/_mptcpize": completionScript("zsh"),
    "share/fish/vendor_completions.d/mptcpize.fish": completionScript("fish"),
  };
}

/** The places that flags ask for. */
export function placeRequest(env: Env, flags: ParsedFlags): PlaceRequest {
  const home = getVariable(env.environment, "HOME");
  return {
    prefix: flags.value("prefix"),
    user: flags.has("user"),
    home: home === undefined ? undefined : new TextDecoder().decode(encodeByteString(home)),
    cwd: Deno.cwd(),
  };
}

/** What was installed, or would be. */
export function installText(plan: InstallPlan, done: boolean): string {
  const { places, before, files, manifest: { obsolete, files: all } } = plan;
  const rows = [
    ...files.map(({ path }) => ["write", path]),
    ...obsolete.map((path) => ["remove", path]),
  ];
  const kept = all.length - files.length;
  const over = before === undefined ? "" : ` over ${before}`;
  const summary = done
    ? `mptcpize ${plan.manifest.version} is installed${over}: ${places.prefix}/bin/mptcpize`
    : `mptcpize ${plan.manifest.version} would be installed${over}, ${
      count(kept, "file")
    } as it is`;
  const settles = plan.settles ? [["undo", "an installation that was interrupted"]] : [];
  const list = done ? "" : `${table([...settles, ...rows])}\n`;
  return `${list}${summary}\n`;
}

/** Whether a directory is searched for commands. */
function isInPath(env: Env, folder: string): boolean {
  return (getVariable(env.environment, "PATH") ?? "").split(":").includes(folder);
}

/**
 * Installs what runs here at some place, or only plans it.
 *
 * @throws {MptcpizeError} whatever keeps it from being installed; nothing was changed then
 */
export async function installAt(places: InstallPlaces, dryRun: boolean): Promise<InstallPlan> {
  checkPlaces(places, Deno.uid() ?? 0);
  const files = await collectFiles(places, installTexts());
  let plan = await planInstall(places, manifest.version, files);
  if (dryRun) return plan;
  if (plan.settles) {
    await settleInstall(places.folder);
    plan = await planInstall(places, manifest.version, files);
  }
  await applyInstall(plan);
  return plan;
}

/**
 * Installs, or prints what would be done.
 *
 * @throws {MptcpizeError} whatever keeps it from being installed; nothing was changed then
 */
export async function install(env: Env, flags: ParsedFlags): Promise<void> {
  const places = findPlaces(placeRequest(env, flags));
  const dryRun = flags.has("dry-run");
  const plan = await installAt(places, dryRun);
  if (flags.has("json")) {
    const { before, settles, manifest: { version, obsolete } } = plan;
    const written = plan.files.map(({ path }) => path);
    const json = { ...places, version, before, settles, written, removed: obsolete, done: !dryRun };
    env.out(JSON.stringify(json, null, 2) + "\n");
    return;
  }
  env.out(installText(plan, !dryRun));
  if (!isInPath(env, `${places.prefix}/bin`)) {
    env.err(`mptcpize: ${places.prefix}/bin is not in PATH\n`);
  }
}

function uninstallText(plan: UninstallPlan | undefined, done: boolean): string {
  if (plan === undefined) {
    return done
      ? "An interrupted installation is undone: nothing is left\n"
      : "An interrupted installation would be undone\n";
  }
  const rows = [
    ...plan.files.map((path) => ["remove", path]),
    ...plan.changed.map((path) => ["keep", `${path}, which was changed since`]),
  ];
  const list = done ? "" : `${table(rows)}\n`;
  const verb = done ? "is" : "would be";
  return `${list}mptcpize ${plan.version} ${verb} removed: ${count(plan.files.length, "file")}\n`;
}

/** Refuses to take away what systemd starts or has loaded: what is forced by it would be TCP. */
function checkUnused(folder: string, files: readonly string[]): void {
  const prefix = folder.replace(/\/lib\/mptcpize$/, "");
  const command = `${prefix === "/usr" ? "/usr/local" : prefix}/bin/mptcpize`;
  const { names, undo } = listDependents(command, files);
  if (names.length === 0) return;
  throw new ConflictError(
    `Cannot uninstall from ${folder}: ${
      names.join(", ")
    } would not be forced any more at the next start`,
    { hint: `first ${undo.map((words) => `\`mptcpize ${words}\``).join(" and ")}` },
  );
}

/**
 * Uninstalls, or prints what would be done.
 *
 * @returns whether all is gone: false if a file was left because it was changed
 * @throws {MptcpizeError} when there is no installation, or it cannot be removed
 */
export async function uninstall(env: Env, flags: ParsedFlags): Promise<boolean> {
  const named = flags.has("user") || flags.value("prefix") !== undefined;
  const folder = (named ? undefined : ownFolder()) ?? findPlaces(placeRequest(env, flags)).folder;
  checkManifestOwner(folder, Deno.uid() ?? 0);
  const dryRun = flags.has("dry-run");
  const planned = await planUninstall(folder);
  checkUnused(folder, planned?.files ?? []);
  const plan = dryRun ? planned : await applyUninstall(folder);
  if (flags.has("json")) {
    env.out(JSON.stringify({ folder, ...plan, done: !dryRun }, null, 2) + "\n");
  } else {
    env.out(uninstallText(plan, !dryRun));
  }
  for (const path of plan?.changed ?? []) {
    env.err(`mptcpize: ${path} stays: it was changed since it was installed\n`);
  }
  return (plan?.changed ?? []).length === 0;
}
