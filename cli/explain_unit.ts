/**
 * `mptcpize explain` of a unit: what `enable` would find and do.
 *
 * @module
 */

import {
  explainUnit,
  MptcpizeError,
  openManager,
  openUnitWorld,
  parseUnitName,
  UNIT_METHODS,
  UNIT_TYPES,
  type UnitExplanation,
  type UnitProgram,
  UsageError,
} from "../mod.ts";
import { findCommandSpec } from "./commands.ts";
import { installations, plannedText, planWarnings } from "./enable.ts";
import type { Env } from "./env.ts";
import { type ParsedFlags, parseFlags } from "./flags.ts";
import { describeProgram } from "./program_text.ts";
import { painter, paragraphWidth, table, wrap } from "./render.ts";

/** Whether a word can only mean a unit: it ends as its name does, and names no file. */
function isUnitWord(word: string): boolean {
  return !word.includes("/") && UNIT_TYPES.some((type) => word.endsWith(`.${type}`));
}

/** The unit that is asked for, with the flags that count for it; undefined where it is a command. */
export function askedUnit(
  env: Env,
  flags: ParsedFlags,
): { readonly unit: string; readonly flags: ParsedFlags } | undefined {
  const named = flags.value("unit");
  const [word] = flags.operands;
  // What stands behind `--` is a command, whatever its name.
  const meant = word !== undefined && env.words[flags.operandsAt] !== "--" && isUnitWord(word);
  if (named === undefined && !meant) {
    if (!flags.has("user")) return undefined;
    throw new UsageError("Cannot parse --user: it says whose unit is meant, and there is none", {
      hint: "`mptcpize explain --user --unit NAME`",
    });
  }
  // Behind a unit there is no command's word: flags may stand there.
  const all = parseFlags(
    { ...findCommandSpec("explain")!, takesCommand: false },
    env.words.slice(1),
  );
  const [unit, extra] = [...all.values("unit"), ...all.operands];
  if (extra !== undefined) {
    throw new UsageError(`Cannot explain ${unit} and ${extra}: one unit is explained at a time`);
  }
  return { unit: unit!, flags: all };
}

/** The method that is insisted on. */
function askedMethod(flags: ParsedFlags): "auto" | typeof UNIT_METHODS[number] {
  const method = flags.value("method") ?? "auto";
  const known = ["auto", ...UNIT_METHODS].find((name) => name === method);
  if (known !== undefined && !flags.has("allow-patch")) return known as "auto";
  throw new UsageError("Cannot explain a unit: units are not patched", {
    hint: `\`--method\` takes ${["auto", ...UNIT_METHODS].join(", ")} for a unit`,
  });
}

function programText(env: Env, { path, image, fault }: UnitProgram, width: number): string {
  const about = image === undefined ? `cannot be read: ${fault}` : describeProgram(image);
  // Below the root of the unit, or the interpreter of a script.
  const loaded = image === undefined || image.path.endsWith(path)
    ? ""
    : `loaded by ${image.path}: `;
  return `  ${painter(env.color)("bold", path)}\n${wrap(loaded + about, 4, width)}`;
}

/** An explanation as a person reads it. */
export function unitText(env: Env, explanation: UnitExplanation): string {
  const { unit, programs, reaches, enabled, plan, refused } = explanation;
  const width = paragraphWidth(env);
  const blocks = [
    [
      painter(env.color)("bold", unit),
      ...programs.map((program) => programText(env, program, width)),
    ].join("\n"),
  ];
  if (reaches.length > 0) {
    blocks.push(table(
      [
        ["METHOD", "REACHES IT", "WHY"],
        ...reaches.map(({ method, reaches, partly, reason, remedy }) => [
          method,
          reaches ? "yes" : partly ? "in part" : "no",
          // Where it is refused, the hint below tells it; where it is not, nobody needs BPF.
          remedy === undefined || refused !== undefined || method === "bpf"
            ? reason
            : `${reason}; ${remedy}`,
        ]),
      ],
      0,
      width,
    ));
  }
  for (const { method, file } of enabled) blocks.push(`it is enabled, by ${method}\n  ${file}`);
  if (refused !== undefined) {
    const { state } = refused;
    const why = reaches.some(({ reason }) => state.endsWith(reason)) ? "" : `: ${state}`;
    blocks.push(wrap(`\`mptcpize enable\` refuses it${why}`, 0, width));
    if (refused.hint !== undefined) blocks.push(wrap(`hint: ${refused.hint}`, 0, width));
  }
  const changed = plan?.units.filter(({ done }) => !done) ?? [];
  if (changed.length > 0) {
    const texts = changed.map((planned) => plannedText(env, "enable", planned));
    blocks.push(`\`mptcpize enable\` would write\n\n${texts.join("\n\n")}`);
  } else if (plan !== undefined) blocks.push("`mptcpize enable` would change nothing");
  if (plan !== undefined) {
    for (const warning of planWarnings(plan)) blocks.push(wrap(`warning: ${warning}`, 0, width));
    for (const note of new Set(plan.units.flatMap(({ notes }) => notes))) {
      blocks.push(wrap(`hint: ${note}`, 0, width));
    }
  }
  return blocks.join("\n\n") + "\n";
}

/**
 * Explains a unit.
 *
 * @returns whether `enable` would do it
 * @throws {MptcpizeError} when there is no such unit, when it cannot carry a drop-in at all, or when systemd cannot
 * be asked
 */
export async function explainOneUnit(
  env: Env,
  unit: string,
  flags: ParsedFlags,
): Promise<boolean> {
  const user = flags.has("user");
  parseUnitName(unit);
  const explanation = await explainUnit(
    { unit, user, method: askedMethod(flags), installations: installations(env, user) },
    openUnitWorld(user ? "user" : "system"),
  );
  if (flags.has("json")) {
    const { plan, ...known } = explanation;
    const json = { ...known, units: plan?.units, actions: plan?.actions, mptcp: plan?.mptcp };
    env.out(JSON.stringify(json, null, 2) + "\n");
  } else env.out(unitText(env, explanation));
  return explanation.refused === undefined;
}

/** How to ask for a unit of a name that no command has; undefined where there is none. */
export async function unitHint(word: string): Promise<string | undefined> {
  for (const scope of ["system", "user"] as const) {
    try {
      const { name } = parseUnitName(word);
      const properties = await openManager(scope).show(name, ["LoadState"]);
      if (properties.text("LoadState") !== "loaded") continue;
      const words = scope === "user" ? `--user ${name}` : name;
      return `\`mptcpize explain ${words}\` explains the unit of that name`;
    } catch (error) {
      if (!(error instanceof MptcpizeError)) throw error;
      // No name of a unit, or no such systemd.
    }
  }
  return undefined;
}
