/**
 * The words of `attach` and `detach` to targets: cgroups by path, unit, process or container, a name of
 * programs, or all.
 *
 * @module
 */

import type { TargetSpec } from "../bpf/mod.ts";
import { ConflictError, NotFoundError, NotSupportedError, UsageError } from "../errors.ts";
import {
  cgroupName,
  findCgroup,
  listCgroupMounts,
  listCgroups,
  readProcessCgroup,
} from "../inspect/mod.ts";
import { openManager, parseUnitName, type UnitName } from "../systemd/mod.ts";

/** What the caller names, word by word. */
export interface TargetWords {
  /** Units, such as `nginx` or `machine.slice`, and paths of cgroups: those have a slash. */
  readonly words?: readonly string[];
  /** Processes, whose cgroups are meant. */
  readonly pids?: readonly string[];
  /** Containers by their id, or by the first six digits of it or more. */
  readonly containers?: readonly string[];
  /** Names of programs, as `comm` in /proc has them. */
  readonly comms?: readonly string[];
  /** Whether all of the machine is meant. */
  readonly all?: boolean;
  /** Whether socket options are left alone there. */
  readonly strict?: boolean;
  /** Whether a service that does not run is taken, for its next start. */
  readonly atRest?: boolean;
}

/** A target, and how it was named. */
export interface NamedTarget {
  /** Undefined for a service that does not run. */
  readonly spec: TargetSpec | undefined;
  /** Such as `nginx.service`, `process 12` or `/x`. */
  readonly name: string;
  /** The unit of systemd's that was named. */
  readonly unit?: string;
  /** Whether socket options are left alone there. */
  readonly strict: boolean;
}

/** A unit, as far as a target goes. */
interface UnitState {
  /** Its own name, of all that it has. */
  readonly id: string;
  readonly loadState: string;
  readonly activeState: string;
  /** Its cgroup's name; empty where it has none. */
  readonly controlGroup: string;
}

/** Where words are looked up; tests give one of their own. */
export interface TargetWorld {
  /** The mount points of cgroups of version 2. */
  readonly mounts: () => readonly string[];
  /** The folder of a cgroup. */
  readonly findCgroup: (name: string) => string;
  /** All cgroups, as folders. */
  readonly listCgroups: () => readonly string[];
  readonly readProcessCgroup: (pid: number) => string | undefined;
  readonly readUnit: (name: string) => Promise<UnitState>;
}

async function readUnit(name: string): Promise<UnitState> {
  const names = ["Id", "LoadState", "ActiveState", "ControlGroup"];
  const properties = await openManager("system").show(name, names);
  const [id = "", loadState = "", activeState = "", controlGroup = ""] = names
    .map((name) => properties.text(name));
  return { id: id || name, loadState, activeState, controlGroup };
}

/** This machine. */
export const MACHINE: TargetWorld = {
  mounts: listCgroupMounts,
  findCgroup,
  listCgroups: () => listCgroupMounts().flatMap(listCgroups),
  readProcessCgroup,
  readUnit,
};

const USES = "name a unit, the path of a cgroup, --pid, --container, --comm or --all";

/**
 * How a cgroup of a container is called: by the engine in front (podman, Docker, CRI-O, containerd), or by
 * the id alone. Not `libpod-conmon-ID.scope`, where podman keeps its monitor.
 */
const CONTAINER = /^(?:(?:libpod|docker|crio|cri-containerd)-)?([0-9a-f]{64})(?:\.scope)?$/;

/** TASK_COMM_LEN without its NUL: include/linux/sched.h @ v6.12. */
const COMM_BYTES = 15;

/** The container that a cgroup is made for, by its folder. */
export function containerOf(path: string): string | undefined {
  return CONTAINER.exec(path.slice(path.lastIndexOf("/") + 1))?.[1];
}

const CONTAINER_HINT = "`podman ps` or `docker ps` shows the ids of those that run";

/** The digits of a container's id that a word gives. */
export function parseContainer(word: string): string {
  const id = word.toLowerCase();
  if (/^[0-9a-f]{6,64}$/.test(id)) return id;
  throw new UsageError(
    `Cannot parse --container ${word}: it is no id of a container, nor its first 6 digits or more`,
    { hint: CONTAINER_HINT },
  );
}

/** The error for an empty word. */
export function emptyWord(): UsageError {
  return new UsageError('Cannot take "" as a target: it is empty', { hint: USES });
}

/** The error for no words at all. */
export function noWords(): UsageError {
  return new UsageError("Cannot find a target: none is given", { hint: USES });
}

function rootRefusal(what: string): UsageError {
  return new UsageError(
    `Cannot take ${what} as a target: its cgroup is that of the whole machine`,
    {
      hint: "`--all` means the whole machine",
    },
  );
}

/** Resolves the words of one call. */
export class Resolver {
  readonly #world: TargetWorld;
  readonly #strict: boolean;
  readonly #atRest: boolean;

  constructor(world: TargetWorld, { strict = false, atRest = false }: TargetWords) {
    this.#world = world;
    this.#strict = strict;
    this.#atRest = atRest;
  }

  #cgroup(path: string, name: string): NamedTarget {
    if (this.#world.mounts().includes(path)) throw rootRefusal(name);
    return { spec: { kind: "cgroup", path, strict: this.#strict }, name, strict: this.#strict };
  }

  #path(word: string): NamedTarget {
    const path = this.#world.findCgroup(word);
    return this.#cgroup(path, cgroupName(path, [...this.#world.mounts()]) ?? path);
  }

  async #unit({ name, type, instance }: UnitName): Promise<NamedTarget> {
    if (instance === "") {
      throw new NotSupportedError(
        `Cannot take ${name} as a target: it is a template, an instance is needed`,
        { hint: `\`systemctl list-units '${name.replace("@.", "@*.")}'\` lists its instances` },
      );
    }
    const { id, loadState, activeState, controlGroup } = await this.#world.readUnit(name);
    if (controlGroup !== "") {
      return { ...this.#cgroup(this.#world.findCgroup(controlGroup), id), unit: id };
    }
    if (loadState === "not-found") {
      throw new NotFoundError(`Cannot take ${name} as a target: there is no such unit`, {
        tried: [name],
        hint: "`systemctl list-units` lists those that are loaded; a path of a cgroup has a slash",
      });
    }
    if (!["service", "slice", "scope", "socket", "mount", "swap"].includes(type)) {
      throw new UsageError(`Cannot take ${name} as a target: a ${type} has no processes`, {
        hint: "name the service, or the slice that it is in",
      });
    }
    if (this.#atRest && type === "service") {
      return { spec: undefined, name: id, unit: id, strict: this.#strict };
    }
    throw new ConflictError(
      `Cannot take ${name} as a target: it is ${activeState}, and has a cgroup only while it runs`,
      {
        hint: type === "service"
          ? `\`systemctl start ${name}\`, or \`mptcpize attach --persist ${name}\` for each start`
          : `start it first: \`systemctl start ${name}\``,
      },
    );
  }

  word(word: string): NamedTarget | Promise<NamedTarget> {
    if (word === "") throw emptyWord();
    return word.includes("/") ? this.#path(word) : this.#unit(parseUnitName(word));
  }

  pid(word: string): NamedTarget {
    const pid = Number(word);
    if (!/^\d+$/.test(word) || pid < 1 || pid > 0x7fffffff) {
      throw new UsageError(`Cannot parse --pid ${word}: it is no process id`, {
        hint: "a process id is a whole number from 1, such as `pgrep -n nginx` prints",
      });
    }
    const cgroup = this.#world.readProcessCgroup(pid);
    if (cgroup === undefined) {
      throw new NotFoundError(
        `Cannot take process ${pid} as a target: there is no such process, or no cgroup of it`,
        { tried: [`/proc/${pid}/cgroup`], hint: "`pgrep NAME` prints process ids" },
      );
    }
    const name = `process ${pid}`;
    return this.#cgroup(this.#world.findCgroup(cgroup), name);
  }

  container(word: string): NamedTarget {
    const id = parseContainer(word);
    const found = this.#world.listCgroups().filter((path) => containerOf(path)?.startsWith(id));
    // The uppermost: engines make cgroups below it, for what the container runs.
    const tops = found.filter((path) => !found.some((above) => path.startsWith(`${above}/`)));
    const [path, ...others] = tops;
    if (path === undefined) {
      throw new NotFoundError(
        `Cannot take container ${word} as a target: no cgroup of version 2 has its id in its name`,
        { tried: [...this.#world.mounts()], hint: CONTAINER_HINT },
      );
    }
    if (others.length > 0) {
      const ids = [...new Set(tops.map((top) => containerOf(top)?.slice(0, 16)))].sort();
      throw new UsageError(
        `Cannot take container ${word} as a target: ${tops.length} have an id that starts so`,
        {
          hint: ids.length > 1 ? `give more of it: ${ids.join(", ")}` : `name the cgroup: ${path}`,
        },
      );
    }
    return this.#cgroup(path, `container ${containerOf(path)?.slice(0, 12)}`);
  }

  comm(word: string): NamedTarget {
    const bytes = new TextEncoder().encode(word);
    if (word === "" || word.includes("/") || word.includes("\0")) {
      throw new UsageError(
        `Cannot parse --comm ${JSON.stringify(word)}: it is no name of a program`,
        {
          hint: "the name without folders, as `ps -e -o comm` prints it",
        },
      );
    }
    if (bytes.length > COMM_BYTES) {
      const kept = new TextDecoder().decode(bytes.subarray(0, COMM_BYTES)).replace(/\uFFFD$/, "");
      throw new UsageError(
        `Cannot parse --comm ${word}: it has ${bytes.length} bytes, and the kernel keeps ${COMM_BYTES}`,
        { hint: `\`--comm ${kept}\`` },
      );
    }
    const strict = this.#strict;
    return { spec: { kind: "comm", name: word, strict }, name: `programs named ${word}`, strict };
  }

  all(): NamedTarget {
    const strict = this.#strict;
    return { spec: { kind: "all", strict }, name: "everything", strict };
  }
}

/** Whether two specs mean the same target, strict or not. */
export function sameTarget(left: TargetSpec, right: TargetSpec): boolean {
  if (left.kind === "cgroup") return right.kind === "cgroup" && left.path === right.path;
  if (left.kind === "comm") return right.kind === "comm" && left.name === right.name;
  return right.kind === "all";
}

/**
 * Finds the targets that words name, each once; changes nothing.
 *
 * @throws {UsageError} for words that make no sense, or when there are none
 * @throws {NotFoundError} for what is not there
 * @throws {ConflictError} for a unit that does not run
 * @throws {NotSupportedError} for units where systemd does not run
 */
export async function resolveTargets(
  request: TargetWords,
  world: TargetWorld = MACHINE,
): Promise<NamedTarget[]> {
  const resolver = new Resolver(world, request);
  const targets: NamedTarget[] = [];
  for (const word of request.words ?? []) targets.push(await resolver.word(word));
  targets.push(
    ...(request.pids ?? []).map((pid) => resolver.pid(pid)),
    ...(request.containers ?? []).map((id) => resolver.container(id)),
    ...(request.comms ?? []).map((comm) => resolver.comm(comm)),
    ...(request.all ? [resolver.all()] : []),
  );
  if (targets.length === 0) throw noWords();
  return targets.filter((target, index) =>
    targets.findIndex((other) =>
      target.spec !== undefined && other.spec !== undefined
        ? sameTarget(other.spec, target.spec)
        : target.unit !== undefined && target.unit === other.unit
    ) === index
  );
}
