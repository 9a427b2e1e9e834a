/**
 * Names of units: what systemd takes for one, in parts. Pure.
 *
 * Source: src/basic/unit-name.c, src/basic/unit-def.c @ systemd v257; systemd.unit(5).
 *
 * @module
 */

import { UsageError } from "../errors.ts";

/** The types of units, as their suffixes are spelled. */
export const UNIT_TYPES = [
  "service",
  "socket",
  "slice",
  "scope",
  "target",
  "timer",
  "path",
  "mount",
  "automount",
  "swap",
  "device",
] as const;

/** The type of a unit. */
export type UnitType = typeof UNIT_TYPES[number];

/** A valid name of a unit, in parts. */
export interface UnitName {
  /** All of it, such as `getty@tty1.service`. */
  readonly name: string;
  /** What stands before `@`, or before the suffix. */
  readonly prefix: string;
  /** Between `@` and the suffix: empty for a template, undefined where there is no `@`. */
  readonly instance: string | undefined;
  /** By its suffix. */
  readonly type: UnitType;
}

/** UNIT_NAME_MAX counts a NUL. */
const MAX_BYTES = 255;
const VALID = /^[A-Za-z0-9:_.\\-]+(@[A-Za-z0-9:_.\\@-]*)?$/;

/** The type that a suffix tells, and what stands before it. */
function splitSuffix(word: string): { stem: string; type: UnitType | undefined } {
  const dot = word.lastIndexOf(".");
  const type = UNIT_TYPES.find((type) => type === word.slice(dot + 1));
  return dot < 1 || type === undefined ? { stem: word, type: undefined } : {
    stem: word.slice(0, dot),
    type,
  };
}

function refuse(word: string, state: string, hint: string): UsageError {
  const shown = word.length > 60 ? `${word.slice(0, 57)}...` : word;
  return new UsageError(`Cannot take ${JSON.stringify(shown)} as a unit: ${state}`, { hint });
}

/**
 * Parses the name of a unit as a user writes it: without a suffix it is a service.
 *
 * Nothing is replaced or guessed: what systemctl would turn into another name, such as a path, is
 * refused.
 *
 * @param assumed the type of a name without a suffix
 *
 * @throws {UsageError} for what is no name of a unit
 */
export function parseUnitName(word: string, assumed: UnitType = "service"): UnitName {
  if (word === "") {
    throw refuse(word, "it is empty", "`systemctl list-units` lists those that are loaded");
  }
  if (word.includes("/")) {
    const meant = word.slice(word.lastIndexOf("/") + 1);
    throw refuse(
      word,
      "it is a path, and the name of a unit has no slash",
      meant !== "" && VALID.test(meant)
        ? `give the unit's name: \`${meant}\``
        : "give the unit's name",
    );
  }
  const { stem, type = assumed } = splitSuffix(word);
  if (!VALID.test(stem)) {
    const wrong = [...stem].find((character) => !/[A-Za-z0-9:_.\\@-]/.test(character));
    const at = stem.indexOf("@");
    if (wrong === undefined) {
      throw refuse(word, "nothing stands before its @", "`systemctl list-units` lists units");
    }
    const hint = at > 0 && VALID.test(stem.slice(0, at))
      ? `escaped it is \`${stem.slice(0, at + 1)}${escapeUnitName(stem.slice(at + 1))}.${type}\``
      : "`systemctl list-units` lists units";
    throw refuse(word, `${JSON.stringify(wrong)} is in no name of a unit`, hint);
  }
  const name = `${stem}.${type}`;
  if (name.length > MAX_BYTES) {
    throw refuse(
      word,
      `it has ${name.length} bytes, and a unit's name at most ${MAX_BYTES}`,
      "`systemctl list-units` lists units",
    );
  }
  const at = stem.indexOf("@");
  return {
    name,
    prefix: at === -1 ? stem : stem.slice(0, at),
    instance: at === -1 ? undefined : stem.slice(at + 1),
    type,
  };
}

/** Whether it is a template: a unit file for instances, that is never started itself. */
export function isTemplate(unit: UnitName): boolean {
  return unit.instance === "";
}

/** The template that an instance is made from; undefined for what is no instance. */
export function templateOf(unit: UnitName): string | undefined {
  return unit.instance ? `${unit.prefix}@.${unit.type}` : undefined;
}

/**
 * The name of an instance of a template.
 *
 * @param instance escaped already, as {@linkcode escapeUnitName} does
 */
export function instanceOf(template: UnitName, instance: string): string {
  return `${template.prefix}@${instance}.${template.type}`;
}

/** Any text as a part of a unit's name, as systemd-escape(1) writes it. */
export function escapeUnitName(text: string): string {
  return [...new TextEncoder().encode(text)].map((byte, index) => {
    const character = String.fromCharCode(byte);
    if (character === "/") return "-";
    const plain = /[A-Za-z0-9:_.]/.test(character) && !(character === "." && index === 0);
    return plain ? character : `\\x${byte.toString(16).padStart(2, "0")}`;
  }).join("");
}
