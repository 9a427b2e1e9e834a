import { deepStrictEqual, match, ok, strictEqual } from "node:assert";
import type { Feature } from "../features/mod.ts";
import type { Elf, GoBuild, Program } from "../program/mod.ts";
import { parseDropIn, parseUnitName, renderDropIn, UnitProperties } from "../systemd/mod.ts";
import { chooseUnitMethod, type UnitChoiceFacts } from "./unit_choice.ts";
import type { UnitFacts } from "./unit_read.ts";

const LIBRARY = "/usr/lib/mptcpize/lib/x86_64/libmptcpize.so";
const NO: Feature = { state: "no", reason: "no BPF here", needs: "Linux 6.6" };
const ELF: Elf = {
  class: 64,
  endian: "little",
  machine: "x86_64",
  type: "shared",
  interpreter: "/lib64/ld-linux-x86-64.so.2",
  libc: "glibc",
};
const { interpreter: _, ...STATIC } = ELF;
const GO: GoBuild = { version: "go1.24.0", release: { major: 1, minor: 24 } };

function program(changes: Partial<Program> = {}): Program {
  return {
    path: "/bin/x",
    format: "elf",
    setUid: false,
    setGid: false,
    ownerUid: 0,
    ownerGid: 0,
    fileCapabilities: false,
    unreadable: false,
    elf: ELF,
    ...changes,
  };
}

const DYNAMIC = program();
const GO_PROGRAM = program({ elf: STATIC, go: GO });
const STATIC_PROGRAM = program({ elf: STATIC });

/** Facts of a service with some properties and programs. */
function service(
  properties: Readonly<Record<string, string>>,
  programs: readonly (Program | undefined)[] = [DYNAMIC],
  changes: Partial<UnitFacts> = {},
): UnitFacts {
  return {
    name: parseUnitName("x"),
    properties: new UnitProperties(
      new Map(Object.entries(properties).map(([name, value]) => [name, [value]])),
    ),
    running: [],
    programs: programs.map((image) =>
      image === undefined
        ? { path: "/bin/x", image, fault: "it is not there" }
        : { path: "/bin/x", image }
    ),
    environmentFiles: [],
    managerEnvironment: ["LANG=C.UTF-8"],
    systemdVersion: 257,
    sockets: [],
    uid: 0,
    gid: 0,
    ...changes,
  };
}

const WORLD: UnitChoiceFacts = {
  library: () => LIBRARY,
  hasLibrary: (machine) => machine === "x86_64",
  machine: "x86_64",
  bpf: () => NO,
  dropIn: undefined,
  isInRoot: () => false,
};

function set(
  facts: UnitFacts,
  method: Parameters<typeof chooseUnitMethod>[1] = "auto",
  world: Partial<UnitChoiceFacts> = {},
) {
  const choice = chooseUnitMethod(facts, method, { ...WORLD, ...world });
  ok(!("refused" in choice), JSON.stringify(choice));
  return {
    method: choice.method,
    set: Object.fromEntries(choice.variables.map(({ name, after }) => [name, after])),
    before: choice.variables.map(({ before }) => before),
    warnings: choice.warnings,
  };
}

function refusal(
  facts: UnitFacts,
  method: Parameters<typeof chooseUnitMethod>[1] = "auto",
  world: Partial<UnitChoiceFacts> = {},
) {
  const choice = chooseUnitMethod(facts, method, { ...WORLD, ...world });
  ok("refused" in choice, JSON.stringify(choice));
  return choice.refused;
}

const BOTH = { LD_PRELOAD: LIBRARY, GODEBUG: "multipathtcp=1" };

Deno.test("chooseUnitMethod() sets both variables, and names the method that reaches the program", () => {
  deepStrictEqual([set(service({})).method, set(service({})).set], ["preload", BOTH]);
  const go = set(service({}, [GO_PROGRAM]));
  deepStrictEqual([go.method, go.set], ["godebug", BOTH]);
  // Several command lines, each reached in its own way.
  strictEqual(set(service({}, [DYNAMIC, GO_PROGRAM])).method, "preload");
  deepStrictEqual(set(service({}), "preload").set, { LD_PRELOAD: LIBRARY });
  deepStrictEqual(set(service({}), "godebug").set, { GODEBUG: "multipathtcp=1" });
});

Deno.test("chooseUnitMethod() merges with what the unit, or systemd itself, sets", () => {
  const Environment = 'LD_PRELOAD=/jemalloc.so "GREETING=good day" GODEBUG=madvdontneed=1';
  deepStrictEqual(set(service({ Environment })).set, {
    LD_PRELOAD: `/jemalloc.so:${LIBRARY}`,
    GODEBUG: "madvdontneed=1,multipathtcp=1",
  });
  deepStrictEqual(set(service({ Environment })).before, ["/jemalloc.so", "madvdontneed=1"]);
  const managerEnvironment = ["LD_PRELOAD=/all.so"];
  deepStrictEqual(
    set(service({}, [DYNAMIC], { managerEnvironment })).set.LD_PRELOAD,
    `/all.so:${LIBRARY}`,
  );
});

Deno.test("chooseUnitMethod() merges anew with what ours was merged into, not with itself", () => {
  const dropIn = parseDropIn(renderDropIn({
    version: "0.0.9",
    unit: "x.service",
    method: "preload",
    undo: "",
    section: "Service",
    settings: [`Environment="LD_PRELOAD=/jemalloc.so:/old/libmptcpize.so"`],
    before: ["LD_PRELOAD=/jemalloc.so"],
  }));
  const ours = { Environment: "LD_PRELOAD=/jemalloc.so:/old/libmptcpize.so" };
  deepStrictEqual(set(service(ours), "preload", { dropIn }).set, {
    LD_PRELOAD: `/jemalloc.so:${LIBRARY}`,
  });
  // What another drop-in sets by now counts more than what ours remembers.
  const theirs = { Environment: "LD_PRELOAD=/tcmalloc.so" };
  deepStrictEqual(set(service(theirs), "preload", { dropIn }).before, ["/tcmalloc.so"]);
});

Deno.test("chooseUnitMethod() refuses what would not count, and says what to do", () => {
  const file = (assignments: string[] | undefined) => ({
    environmentFiles: [{ path: "/etc/default/x", assignments }],
  });
  const overridden = refusal(service({}, [DYNAMIC], file(["LD_PRELOAD=/j.so"])));
  match(overridden.state, /EnvironmentFile=\/etc\/default\/x sets LD_PRELOAD/);
  ok(overridden.remedy.includes(`put \`LD_PRELOAD=/j.so:${LIBRARY}\` into /etc/default/x`));
  // Put there as the remedy says, it is as good; and what nobody needs does not matter.
  strictEqual(
    set(service({}, [DYNAMIC], file([`LD_PRELOAD=/j.so:${LIBRARY}`]))).method,
    "preload",
  );
  deepStrictEqual(set(service({}, [GO_PROGRAM], file(["LD_PRELOAD=/j.so"]))).set, {
    GODEBUG: "multipathtcp=1",
  });
  match(set(service({}, [DYNAMIC], file(undefined))).warnings.join(), /cannot be read/);
  match(
    refusal(service({ UnsetEnvironment: "LD_PRELOAD" })).state,
    /UnsetEnvironment=LD_PRELOAD takes it out/,
  );
});

Deno.test("chooseUnitMethod() names the setting that hides the library", () => {
  for (
    const [properties, state] of [
      [{ RootDirectory: "/srv/www" }, /^RootDirectory=\/srv\/www hides \/usr\/lib\/mptcpize/],
      [{ RootImage: "/x.img" }, /^RootImage=\/x.img hides/],
      [{ InaccessiblePaths: "/usr/lib/mptcpize" }, /^InaccessiblePaths=/],
      [{ NoExecPaths: "/" }, /^NoExecPaths=\/ keeps its programs from loading/],
    ] as const
  ) {
    match(refusal(service(properties)).state, state);
    match(refusal(service(properties), "preload").state, state);
    // GODEBUG needs no file: a library that cannot be loaded is not set beside it.
    deepStrictEqual(set(service(properties, [GO_PROGRAM])).set, { GODEBUG: "multipathtcp=1" });
  }
  match(refusal(service({ NoExecPaths: "/" })).remedy, /ExecPaths=/);
});

Deno.test("chooseUnitMethod() refuses programs that the environment does not reach", () => {
  match(refusal(service({}, [STATIC_PROGRAM])).state, /^\/bin\/x: it is statically linked/);
  match(refusal(service({}, [DYNAMIC, STATIC_PROGRAM])).state, /statically linked/);
  match(refusal(service({}, [undefined])).state, /cannot be read: it is not there/);
  match(refusal(service({}, [])).state, /starts no program/);
  const setId = program({ setUid: true, ownerUid: 0 });
  match(refusal(service({}, [setId], { uid: 33, gid: 33 })).state, /set-user-ID/);
  // Of no effect in such a unit.
  strictEqual(
    set(service({ NoNewPrivileges: "yes" }, [setId], { uid: 33, gid: 33 })).method,
    "preload",
  );
  // Insisted on, it is set all the same, for what the program starts.
  match(set(service({}, [STATIC_PROGRAM]), "preload").warnings.join(), /stays TCP.*statically/);
  for (const { remedy } of [refusal(service({}, [STATIC_PROGRAM]))]) {
    ok(!remedy.includes("--method preload"), remedy);
    match(remedy, /bpf would do, but no BPF here: Linux 6.6/);
  }
});

Deno.test("chooseUnitMethod() takes bpf where the environment does not reach, and BPF can", () => {
  const bpf = (): Feature => ({ state: "yes" });
  const hidden = { RootDirectory: "/srv/www" };
  const refused = refusal(service(hidden), "auto", { bpf });
  match(refused.remedy, /bpf would do, but its commands .*: set RootDirectoryStartOnly=yes/);
  match(refusal(service(hidden), "bpf", { bpf }).state, /executed inside of \/srv\/www/);
  const reachable = service({ ...hidden, RootDirectoryStartOnly: "yes" });
  for (const facts of [service({}, [STATIC_PROGRAM]), reachable]) {
    deepStrictEqual(set(facts, "auto", { bpf }).method, "bpf");
    deepStrictEqual(set(facts, "bpf", { bpf }).set, {});
  }
  strictEqual(set(service({}), "auto", { bpf }).method, "preload");
  deepStrictEqual(refusal(service({}), "bpf"), { state: "no BPF here", remedy: "Linux 6.6" });
  match(refusal(service({ NoExecPaths: "/" }), "preload", { bpf }).remedy, /enable --method bpf x/);
});

Deno.test("chooseUnitMethod() needs an installation for the library alone", () => {
  const library = () =>
    ({ state: "mptcpize is not installed", remedy: "`mptcpize install`", bars: "all" }) as const;
  // By BPF it would not do either: systemd starts mptcpize for that.
  const bpf = (): Feature => ({ state: "yes" });
  deepStrictEqual(refusal(service({}), "auto", { library, bpf }), library());
  deepStrictEqual(refusal(service({}), "preload", { library }).state, "mptcpize is not installed");
  deepStrictEqual(set(service({}, [GO_PROGRAM]), "auto", { library }).set, {
    GODEBUG: "multipathtcp=1",
  });
});

Deno.test("chooseUnitMethod() warns of what confines the programs", () => {
  const warnings = (properties: Record<string, string>, library = LIBRARY) =>
    set(service(properties), "auto", { library: () => library }).warnings.join("\n");
  const confined = { AppArmorProfile: "-web" };
  strictEqual(warnings(confined), "");
  match(warnings(confined, "/opt/x/libmptcpize.so"), /AppArmor profile web may keep \/opt\/x\//);
  match(warnings({ SELinuxContext: "a:b:c" }), /SELinuxContext=a:b:c.*sockets --unit x\.service/);
  match(warnings({ PAMName: "login" }), /PAM may set/);
  // GODEBUG alone needs no library.
  const go = set(service({ SELinuxContext: "a:b:c" }, [GO_PROGRAM]), "godebug");
  deepStrictEqual(go.warnings, []);
});
