import { deepStrictEqual, match, rejects, strictEqual } from "node:assert";
import { normalize } from "node:path";
import {
  ConflictError,
  type MptcpizeError,
  NotFoundError,
  NotSupportedError,
  UsageError,
} from "../errors.ts";
import type { Target } from "../bpf/mod.ts";
import type { PersistentTarget } from "./attach_units.ts";
import { matchTargets } from "./match_targets.ts";
import { resolveTargets, type TargetWords, type TargetWorld } from "./targets.ts";

const MOUNT = "/sys/fs/cgroup/unified";
const ID = "3f1c9a77b2d0".padEnd(64, "0");
const OTHER = "3f1c9a88".padEnd(64, "0");
const POD = "/kubepods.slice/kubepods-pod1.slice";
const CGROUPS = [
  "",
  "/system.slice",
  "/system.slice/nginx.service",
  "/machine.slice",
  `/machine.slice/libpod-${ID}.scope`,
  `/machine.slice/libpod-${ID}.scope/container`,
  `/machine.slice/libpod-conmon-${ID}.scope`,
  `/docker/${OTHER}`,
  `/docker/${OTHER}/docker/${ID.replace("3f", "aa")}`,
  `${POD}/cri-containerd-${"b".repeat(64)}.scope`,
  `${POD}/crio-${"c".repeat(64)}.scope`,
].map((name) => MOUNT + name);

const UNITS: Record<string, [load: string, active: string, group: string, id?: string]> = {
  "nginx.service": ["loaded", "active", "/system.slice/nginx.service"],
  "web.service": ["loaded", "active", "/system.slice/nginx.service", "nginx.service"],
  "idle.service": ["loaded", "inactive", ""],
  "machine.slice": ["loaded", "active", "/machine.slice"],
  "x.timer": ["loaded", "active", ""],
  "-.slice": ["loaded", "active", "/"],
};

const WORLD: TargetWorld = {
  mounts: () => [MOUNT],
  findCgroup(name) {
    const path = normalize(name.startsWith(MOUNT) ? name : `${MOUNT}/${name}`).replace(/\/$/, "");
    if (CGROUPS.includes(path)) return path;
    throw new NotFoundError(`Cannot find cgroup ${name}: there is none`);
  },
  listCgroups: () => CGROUPS,
  readProcessCgroup: (pid) => ({ 12: "/system.slice/nginx.service", 13: "/" })[pid],
  readUnit(name) {
    const [loadState, activeState, controlGroup, id = name] = UNITS[name] ??
      ["not-found", "inactive", ""];
    return Promise.resolve({ id, loadState, activeState, controlGroup });
  },
};

async function resolve(request: TargetWords) {
  return (await resolveTargets(request, WORLD)).map(({ spec, name }) => [
    name,
    spec?.kind === "cgroup" ? spec.path.slice(MOUNT.length) : spec,
  ]);
}

Deno.test("resolveTargets() finds units, paths, processes and containers", async () => {
  const nginx = "/system.slice/nginx.service";
  for (
    const [request, name, path] of [
      [{ words: ["nginx"] }, "nginx.service", nginx],
      [{ words: ["web.service"] }, "nginx.service", nginx],
      [{ words: ["machine.slice"] }, "machine.slice", "/machine.slice"],
      [{ words: [nginx] }, nginx, nginx],
      [{ words: ["system.slice/nginx.service"] }, nginx, nginx],
      [{ words: [`${MOUNT}${nginx}/`] }, nginx, nginx],
      [{ pids: ["12"] }, "process 12", nginx],
      [
        { containers: ["3f1c9a77"] },
        "container 3f1c9a77b2d0",
        `/machine.slice/libpod-${ID}.scope`,
      ],
      [{ containers: [ID] }, "container 3f1c9a77b2d0", `/machine.slice/libpod-${ID}.scope`],
      [{ containers: ["3F1C9A88"] }, "container 3f1c9a880000", `/docker/${OTHER}`],
      [
        { containers: ["bbbbbb"] },
        "container bbbbbbbbbbbb",
        `${POD}/cri-containerd-${"b".repeat(64)}.scope`,
      ],
      [{ containers: ["cccccc"] }, "container cccccccccccc", `${POD}/crio-${"c".repeat(64)}.scope`],
    ] as const
  ) deepStrictEqual(await resolve(request), [[name, path]], JSON.stringify(request));
});

Deno.test("resolveTargets() takes names and all, and each target once", async () => {
  deepStrictEqual(await resolve({ comms: ["java"], all: true, strict: true }), [
    ["programs named java", { kind: "comm", name: "java", strict: true }],
    ["everything", { kind: "all", strict: true }],
  ]);
  const twice = { words: ["nginx", "web", "/system.slice/nginx.service"], pids: ["12"] };
  strictEqual((await resolve({ ...twice, comms: ["a", "a", "b"] })).length, 3);
});

Deno.test("resolveTargets() takes a service at rest where that is asked for, and a slice not", async () => {
  deepStrictEqual(await resolve({ words: ["idle", "idle.service"], atRest: true }), [
    ["idle.service", undefined],
  ]);
  await rejects(resolve({ words: ["x.timer"], atRest: true }), UsageError);
});

Deno.test("resolveTargets() refuses each wrong word by one error with a hint", async () => {
  for (
    const [request, kind, message, hint] of [
      [{}, UsageError, /none is given/, /--container/],
      [{ words: [""] }, UsageError, /"".*empty/, /unit/],
      [{ words: ["/"] }, UsageError, /\/ as a target.*the whole machine/, /--all/],
      [{ words: [MOUNT] }, UsageError, /the whole machine/, /--all/],
      [{ words: ["-.slice"] }, UsageError, /-\.slice as a target.*the whole machine/, /--all/],
      [{ words: ["/no/such"] }, NotFoundError, /\/no\/such/, undefined],
      [{ words: ["nosuch"] }, NotFoundError, /nosuch\.service.*no such unit/, /a path.*slash/],
      [{ words: ["idle"] }, ConflictError, /idle\.service.*inactive/, /attach --persist idle/],
      [{ words: ["x.timer"] }, UsageError, /a timer has no processes/, /service/],
      [{ words: ["getty@"] }, NotSupportedError, /getty@\.service.*template/, /list-units/],
      [{ words: ["a b"] }, UsageError, /"a b"/, /list-units/],
      [{ pids: ["x"] }, UsageError, /--pid x: it is no process id/, /pgrep/],
      [{ pids: ["0"] }, UsageError, /--pid 0/, /pgrep/],
      [{ pids: ["14"] }, NotFoundError, /process 14/, /pgrep/],
      [{ pids: ["13"] }, UsageError, /process 13.*the whole machine/, /--all/],
      [{ containers: ["3f1c9"] }, UsageError, /--container 3f1c9:/, /podman ps/],
      [{ containers: ["web"] }, UsageError, /--container web:/, /podman ps/],
      [
        { containers: ["3f1c9a"] },
        UsageError,
        /2 have an id/,
        /3f1c9a77b2d00000, 3f1c9a8800000000/,
      ],
      [{ containers: ["dddddd"] }, NotFoundError, /container dddddd/, /podman ps/],
      [{ comms: [""] }, UsageError, /--comm ""/, /ps -e -o comm/],
      [{ comms: ["/bin/java"] }, UsageError, /--comm "\/bin\/java"/, /without folders/],
      [
        { comms: ["systemd-resolved"] },
        UsageError,
        /16 bytes.*keeps 15/,
        /`--comm systemd-resolve`/,
      ],
      [{ comms: ["ääääääää"] }, UsageError, /16 bytes/, /`--comm äääääää`/],
    ] as const
  ) {
    await rejects(resolve(request), (error: MptcpizeError) => {
      strictEqual(error instanceof kind, true, `${JSON.stringify(request)}: ${error}`);
      match(error.message, /^Cannot /);
      match(error.message, message);
      if (hint !== undefined) match(error.hint ?? "", hint);
      return true;
    });
  }
});

function target(changes: Partial<Target>): Target {
  return {
    kind: "cgroup",
    strict: false,
    since: new Date(0),
    socketsSeen: 0n,
    socketsForced: 0n,
    optionsSoftened: 0n,
    gone: false,
    ...changes,
  };
}

const ATTACHED = [
  target({ path: `${MOUNT}/system.slice/nginx.service`, strict: true }),
  target({ path: `${MOUNT}/system.slice/gone.service`, gone: true }),
  target({ path: `${MOUNT}/machine.slice/libpod-${ID}.scope`, gone: true }),
  target({ kind: "comm", name: "java" }),
  target({ kind: "all" }),
];
const PERSISTENT: PersistentTarget[] = [
  { kind: "service", name: "nginx.service", strict: false },
  { kind: "slice", name: "machine.slice", strict: false },
  { kind: "comm", name: "java", strict: false },
  { kind: "all", strict: false },
];

Deno.test("matchTargets() finds what is attached, even where it is there no more", async () => {
  for (
    const [request, attached, persistent] of [
      [{ words: ["nginx"] }, [0], [0]],
      [{ words: ["web"] }, [0], [0]],
      [{ words: ["/system.slice/nginx.service"] }, [0], [0]],
      [{ words: [`${MOUNT}/system.slice/nginx.service/`] }, [0], [0]],
      [{ words: ["/machine.slice/../system.slice//nginx.service"] }, [0], [0]],
      [{ words: ["gone"] }, [1], []],
      [{ words: ["/system.slice/gone.service"] }, [1], []],
      [{ words: ["machine.slice"] }, [], [1]],
      [{ words: ["/machine.slice"] }, [], [1]],
      [{ words: ["/no/such"] }, [], []],
      [{ words: ["idle"] }, [], []],
      [{ pids: ["12"] }, [0], [0]],
      [{ containers: ["3f1c9a77"] }, [2], []],
      [{ containers: ["3f1c9a88"] }, [], []],
      [{ comms: ["java"] }, [3], [2]],
      [{ comms: ["jav"] }, [], []],
      [{ all: true }, [4], [3]],
    ] as const
  ) {
    const [found, ...more] = await matchTargets(request, ATTACHED, PERSISTENT, WORLD);
    const what = JSON.stringify(request);
    strictEqual(more.length, 0);
    deepStrictEqual(found?.persistent, persistent.map((index) => PERSISTENT[index]), what);
    deepStrictEqual(
      found?.specs.map((spec) => spec.kind === "cgroup" ? spec.path : spec.kind),
      attached.map((index) => ATTACHED[index]!.path ?? ATTACHED[index]!.kind),
      what,
    );
  }
  const [nginx] = await matchTargets({ words: ["nginx"] }, ATTACHED, [], WORLD);
  strictEqual(nginx?.specs[0]?.strict, true);
});

Deno.test("matchTargets() finds units by their names where systemd does not run", async () => {
  const world = {
    ...WORLD,
    readUnit: () => Promise.reject(new NotSupportedError("Cannot ask systemd: none")),
  };
  const [found] = await matchTargets({ words: ["gone"] }, ATTACHED, PERSISTENT, world);
  strictEqual(found?.specs.length, 1);
});

Deno.test("matchTargets() refuses words that make no sense", async () => {
  for (
    const request of [
      {},
      { words: [""] },
      { words: ["a b"] },
      { pids: ["x"] },
      { containers: ["web"] },
      { comms: ["/x"] },
    ]
  ) await rejects(matchTargets(request, ATTACHED, PERSISTENT, WORLD), UsageError);
  await rejects(matchTargets({ pids: ["14"] }, ATTACHED, PERSISTENT, WORLD), NotFoundError);
});
