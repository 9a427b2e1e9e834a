import { deepStrictEqual, match, rejects, strictEqual, throws } from "node:assert";
import { ConflictError, MptcpizeError, NotSupportedError } from "../errors.ts";
import { UnitManager } from "../systemd/mod.ts";
import { Persistence } from "./persist.ts";
import { listAttachedBy } from "./persistent_targets.ts";
import type { NamedTarget } from "./targets.ts";

const COMMAND = "/usr/local/bin/mptcpize";
const PATH = "/sys/fs/cgroup/x";

function service(name: string, strict = false): NamedTarget {
  return { spec: { kind: "cgroup", path: PATH, strict }, name, unit: name, strict };
}

const SLICE = service("machine.slice");
const JAVA: NamedTarget = {
  spec: { kind: "comm", name: "java", strict: true },
  name: "programs named java",
  strict: true,
};

/** A folder for units, and a manager that answers as systemd would and fails at one step. */
class World implements Disposable {
  readonly folder = Deno.makeTempDirSync();
  readonly steps: string[] = [];
  /** The first word of the command that fails, once. */
  fails = "";
  /** What `systemctl show` prints besides. */
  properties: Record<string, string> = {};

  readonly persistence = new Persistence(
    this.folder,
    () =>
      new UnitManager("system", (_program, words) => {
        const [verb = "", ...rest] = words.filter((word) => !/^--(no-|quiet)/.test(word));
        if (verb === this.fails) {
          this.fails = "";
          return Promise.resolve({ code: 1, stdout: "", stderr: `${verb} failed` });
        }
        if (verb !== "show") this.steps.push([verb, ...rest.filter((w) => w !== "--")].join(" "));
        return Promise.resolve({ code: 0, stdout: this.#show(rest), stderr: "" });
      }),
  );

  #show(words: readonly string[]): string {
    const unit = words.at(-1);
    const asked = words[1]?.split(",") ?? [];
    const properties: Record<string, string> = {
      LoadState: "loaded",
      Transient: "no",
      RootDirectory: "",
      RootImage: "",
      RootDirectoryStartOnly: "no",
      NeedDaemonReload: "no",
      UnitFileState: "enabled",
      ActiveState: "active",
      DropInPaths: `/usr/lib/x.conf ${this.folder}/${unit}.d/90-mptcpize-attach.conf`,
      ...this.properties,
    };
    return Object.entries(properties).filter(([name]) => asked.includes(name)).map((
      [name, value],
    ) => `${name}=${value}\n`).join("");
  }

  /** The files below, with their texts. */
  files(folder = this.folder): Record<string, string> {
    const found: Record<string, string> = {};
    for (const { name, isDirectory } of Deno.readDirSync(folder)) {
      const path = `${folder}/${name}`;
      if (isDirectory) Object.assign(found, this.files(path), { [path]: "" });
      else found[path.slice(this.folder.length)] = Deno.readTextFileSync(path);
    }
    return found;
  }

  async add(...targets: NamedTarget[]): Promise<void> {
    await this.persistence.apply(await this.persistence.planAdd(targets, COMMAND));
  }

  async removeAll(): Promise<void> {
    const { persistence } = this;
    await persistence.apply(persistence.planRemove(persistence.list()));
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

Deno.test("Persistence writes a drop-in for a service, and one unit for all else, and removes them", async () => {
  using world = new World();
  await world.add(service("nginx.service", true), SLICE, JAVA);
  deepStrictEqual(world.persistence.list(), [
    { kind: "service", name: "nginx.service", strict: true },
    { kind: "slice", name: "machine.slice", strict: false },
    { kind: "comm", name: "java", strict: true },
  ]);
  deepStrictEqual(listAttachedBy(COMMAND, world.folder), [
    "nginx.service",
    "machine.slice",
    "--comm java",
  ]);
  deepStrictEqual(listAttachedBy("/usr/bin/mptcpize", world.folder), []);
  const files = world.files();
  match(files["/nginx.service.d/90-mptcpize-attach.conf"] ?? "", /attach --quiet --strict %n/);
  match(files["/mptcpize-attach.service"] ?? "", /Requires=machine\.slice/);
  deepStrictEqual(world.steps, [
    "daemon-reload",
    "reenable mptcpize-attach.service",
    "restart mptcpize-attach.service",
  ]);
  await world.removeAll();
  deepStrictEqual(world.files(), {});
  deepStrictEqual(world.steps.slice(3), [
    "stop mptcpize-attach.service",
    "disable mptcpize-attach.service",
    "daemon-reload",
  ]);
});

Deno.test("Persistence keeps what is there: targets are added to the unit and taken out one by one", async () => {
  using world = new World();
  await world.add(SLICE);
  await world.add(JAVA, service("a.service"), service("b.service"));
  const before = world.files();
  const steps = world.steps.length;
  await world.add(SLICE, JAVA, service("a.service"));
  deepStrictEqual(world.files(), before);
  strictEqual(world.steps.length, steps, "nothing changes, so nothing is done");
  const { persistence } = world;
  const [, , slice] = persistence.list();
  await persistence.apply(persistence.planRemove([slice!]));
  deepStrictEqual(persistence.list().map((target) => "name" in target && target.name), [
    "a.service",
    "b.service",
    "java",
  ]);
  match(world.files()["/mptcpize-attach.service"] ?? "", /ExecStart=-\/usr\/local\/bin\/mptcpize /);
  await world.add(service("a.service", true));
  strictEqual(persistence.list()[0]?.strict, true, "a target changes its strictness");
});

Deno.test("Persistence finishes what a killed call has begun", async () => {
  using world = new World();
  await world.add(SLICE, service("a.service"));
  world.steps.length = 0;
  world.properties = { UnitFileState: "disabled" };
  await world.add(SLICE);
  deepStrictEqual(world.steps.map((step) => step.split(" ")[0]), [
    "daemon-reload",
    "reenable",
    "restart",
  ]);
  world.properties = { NeedDaemonReload: "yes" };
  world.steps.length = 0;
  await world.add(service("a.service"));
  deepStrictEqual(world.steps, ["daemon-reload"]);
});

Deno.test("Persistence leaves all as it was when a step fails", async () => {
  for (const there of [[], [SLICE, service("b.service")]]) {
    for (const fails of ["daemon-reload", "reenable", "restart"]) {
      using world = new World();
      if (there.length > 0) await world.add(...there);
      const before = world.files();
      world.fails = fails;
      await rejects(world.add(service("a.service"), JAVA), new RegExp(`${fails} failed`));
      deepStrictEqual(world.files(), before, fails);
      strictEqual(world.steps.includes("daemon-reload"), true);
    }
  }
  using world = new World();
  await world.add(SLICE);
  const before = world.files();
  world.fails = "disable";
  await rejects(world.removeAll(), /disable failed/);
  deepStrictEqual(world.files(), before);
  strictEqual(world.steps.at(-1), "start mptcpize-attach.service");
});

Deno.test("Persistence undoes a drop-in that systemd leaves out", async () => {
  using world = new World();
  world.properties = { DropInPaths: "" };
  await rejects(world.add(service("a.service")), /systemd leaves out \S+a\.service\.d/);
  deepStrictEqual(world.files(), {});
});

Deno.test("Persistence never touches files of others", async () => {
  using world = new World();
  Deno.mkdirSync(`${world.folder}/a.service.d`);
  Deno.writeTextFileSync(`${world.folder}/a.service.d/90-mptcpize-attach.conf`, "[Service]\n");
  Deno.writeTextFileSync(`${world.folder}/a.service.d/x.conf`, "[Service]\n");
  await rejects(world.add(service("a.service")), ConflictError);
  deepStrictEqual(world.persistence.list(), []);
  Deno.writeTextFileSync(`${world.folder}/mptcpize-attach.service`, "[Unit]\n");
  await rejects(world.add(JAVA), ConflictError);
  throws(() => world.persistence.list(), ConflictError);
  strictEqual(Object.keys(world.files()).length, 4);
});

Deno.test("Persistence refuses what nothing starts again, and says what to name", async () => {
  using world = new World();
  const refused = async (target: NamedTarget, message: RegExp, hint: RegExp) => {
    await rejects(world.add(target), (error: MptcpizeError) => {
      match(error.message, message);
      match(error.hint ?? "", hint);
      return error instanceof NotSupportedError;
    });
  };
  const cgroup = (path: string): NamedTarget => ({
    spec: { kind: "cgroup", path, strict: false },
    name: "process 12",
    strict: false,
  });
  await refused(cgroup("/sys/fs/cgroup/x"), /process 12 for good/, /after it was made/);
  await refused(cgroup("/sys/fs/cgroup/a.slice/b.service/c"), /process 12/, /--persist b\.service/);
  await refused(service("x.scope"), /x\.scope for good/, /after it was made/);
  world.properties = { Transient: "yes" };
  await refused(service("a.service"), /transient/, /without --persist/);
  world.properties = { LoadState: "masked" };
  await refused(service("a.service"), /masked/, /load/);
  world.properties = { RootDirectory: "/srv/x" };
  await refused(service("a.service"), /inside of \/srv\/x/, /RootDirectoryStartOnly/);
  world.properties = { RootDirectory: "/srv/x", RootDirectoryStartOnly: "yes" };
  await world.add(service("a.service"));
});
