/**
 * `mptcpize enable` and `disable`: services of systemd, forced at each of their starts.
 *
 * @module
 */

import {
  applyUnitPlan,
  checkMayChange,
  type EnableRequest,
  findPlaces,
  getVariable,
  openUnitWorld,
  ownFolder,
  parseUnitName,
  planDisable,
  planEnable,
  type PlannedUnit,
  type RestartedUnit,
  type UnitAction,
  type UnitManager,
  type UnitPlan,
  UsageError,
} from "../mod.ts";
import { behindInstall, type FirstInstall, planFirstInstall } from "./enable_install.ts";
import type { Env } from "./env.ts";
import type { ParsedFlags } from "./flags.ts";
import { installText } from "./install.ts";
import { painter, paragraphWidth, table, wrap } from "./render.ts";

/** The folders of installations whose library a unit may load, the best first. */
export function installations(env: Env, user: boolean): string[] {
  const home = getVariable(env.environment, "HOME");
  const own = ownFolder();
  const folders = [
    ...(own === undefined ? [] : [own]),
    findPlaces({ cwd: "/" }).folder,
    ...(user && home?.startsWith("/") ? [findPlaces({ user, home, cwd: "/" }).folder] : []),
  ];
  return [...new Set(folders)];
}

function checkOperands(verb: string, units: readonly string[]): void {
  for (const unit of units) parseUnitName(unit);
  if (units.length > 0) return;
  throw new UsageError(`Cannot ${verb} MPTCP for a unit: none is given`, {
    hint: `\`mptcpize ${verb} nginx\``,
  });
}

const METHOD_WORDS: Readonly<Record<string, string>> = {
  preload: "the preload library",
  godebug: "GODEBUG",
  bpf: "BPF",
  socket: "SocketProtocol=mptcp",
};

function actionRow(action: UnitAction, systemctl: string): string[] {
  switch (action.kind) {
    case "write":
      return ["write", action.path];
    case "remove":
      return ["remove", action.path];
    case "reload":
      return ["reload", `systemd (${systemctl} daemon-reload)`];
    case "expect": {
      const { property, has, lacks, unit } = action.expectation;
      return [
        "check",
        `${property} of ${unit} ${has === undefined ? `lacks ${lacks}` : `has ${has}`}`,
      ];
    }
    case "restart":
      return [
        "restart",
        action.first === undefined ? action.unit : `${action.unit}, with ${action.first}`,
      ];
  }
}

/** What is planned for a unit: how, what is kept, and the drop-in. */
export function plannedText(env: Env, verb: UnitPlan["verb"], planned: PlannedUnit): string {
  const { unit, method, file, text, done, variables } = planned;
  const head = painter(env.color)("bold", unit);
  if (done) {
    return verb === "enable"
      ? `${head}: is enabled already, by ${METHOD_WORDS[method]}`
      : `${head}: is not enabled`;
  }
  if (text === undefined) return `${head}: ${file} would be removed`;
  const kept = variables.filter(({ before }) => before !== undefined)
    .map(({ name, before }) => `\n  keeps ${name}=${before}`).join("");
  const body = text.trimEnd().split("\n").map((line) => `    ${line}`).join("\n");
  return `${head}: by ${METHOD_WORDS[method]}${kept}\n  ${file}\n${body}`;
}

function planText(env: Env, plan: UnitPlan, systemctl: string): string {
  const blocks = plan.units.map((unit) => plannedText(env, plan.verb, unit));
  const rows = plan.actions.map((action) => actionRow(action, systemctl));
  const width = paragraphWidth(env);
  if (rows.length > 0) blocks.push(`would, in this order\n${table(rows, 2, width)}`);
  return blocks.join("\n\n") + "\n";
}

/** What is to be known before units are enabled, one sentence for each. */
export function planWarnings(plan: UnitPlan): string[] {
  const warnings = plan.units.flatMap(({ unit, warnings }) =>
    warnings.map((warning) => `${unit}: ${warning}`)
  );
  if (plan.verb === "enable" && plan.mptcp.state === "no") {
    warnings.push(`${plan.mptcp.reason}: it stays TCP. ${plan.mptcp.needs}`);
  }
  return warnings;
}

function socketsTable(env: Env, sockets: RestartedUnit["sockets"]): string {
  const paint = painter(env.color);
  const words = { mptcp: "MPTCP", fallback: "FALLBACK", tcp: "TCP" } as const;
  const rows = sockets.map(({ verdict, state, local, remote }) => [
    words[verdict],
    state,
    local,
    remote ?? "",
  ]);
  const text = table([["KIND", "STATE", "LOCAL", "REMOTE"], ...rows], 2);
  return text.replace(/^( {2})(MPTCP)(?= )/gm, (_, blank, word) => blank + paint("green", word))
    .replace(/^( {2})(TCP|FALLBACK)(?= )/gm, (_, blank, word) => blank + paint("yellow", word));
}

function outcomeText(
  env: Env,
  plan: UnitPlan,
  unit: PlannedUnit,
  restarted: RestartedUnit[],
  systemctl: string,
): string {
  const paint = painter(env.color);
  const enables = plan.verb === "enable";
  const name = paint("bold", unit.unit);
  const again = restarted.length > 0 ? ", and restarted" : "";
  const lines = [
    unit.done
      ? enables
        ? `${name} is enabled already, by ${METHOD_WORDS[unit.method]}${again}`
        : `${name} is not enabled: nothing to do`
      : enables
      ? `${name} is enabled for MPTCP by ${METHOD_WORDS[unit.method]}${again}`
      : `${name} is as its unit file has it${again}`,
  ];
  if (enables && !unit.done) lines.push(`  ${unit.file}`);
  for (const { unit: name, sockets } of restarted) {
    if (restarted.length > 1) lines.push(`  ${name}`);
    lines.push(sockets.length === 0 ? "  it has no TCP socket" : socketsTable(env, sockets));
  }
  const pending = unit.running.filter((name) => !restarted.some(({ unit }) => unit === name));
  if (enables && !unit.done && unit.running.length === 0) {
    lines.push("  in force from its next start: it does not run");
  }
  if (pending.length > 0) {
    lines.push(
      wrap(
        `${enables ? "in force" : "back to TCP"} after \`${systemctl} restart ${
          pending.join(" ")
        }\``,
        2,
      ),
    );
  }
  return lines.join("\n") + "\n";
}

/** Whether what was restarted listens with MPTCP, where it was to. */
function isProven(plan: UnitPlan, restarted: readonly RestartedUnit[]): boolean {
  if (plan.verb === "disable" || plan.mptcp.state === "no") return true;
  const listeners = restarted.flatMap(({ sockets }) => sockets)
    .filter(({ state }) => state === "LISTEN");
  return listeners.every(({ verdict }) => verdict === "mptcp");
}

/** Applies a plan so that ^C undoes what was done, where it would end us half-way. */
async function applyUndoing(env: Env, plan: UnitPlan, manager: UnitManager) {
  const interrupt = new AbortController();
  const abort = () => interrupt.abort();
  env.onSignal("SIGINT", abort);
  env.onSignal("SIGTERM", abort);
  try {
    return await applyUnitPlan(plan, manager, {
      signal: interrupt.signal,
      progress: (text) => env.columns === undefined ? undefined : env.err(`${text} …\n`),
    });
  } finally {
    env.offSignal("SIGINT", abort);
    env.offSignal("SIGTERM", abort);
  }
}

/** Carries a plan out, or prints it; gives whether all listeners of what was restarted are as they are to be. */
export async function carryOut(
  env: Env,
  flags: ParsedFlags,
  plan: UnitPlan,
  manager: UnitManager,
  first?: FirstInstall,
): Promise<boolean> {
  const dryRun = flags.has("dry-run");
  const { installed, result: { restarted } } = dryRun
    ? { installed: await first?.make(true), result: { restarted: [] } }
    : await behindInstall(env, first, () => applyUndoing(env, plan, manager));
  const proven = isProven(plan, restarted);
  if (flags.has("json")) {
    const { verb, scope, units, actions } = plan;
    const install = installed && {
      ...first?.places,
      written: installed.files.map(({ path }) => path),
    };
    env.out(
      JSON.stringify({ verb, scope, install, units, actions, restarted, done: !dryRun }, null, 2) +
        "\n",
    );
  } else {
    if (installed !== undefined) env.out(`${installText(installed, !dryRun)}${dryRun ? "\n" : ""}`);
    if (dryRun) env.out(planText(env, plan, manager.command));
    else {
      for (const unit of plan.units) {
        const own = restarted.filter(({ unit: name }) => unit.running.includes(name));
        env.out(outcomeText(env, plan, unit, own, manager.command));
      }
    }
  }
  const warnings = planWarnings(plan);
  if (!proven) {
    warnings.push("a listener is TCP still: `mptcpize sockets --all --listen` tells why");
  }
  for (const warning of warnings) env.err(`mptcpize: ${warning}\n`);
  if (dryRun && !flags.has("json")) {
    for (const note of new Set(plan.units.flatMap(({ notes }) => notes))) {
      env.err(`hint: ${wrap(note, 6).trimStart()}\n`);
    }
  }
  return proven;
}

/**
 * Enables units, or prints what would be done.
 *
 * @returns whether all listeners of what was restarted are MPTCP
 * @throws {MptcpizeError} whatever keeps it from that; nothing is changed then
 */
export async function enable(
  env: Env,
  flags: ParsedFlags,
  units: readonly string[],
): Promise<boolean> {
  checkOperands("enable", units);
  const user = flags.has("user");
  if (!flags.has("dry-run")) checkMayChange(user, "enable");
  const folders = installations(env, user);
  const first = planFirstInstall(env, flags, folders);
  const request: EnableRequest = {
    units,
    user,
    method: (flags.value("method") ?? "auto") as NonNullable<EnableRequest["method"]>,
    runtime: flags.has("runtime"),
    now: flags.has("now"),
    withSockets: flags.has("with-sockets"),
    installations: folders,
    ...(first === undefined ? {} : {
      toInstall: {
        folder: first.places.folder,
        command: `${first.places.prefix}/bin/mptcpize`,
      },
    }),
  };
  const world = openUnitWorld(user ? "user" : "system");
  return await carryOut(env, flags, await planEnable(request, world), world.manager, first);
}

/**
 * Disables units, or prints what would be done.
 *
 * @throws {MptcpizeError} whatever keeps it from that; nothing is changed then
 */
export async function disable(
  env: Env,
  flags: ParsedFlags,
  units: readonly string[],
): Promise<boolean> {
  checkOperands("disable", units);
  const user = flags.has("user");
  if (!flags.has("dry-run")) checkMayChange(user, "disable");
  const world = openUnitWorld(user ? "user" : "system");
  const plan = await planDisable({ units, user, now: flags.has("now") }, world);
  return await carryOut(env, flags, plan, world.manager);
}
