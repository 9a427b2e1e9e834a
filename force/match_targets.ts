/**
 * The words of `detach` to what is attached: what is there no more can be named as well.
 *
 * @module
 */

import type { Target, TargetSpec } from "../bpf/mod.ts";
import { NotFoundError, NotSupportedError } from "../errors.ts";
import { parseUnitName, type UnitName } from "../systemd/mod.ts";
import type { PersistentTarget } from "./attach_units.ts";
import {
  containerOf,
  emptyWord,
  MACHINE,
  noWords,
  parseContainer,
  Resolver,
  type TargetWords,
  type TargetWorld,
} from "./targets.ts";

/** What of what is attached, or attached anew by systemd, words name. */
export interface MatchedTarget {
  /** As it was named. */
  readonly name: string;
  /** What is attached under it; a cgroup that is no more among it. */
  readonly specs: readonly TargetSpec[];
  /** What systemd attaches anew. */
  readonly persistent: readonly PersistentTarget[];
}

/** What names a target that is attached. */
export function specOf(target: Target): TargetSpec {
  const { kind, path = "", name = "", strict } = target;
  if (kind === "cgroup") return { kind, path, strict };
  return kind === "comm" ? { kind, name, strict } : { kind, strict };
}

function lastName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Finds what words name among what is attached: what is there no more can be named as well. */
class Matcher {
  readonly #world: TargetWorld;
  readonly #resolver: Resolver;
  readonly #targets: readonly Target[];
  readonly #persistent: readonly PersistentTarget[];

  constructor(
    world: TargetWorld,
    targets: readonly Target[],
    persistent: readonly PersistentTarget[],
  ) {
    this.#world = world;
    this.#resolver = new Resolver(world, { atRest: true });
    this.#targets = targets;
    this.#persistent = persistent;
  }

  #match(
    name: string,
    matches: (target: Target) => boolean,
    persists: (target: PersistentTarget) => boolean = () => false,
  ): MatchedTarget {
    return {
      name,
      specs: this.#targets.filter(matches).map(specOf),
      persistent: this.#persistent.filter(persists),
    };
  }

  #path(word: string): MatchedTarget {
    const paths = [word, ...this.#world.mounts().map((mount) => `${mount}/${word}`)]
      .map((path) => path.replace(/\/+/g, "/").replace(/(?<=.)\/$/, ""));
    try {
      paths.push(this.#world.findCgroup(word));
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
    }
    return this.#match(
      word,
      ({ kind, path }) => kind === "cgroup" && path !== undefined && paths.includes(path),
      (target) => isUnit(target) && target.name === lastName(paths[0] ?? ""),
    );
  }

  async #unit(unit: UnitName): Promise<MatchedTarget> {
    let { name } = unit;
    try {
      // By an alias as well.
      name = (await this.#world.readUnit(name)).id;
    } catch (error) {
      if (!(error instanceof NotSupportedError)) throw error;
    }
    return this.#match(
      name,
      ({ kind, path }) => kind === "cgroup" && lastName(path ?? "") === name,
      (target) => isUnit(target) && target.name === name,
    );
  }

  word(word: string): MatchedTarget | Promise<MatchedTarget> {
    if (word === "") throw emptyWord();
    return word.includes("/") ? this.#path(word) : this.#unit(parseUnitName(word));
  }

  pid(word: string): MatchedTarget {
    const { spec, name } = this.#resolver.pid(word);
    const path = spec?.kind === "cgroup" ? spec.path : "";
    return { ...this.#path(path), name };
  }

  container(word: string): MatchedTarget {
    const id = parseContainer(word);
    return this.#match(
      `container ${word}`,
      ({ kind, path }) => kind === "cgroup" && (containerOf(path ?? "")?.startsWith(id) ?? false),
    );
  }

  comm(word: string): MatchedTarget {
    const { name } = this.#resolver.comm(word);
    return this.#match(
      name,
      (target) => target.kind === "comm" && target.name === word,
      (target) => target.kind === "comm" && target.name === word,
    );
  }

  all(): MatchedTarget {
    return this.#match("everything", ({ kind }) => kind === "all", ({ kind }) => kind === "all");
  }
}

function isUnit(
  target: PersistentTarget,
): target is PersistentTarget & { readonly name: string } {
  return target.kind === "service" || target.kind === "slice";
}

/**
 * Finds what words name of what is attached, or attached anew by systemd; changes nothing. What matches
 * nothing is given with empty lists.
 *
 * @throws {UsageError} for words that make no sense, or when there are none
 * @throws {NotFoundError} for a process that is not there
 */
export async function matchTargets(
  request: TargetWords,
  targets: readonly Target[],
  persistent: readonly PersistentTarget[],
  world: TargetWorld = MACHINE,
): Promise<MatchedTarget[]> {
  const matcher = new Matcher(world, targets, persistent);
  const matched: MatchedTarget[] = [];
  for (const word of request.words ?? []) matched.push(await matcher.word(word));
  matched.push(
    ...(request.pids ?? []).map((pid) => matcher.pid(pid)),
    ...(request.containers ?? []).map((id) => matcher.container(id)),
    ...(request.comms ?? []).map((comm) => matcher.comm(comm)),
    ...(request.all ? [matcher.all()] : []),
  );
  if (matched.length === 0) throw noWords();
  return matched;
}
