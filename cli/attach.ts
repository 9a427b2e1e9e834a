/**
 * `mptcpize attach` and `mptcpize detach`: what the kernel forces, whatever program it is.
 *
 * @module
 */

import {
  attach,
  type Attachment,
  type AttachPlan,
  detach,
  type DetachPlan,
  type FileChange,
  type MatchedTarget,
  planAttach,
  planDetach,
  type PlannedTarget,
  type TargetWords,
} from "../mod.ts";
import type { Env } from "./env.ts";
import type { ParsedFlags } from "./flags.ts";
import { count, paragraphWidth, table, wrap } from "./render.ts";

function targetWords(flags: ParsedFlags): TargetWords {
  return {
    words: flags.operands,
    pids: flags.values("pid"),
    containers: flags.values("container"),
    comms: flags.values("comm"),
    all: flags.has("all"),
    strict: flags.has("strict"),
  };
}

/** What is written and removed, as lines for people. */
function fileRows(changes: readonly FileChange[]): string[][] {
  return changes.map(({ path, after }) => [after === undefined ? "remove" : "write", path]);
}

function describeTarget({ name, spec, processes }: PlannedTarget): string {
  const details = [
    ...(spec === undefined ? ["at its next start"] : []),
    ...(processes === undefined ? [] : [count(processes, "process", "processes")]),
    ...(spec?.kind === "cgroup" && spec.path !== name && !spec.path.endsWith(`/${name}`)
      ? [spec.path]
      : []),
  ];
  return details.length === 0 ? name : `${name} (${details.join(", ")})`;
}

/** What a user is to know, as sentences without a final period. */
function attachHints(plan: AttachPlan, request: { readonly persist: boolean }): string[] {
  const hints: string[] = [];
  const running = plan.targets.filter(({ processes, attached }) =>
    (processes ?? 0) > 0 && !attached
  );
  const [service] = plan.targets.filter(({ unit, spec }) =>
    unit?.endsWith(".service") && spec !== undefined
  );
  if (service !== undefined && !request.persist) {
    hints.push(
      `a service leaves its cgroup when it is restarted: \`mptcpize attach --persist ${service.name}\` attaches it at each start`,
    );
  } else if (running.length > 0) {
    hints.push(
      service === undefined
        ? "sockets that are there already stay what they are, listeners too"
        : `sockets that are there already stay what they are: \`systemctl restart ${service.name}\` makes them anew`,
    );
  }
  return hints;
}

function attachText(env: Env, plan: AttachPlan, persist: boolean, done: boolean): string {
  const [verb, kept] = done ? ["attached", "kept"] : ["attach", "keep"];
  const rows = [
    ...plan.targets.map((target) => [target.attached ? kept : verb, describeTarget(target)]),
    ...(done
      ? (plan.persist?.changes ?? []).map(({ path }) => ["written", path])
      : fileRows(plan.persist?.changes ?? [])),
  ];
  const width = paragraphWidth(env);
  const hints = attachHints(plan, { persist }).map((hint) => wrap(`hint: ${hint}`, 0, width));
  return [table(rows), ...hints].join("\n") + "\n";
}

function targetJson({ name, unit, strict, spec, attached, processes }: PlannedTarget) {
  return { name, unit, ...spec, strict, attachedBefore: attached, processes };
}

function attachJson(plan: AttachPlan | Attachment, done: boolean): Record<string, unknown> {
  return {
    targets: plan.targets.map(targetJson),
    files: plan.persist?.changes.map(({ path }) => path) ?? [],
    mptcp: plan.mptcp,
    bpf: plan.bpf,
    ...("upgraded" in plan ? { upgraded: plan.upgraded, guarded: plan.guarded } : {}),
    done,
  };
}

function attachWarnings(plan: AttachPlan | Attachment): string[] {
  const warnings = [];
  if (plan.bpf?.state === "no") warnings.push(`${plan.bpf.reason}: attach would be refused`);
  if (plan.mptcp.state === "no") {
    warnings.push(`${plan.mptcp.reason}: sockets made here stay TCP until that changes`);
  }
  if ("guarded" in plan && !plan.guarded) {
    warnings.push(
      "this kernel does not tell where net.mptcp.enabled is kept: where it is 0, attached programs get no TCP sockets",
    );
  }
  return warnings;
}

/**
 * Attaches targets, or prints what would be done.
 *
 * @throws {MptcpizeError} whatever keeps it from being done; nothing was changed then
 */
export async function attachCommand(env: Env, flags: ParsedFlags): Promise<void> {
  const persist = flags.has("persist");
  const request = { ...targetWords(flags), persist };
  const dryRun = flags.has("dry-run");
  const plan = dryRun ? await planAttach(request) : await attach(request);
  for (const warning of attachWarnings(plan)) env.err(`mptcpize: ${warning}\n`);
  if (flags.has("json")) env.out(JSON.stringify(attachJson(plan, !dryRun), null, 2) + "\n");
  else if (!flags.has("quiet")) env.out(attachText(env, plan, persist, !dryRun));
}

function isThere({ specs, persistent }: MatchedTarget): boolean {
  return specs.length + persistent.length > 0;
}

function detachText(plan: DetachPlan, done: boolean): string {
  const [detached, removed] = done ? ["detached", "removed"] : ["detach", "remove"];
  const rows = [
    ...plan.targets.map((target) =>
      isThere(target) ? [detached, target.name] : ["absent", `${target.name} is not attached`]
    ),
    ...plan.persist.map(({ path, after }) => [
      after === undefined ? removed : done ? "written" : "write",
      path,
    ]),
  ];
  const last = plan.unloaded && plan.targets.some(isThere)
    ? "\nNothing of mptcpize is left in the kernel"
    : "";
  const hints = plan.enabled.map((unit) =>
    `\nhint: it attaches itself at its next start: \`mptcpize disable ${unit}\` ends that`
  );
  return `${table(rows)}${last}${hints.join("")}\n`;
}

/**
 * Detaches targets, or prints what would be done.
 *
 * @throws {MptcpizeError} whatever keeps it from being done
 */
export async function detachCommand(env: Env, flags: ParsedFlags): Promise<void> {
  const request = targetWords(flags);
  const dryRun = flags.has("dry-run");
  const plan = dryRun ? await planDetach(request) : await detach(request);
  if (flags.has("json")) {
    const json = {
      targets: plan.targets.map(({ name, specs, persistent }) => ({
        name,
        detached: specs,
        forgotten: persistent,
      })),
      files: plan.persist.map(({ path }) => path),
      enabled: plan.enabled,
      unloaded: plan.unloaded,
      done: !dryRun,
    };
    env.out(JSON.stringify(json, null, 2) + "\n");
  } else if (!flags.has("quiet")) env.out(detachText(plan, !dryRun));
}
