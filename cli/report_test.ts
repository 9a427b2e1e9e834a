import { match, ok, strictEqual, throws } from "node:assert";
import type { RunReport } from "../mod.ts";
import { openReport, reportText } from "./report.ts";

const NONE = { mptcp: 0, fallback: 0, tcp: 0 };
const REPORT: RunReport = {
  command: "curl",
  seconds: 1.624,
  end: { kind: "exited", status: 0 },
  sockets: {
    countedBy: "library",
    made: 3,
    forced: 2,
    returned: 0,
    refusal: "ENOPROTOOPT",
    softened: undefined,
  },
  connections: { mptcp: 1, fallback: 1, tcp: 1 },
  listeners: NONE,
  subflows: 2,
  paths: [{
    local: "10.9.0.1",
    remote: "10.9.1.1",
    verdict: "mptcp",
    flows: 2,
    bytesSent: 1100,
    bytesReceived: 12_000_000,
  }],
  fallbackReasons: [],
  counters: {},
  lost: 0,
  notes: [],
};

Deno.test("reportText() puts a run into a few lines, and leaves out what says nothing", () => {
  strictEqual(
    reportText(REPORT),
    `mptcpize: curl, 1.62 s, exit status 0
  sockets      3 made, 2 forced, 1 refused MPTCP (ENOPROTOOPT)
  connections  1 MPTCP, 1 fallback, 1 TCP, 2 subflows
  paths        10.9.0.1 to 10.9.1.1  2 subflows  sent 1.1 kB, received 12.0 MB
`,
  );
});

Deno.test("reportText() tells what the kernel counted where it forces", () => {
  const line = (made: number, forced: number, softened: number) => {
    const none = { returned: 0, refusal: undefined };
    const sockets = { countedBy: "kernel", made, forced, softened, ...none } as const;
    return /^ {2}sockets +(.*)$/m.exec(reportText({ ...REPORT, sockets }))?.[1];
  };
  strictEqual(line(2, 2, 0), "2 made, 2 forced");
  strictEqual(line(3, 1, 1), "3 made, 1 forced, 2 where MPTCP is off, 1 option softened");
});

Deno.test("reportText() keeps within 80 columns, whatever there is to say", () => {
  const address = "2001:db8:1234:5678:9abc:def0:1234:5678";
  const text = reportText({
    ...REPORT,
    seconds: 86_400,
    end: { kind: "killed", signal: 15 },
    sockets: undefined,
    listeners: { mptcp: 2, fallback: 0, tcp: 1 },
    paths: Array.from(
      { length: 12 },
      () => ({ ...REPORT.paths[0]!, local: address, remote: address }),
    ),
    fallbackReasons: [{
      code: "answered-as-tcp",
      words: "the peer, or something on the way, answered as plain TCP",
      certainty: "likely",
      evidence: ["MPCapableFallbackSYNACK 12"],
    }],
    counters: { MPCapableSYNTX: 400, MPCapableSYNACKRX: 3, MPCapableACKRX: 2 },
    lost: 3,
    notes: ["Some of its processes may not be looked into: what they left open is missing"],
  });
  for (const line of text.split("\n")) ok(line.length <= 80, line);
  match(text, /^mptcpize: curl, 86400 s, signal 15$/m);
  match(text, /^ {2}sockets +not counted$/m);
  match(text, /listeners: 2 MPTCP, 1 TCP/);
  match(text, /and 4 paths more: `--report=FILE` has all/);
  match(text, /^ {2}fell back +likely: the peer/m);
  match(text, /400 asked for MPTCP, 3 answered with it, 2 accepted/);
  match(text, /3 sockets: closed faster/);
});

Deno.test("openReport() adds to a descriptor of the caller's, and tells where there is no room", () => {
  let said = "";
  const env = { err: (text: string) => void (said += text) };
  const path = Deno.makeTempFileSync();
  try {
    Deno.writeTextFileSync(path, "kept\n");
    using file = Deno.openSync(path, { append: true });
    const fd = [...Deno.readDirSync("/proc/self/fd")].find(({ name }) => {
      try {
        return Deno.readLinkSync(`/proc/self/fd/${name}`) === path;
      } catch {
        return false; // That of the folder itself.
      }
    })!.name;
    ok(file);
    openReport(env, `/dev/fd/${fd}`, false).write(REPORT);
    match(Deno.readTextFileSync(path), /^kept\n\{\n/);
  } finally {
    Deno.removeSync(path);
  }
  strictEqual(said, "");
  openReport(env, "json", false).write(REPORT);
  strictEqual(said, JSON.stringify(REPORT) + "\n");
  said = "";
  openReport(env, "/dev/full", false).write(REPORT);
  strictEqual(
    said,
    "mptcpize: Cannot write the report to /dev/full: no room is left (ENOSPC)\n",
  );
  throws(
    () => openReport(env, "/proc", false),
    { name: "UsageError", message: "Cannot write the report to /proc: it is a folder (EISDIR)" },
  );
});
