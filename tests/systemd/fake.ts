/**
 * A systemd that answers as the real one was recorded, for tests of what is planned for units.
 *
 * @module
 */

import type { EnableRequest, UnitWorld } from "../../force/mod.ts";
import {
  assignmentsOf,
  type DropInFolders,
  environmentSetting,
  findDropIns,
  UnitManager,
} from "../../systemd/mod.ts";

const TESTDATA = new URL("../../systemd/testdata/", import.meta.url);

function recorded(unit: string): string | undefined {
  const name = unit.replace(/\.service$/, "").replace("@", "_at_");
  try {
    return Deno.readTextFileSync(new URL(`show_${name}.txt`, TESTDATA));
  } catch {
    return undefined;
  }
}

/** Systemd as far as units go: what was recorded, with the drop-ins as they were at the last reload. */
export class FakeSystemd {
  readonly asked: string[] = [];
  /** What an asked command answers instead. */
  readonly failing = new Map<string, string>();
  /** Properties that are other than recorded, as `UNIT NAME`. */
  readonly changed = new Map<string, string>();
  version = "257.8-1~deb13u1";
  readonly manager = new UnitManager("system", (_, words) => Promise.resolve(this.#answer(words)));
  /** The same units, as those of a user. */
  readonly userManager = new UnitManager(
    "user",
    (_, words) => Promise.resolve(this.#answer(words.slice(1))),
  );
  #loaded = new Map<string, { path: string; assignments: string[]; text: string }[]>();

  constructor(readonly folders: DropInFolders) {}

  #reload(): void {
    this.#loaded.clear();
    for (const folder of [this.folders.persistent, this.folders.runtime]) {
      let names: string[] = [];
      try {
        names = [...Deno.readDirSync(folder)].map(({ name }) => name);
      } catch {
        // None was made.
      }
      for (const unit of names.map((name) => name.slice(0, -".d".length))) {
        const read = findDropIns(this.folders, unit).map(({ path, dropIn }) => ({
          path,
          text: Deno.readTextFileSync(path),
          assignments: dropIn === undefined ? [] : assignmentsOf(dropIn),
        }));
        this.#loaded.set(unit, read);
      }
    }
  }

  #show(unit: string): string {
    const text = recorded(unit) ?? recorded("nosuch")!.replaceAll("nosuch.service", unit);
    const loaded = this.#loaded.get(unit) ?? [];
    return text.split("\n").map((line) => {
      const [name = "", value = ""] = [line.split("=", 1)[0], line.slice(line.indexOf("=") + 1)];
      const other = this.changed.get(`${unit} ${name}`);
      if (other !== undefined) return `${name}=${other}`;
      if (name === "DropInPaths") return `${name}=${loaded.map(({ path }) => path).join(" ")}`;
      if (name === "SocketProtocol" && loaded.some(({ text }) => text.includes("=mptcp"))) {
        return "SocketProtocol=262";
      }
      if (name !== "Environment") return line;
      // What is set anew counts, in the place behind.
      const set = loaded.flatMap(({ assignments }) => assignments);
      const printed = set.map((assignment) => environmentSetting(assignment).slice(12));
      return `Environment=${[value, ...printed].filter((word) => word !== "").join(" ")}`;
    }).join("\n");
  }

  #answer(words: readonly string[]) {
    const rest = words.filter((word) => !["--no-pager", "--no-ask-password", "--"].includes(word));
    const [verb = "", ...operands] = rest;
    const asked = verb === "show" ? "show" : [verb, ...operands].join(" ");
    if (verb !== "show") this.asked.push(asked);
    const fault = this.failing.get(asked);
    if (fault !== undefined) return { code: 1, stdout: "", stderr: fault };
    if (verb === "daemon-reload") this.#reload();
    const stdout = verb !== "show"
      ? ""
      : operands[2] === undefined
      ? `Environment=LANG=C.UTF-8\nVersion=${this.version}\n`
      : this.#show(operands[2]);
    return { code: 0, stdout, stderr: "" };
  }
}

export interface Scene {
  readonly systemd: FakeSystemd;
  readonly world: UnitWorld;
  readonly request: (units: string[], changes?: Partial<EnableRequest>) => EnableRequest;
  /** All files below the folders of drop-ins, and their text. */
  readonly files: () => Record<string, string>;
}

export async function inScene(use: (scene: Scene) => Promise<void>): Promise<void> {
  const root = Deno.makeTempDirSync({ dir: "/var/tmp" });
  try {
    const folder = `${root}/installed`;
    const library = `${folder}/lib/${Deno.build.arch}`;
    Deno.mkdirSync(library, { recursive: true });
    Deno.writeTextFileSync(`${library}/libmptcpize.so`, "");
    Deno.chmodSync(root, 0o755);
    const [persistent, runtime] = [`${root}/etc`, `${root}/run`];
    Deno.mkdirSync(persistent);
    Deno.mkdirSync(runtime);
    const systemd = new FakeSystemd({ persistent, runtime, stop: [persistent, runtime] });
    const files = (at = root, below = ""): Record<string, string> =>
      Object.fromEntries(
        [...Deno.readDirSync(at)].filter(({ name }) => name !== "installed").flatMap((entry) => {
          const path = `${at}/${entry.name}`;
          const name = `${below}/${entry.name}`;
          return entry.isDirectory
            ? [[name, "folder"], ...Object.entries(files(path, name))]
            : [[name, Deno.readTextFileSync(path)]];
        }),
      );
    await use({
      systemd,
      world: {
        manager: systemd.manager,
        folders: systemd.folders,
        mptcp: { state: "yes" },
        uid: Deno.uid() ?? 0,
        bpf: () => ({ state: "no", reason: "no BPF here", needs: "Linux 6.6" }),
      },
      request: (units, changes = {}) => ({
        units,
        installations: [folder],
        ...changes,
      }),
      files,
    });
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

/** The first command line of a unit, as it was printed. */
export function recordedCommand(name: string): string {
  return /^ExecStart=(.*true-by.*)$/m.exec(recorded(name) ?? "")?.[1] ?? "";
}
