import { match, ok, strictEqual } from "node:assert";
import type {
  ProcessStatus,
  Reason,
  SocketSummary,
  Status,
  SubjectStatus,
  TargetStatus,
  UnitStatus,
} from "../mod.ts";
import { sinceText } from "./status_notes.ts";
import { statusText } from "./status_text.ts";
import { subjectText } from "./subject_text.ts";

const PLAIN = { color: false, columns: undefined };
const NONE: SocketSummary = { mptcp: 0, fallback: 0, tcp: 0, reasons: [] };
const SINCE = new Date(2026, 0, 2, 3, 4, 5);

const ANSWERED: Reason = {
  code: "answered-as-tcp",
  words: "the peer, or something on the way, answered as plain TCP",
  certainty: "certain",
  evidence: ["asked for in the SYN"],
  hint: "`mptcpize probe HOST`",
};

const UNIT: UnitStatus = {
  unit: "nginx.service",
  method: "preload",
  file: "/etc/systemd/system/nginx.service.d/90-mptcpize.conf",
  version: "0.1.0",
  user: false,
  runtime: false,
  loaded: true,
  since: SINCE,
  running: [{
    unit: "nginx.service",
    mainPid: 7,
    cgroup: "/system.slice/nginx.service",
    pending: false,
    since: SINCE,
  }],
  sockets: {
    mptcp: 12,
    fallback: 1,
    tcp: 0,
    reasons: [{ verdict: "fallback", count: 1, reason: ANSWERED }],
  },
};

const TARGET: TargetStatus = {
  kind: "cgroup",
  path: "/sys/fs/cgroup/machine.slice",
  id: 12345678901234n,
  strict: false,
  since: SINCE,
  socketsSeen: 3n,
  socketsForced: 2n,
  optionsSoftened: 0n,
  gone: false,
  again: undefined,
  sockets: { ...NONE, mptcp: 2, tcp: 1 },
};

const PROCESS: ProcessStatus = {
  pid: 4711,
  pids: [4711, 4712],
  command: "curl",
  method: "preload",
  since: SINCE,
  sockets: { ...NONE, mptcp: 1 },
};

const EMPTY: Status = {
  forced: false,
  units: [],
  targets: [],
  waiting: [],
  processes: [],
  bpf: undefined,
  bpfSupport: { state: "yes" },
  notes: [],
};

Deno.test("statusText() shows units, targets and processes in one table, with notes beneath", () => {
  const text = statusText(PLAIN, {
    ...EMPTY,
    units: [UNIT],
    targets: [{ ...TARGET, path: "/no-mount/machine.slice" }],
    processes: [PROCESS],
    bpf: {
      programs: [{ name: "mptcpize_force", id: 5, tag: "0123456789abcdef" }],
      maps: [{ name: "targets", id: 6 }],
      current: true,
      guarded: true,
    },
    notes: ["3 processes could not be looked into"],
  });
  strictEqual(
    text,
    `\
WHAT                     METHOD   SINCE       MPTCP  FALLBACK  TCP
nginx.service            preload  2026-01-02     12         1    -
  1 fallback: the peer, or something on the way, answered as plain TCP
/no-mount/machine.slice  bpf      2026-01-02      2         -    1
  3 TCP sockets asked for, 2 made MPTCP
curl (4711) and 1 more   preload  2026-01-02      1         -    -

1 unit, 1 target, 1 process
loaded into the kernel: mptcpize_force (id 5, tag 0123456789abcdef); maps
targets (id 6)
3 processes could not be looked into
`,
  );
});

Deno.test("statusText() gives a name that is too long a line of its own", () => {
  const path = `/no-mount/${"docker-0123456789abcdef".repeat(2)}.scope`;
  const status = { ...EMPTY, targets: [{ ...TARGET, path }], processes: [PROCESS] };
  const narrow = statusText(PLAIN, status);
  for (const line of narrow.split("\n")) ok(line.length <= 80, line);
  match(narrow, /\.scope\n +bpf /);
  match(statusText({ ...PLAIN, columns: 200 }, status), /\.scope {2}bpf /);
  match(statusText({ ...PLAIN, columns: 20 }, status), /\.scope\n +bpf /);
});

Deno.test("statusText() keeps the terminal from what a process calls itself", () => {
  const text = statusText(PLAIN, {
    ...EMPTY,
    processes: [{ ...PROCESS, command: "a\x1b[2Jb\n" }],
    targets: [{ ...TARGET, path: "/no-mount/\x1b[31m" }],
  });
  match(text, /^a\?\[2Jb\? \(4711\)/m);
  match(text, /^\/no-mount\/\?\[31m /m);
});

Deno.test("statusText() paints numbers without moving them", () => {
  const status = { ...EMPTY, units: [UNIT], processes: [PROCESS] };
  const plain = statusText(PLAIN, status);
  const painted = statusText({ ...PLAIN, color: true }, status);
  const escape = String.fromCharCode(27);
  ok(painted.includes(`${escape}[32m   12${escape}[0m`));
  strictEqual(painted.replaceAll(new RegExp(`${escape}\\[\\d+m`, "g"), ""), plain);
});

Deno.test("statusText() tells what keeps a row from being in force", () => {
  const text = statusText(PLAIN, {
    ...EMPTY,
    units: [
      { ...UNIT, sockets: NONE, running: [{ ...UNIT.running[0]!, pending: true }] },
      { ...UNIT, unit: "idle.service", sockets: NONE, loaded: false, running: [] },
    ],
    targets: [{ ...TARGET, path: "/no-mount/x", gone: true, strict: true }],
    processes: [{
      ...PROCESS,
      obstacle: { ...ANSWERED, code: "static", words: "it is statically linked" },
      sockets: {
        ...NONE,
        tcp: 1,
        reasons: [{ verdict: "tcp", count: 1, reason: { ...ANSWERED, code: "static" } }],
      },
    }],
  });
  match(text, /restart pending: `systemctl restart nginx\.service`/);
  match(text, /has not read its drop-in: `systemctl daemon-reload`\n {2}does not run/);
  match(text, /its cgroup is gone: `mptcpize detach \/no-mount\/x` forgets it\n {2}strict:/);
  // What is told of the process is not told of its socket again.
  match(text, /not reached: it is statically linked\n\n/);
});

Deno.test("statusText() tells what comes back, and has one row for a unit that is forced by bpf", () => {
  const path = "/no-mount/system.slice/nginx.service";
  const text = statusText(PLAIN, {
    ...EMPTY,
    units: [{ ...UNIT, method: "bpf", sockets: { ...NONE, mptcp: 2 } }],
    targets: [{ ...TARGET, path, again: "start" }, { ...TARGET, kind: "all", again: "boot" }],
    waiting: [
      { kind: "service", name: "idle.service", strict: false },
      { kind: "comm", name: "java", strict: true },
    ],
  });
  strictEqual(
    text,
    `\
WHAT                  METHOD  SINCE       MPTCP  FALLBACK  TCP
nginx.service         bpf     2026-01-02      2         -    -
  3 TCP sockets asked for, 2 made MPTCP
  attached again at each start
every process         bpf     2026-01-02      2         -    1
  3 TCP sockets asked for, 2 made MPTCP
  attached again at each boot
idle.service          bpf     -               -         -    -
  not attached now: at its next start
processes named java  bpf     -               -         -    -
  not attached now: at the next boot
  strict: socket options are left alone

1 unit, 4 targets
`,
  );
});

Deno.test("statusText() says in one sentence that nothing is forced, and what would", () => {
  match(statusText(PLAIN, EMPTY), /^Nothing is forced here: `mptcpize run COMMAND` forces/);
  match(statusText(PLAIN, { ...EMPTY, forced: undefined }), /^Nothing that can be seen is forced/);
});

const { sockets: _units, ...ENABLED } = UNIT;
const { sockets: _processes, ...STARTED } = PROCESS;
const SUBJECT: SubjectStatus = {
  kind: "unit",
  name: "nginx.service",
  command: undefined,
  since: undefined,
  cgroup: "/no-mount/nginx.service",
  forced: true,
  units: [ENABLED],
  targets: [],
  waiting: [],
  processes: [STARTED],
  sockets: UNIT.sockets,
  bpf: undefined,
  notes: [],
};

Deno.test("subjectText() tells what forces a unit, and why sockets fell back", () => {
  const text = subjectText(PLAIN, SUBJECT);
  strictEqual(
    text,
    `\
nginx.service
  cgroup    /no-mount/nginx.service
  enabled   nginx.service by preload, since 2026-01-02
            /etc/systemd/system/nginx.service.d/90-mptcpize.conf
  runs      nginx.service (7) since 2026-01-02, forced
  forced    curl (4711) and 1 more by preload, since 2026-01-02
  sockets   12 MPTCP, 1 fallback
  1 fallback
    why: the peer, or something on the way, answered as plain TCP (asked
         for in the SYN)
    hint: \`mptcpize probe HOST\`
`,
  );
});

Deno.test("subjectText() tells what was asked for and is not in force, and no other way", () => {
  const pending = { ...ENABLED, running: [{ ...ENABLED.running[0]!, pending: true }] };
  const obstacle = { ...ANSWERED, words: "it is statically linked" };
  const text = subjectText(PLAIN, {
    ...SUBJECT,
    ...{ forced: false, units: [pending], processes: [{ ...STARTED, obstacle }] },
  });
  match(
    text,
    /restart pending: [^]*not forced yet\n {2}asked {5}curl .*\n +not reached: it is stat/,
  );
  strictEqual(text.includes("forced    no"), false);
});

Deno.test("subjectText() says that a process is not forced, and what would", () => {
  const text = subjectText(PLAIN, {
    ...SUBJECT,
    ...{ kind: "process", name: "7", command: "sh", since: SINCE, cgroup: undefined },
    ...{ forced: false, units: [], processes: [], sockets: NONE },
  });
  strictEqual(
    text,
    `\
sh (7)
  started   2026-01-02
  forced    no: \`mptcpize run COMMAND\` forces a program from its start
  sockets   none of TCP
`,
  );
});

Deno.test("subjectText() does not call a process free that it could not see", () => {
  const text = subjectText(PLAIN, {
    ...SUBJECT,
    ...{ kind: "process", name: "7", forced: undefined, units: [], processes: [], sockets: NONE },
  });
  match(text, /forced {4}that cannot be seen\n {2}sockets {3}none that can be seen\n/);
});

Deno.test("sinceText() shows the time of today, else the day", () => {
  strictEqual(sinceText(SINCE, new Date(2026, 0, 2, 23, 0, 0)), "03:04:05");
  strictEqual(sinceText(SINCE, new Date(2026, 0, 3)), "2026-01-02");
  strictEqual(sinceText(undefined), "-");
});
