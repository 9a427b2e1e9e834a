/**
 * That each kernel of the lab is what kernels.json says, and that forced programs are MPTCP on it.
 *
 * @module
 */

import { deepStrictEqual, match, ok, strictEqual } from "node:assert";
import { readProcessSockets } from "../../mod.ts";
import { force } from "../apps/force.ts";
import { skipUnless } from "../skip.ts";
import { askOptions, isRefused, type OptionAnswer } from "./option_answers.ts";
import { PROBES } from "./probes.ts";
import { socketOptions } from "../../preload/options.ts";
import recipe from "./kernels.json" with { type: "json" };

const lab = Deno.env.get("MPTCPIZE_LAB") ?? "";
const LAB = skipUnless("the kernel lab", lab !== "", "`deno task lab`");
const kernels: Record<string, { has: string[]; lacks: Record<string, string> }> = recipe.kernels;

Deno.test({
  name: "the lab runs the kernel it names, and systemd without a failed unit",
  ...LAB,
  async fn() {
    ok(Deno.osRelease().startsWith(`${lab}.`), Deno.osRelease());
    strictEqual(Deno.readTextFileSync("/proc/1/comm"), "systemd\n");
    const { stdout } = await new Deno.Command("systemctl", {
      args: ["is-system-running", "--wait"],
    }).output();
    strictEqual(new TextDecoder().decode(stdout), "running\n");
  },
});

Deno.test({
  name: "kernels.json is right about each feature of this kernel",
  ...LAB,
  fn() {
    const { has = [], lacks = {} } = kernels[lab] ?? {};
    const found = Object.fromEntries(
      Object.entries(PROBES).map(([feature, probe]) => [feature, probe()]),
    );
    const told = Object.fromEntries(
      Object.keys(PROBES).map((feature) => [feature, has.includes(feature)]),
    );
    deepStrictEqual(found, told);
    deepStrictEqual([...has, ...Object.keys(lacks)].sort(), Object.keys(PROBES).sort());
  },
});

interface Running extends AsyncDisposable {
  readonly pid: number;
}

function start(words: readonly string[], cwd: string): Running {
  const child = new Deno.Command(words[0]!, {
    args: words.slice(1),
    cwd,
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  return {
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await child.status;
    },
  };
}

/** Asks until a process has a socket in a state, and gives what the kernel says about it. */
async function findSocket(pid: number, state: string) {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const socket = readProcessSockets(pid).sockets.find((socket) => socket.state === state);
    if (socket !== undefined) return socket;
    if (performance.now() > deadline) throw new Error(`process ${pid} has no socket in ${state}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

const NGINX = `daemon off; master_process off; pid nginx.pid; error_log stderr;
events {}
http { access_log off; server { listen 127.0.0.1:8002; root .; } }
`;

for (
  const [name, port, server] of [
    ["python", 8001, ["python3", "-m", "http.server", "--bind", "127.0.0.1", "8001"]],
    ["nginx", 8002, ["nginx", "-p", ".", "-c", "nginx.conf"]],
  ] as const
) {
  Deno.test({
    name: `run makes curl and ${name} speak MPTCP, by MPTCP_INFO of both ends`,
    ...LAB,
    async fn() {
      const folder = Deno.makeTempDirSync();
      try {
        Deno.writeTextFileSync(`${folder}/nginx.conf`, NGINX);
        Deno.writeFileSync(`${folder}/data`, new Uint8Array(4 << 20));
        await using running = start(force(server), folder);
        strictEqual((await findSocket(running.pid, "LISTEN")).verdict, "mptcp");
        // So slowly that there is time to look.
        const url = `http://127.0.0.1:${port}/data`;
        const slow = ["curl", "-s", "--limit-rate", "1k", "-o", "/dev/null", url];
        await using client = start(force(slow), folder);
        const near = await findSocket(client.pid, "ESTABLISHED");
        const far = await findSocket(running.pid, "ESTABLISHED");
        deepStrictEqual([near.verdict, far.verdict], ["mptcp", "mptcp"]);
        match(near.evidence, /MPTCP_INFO \d+ bytes/);
        match(far.evidence, /MPTCP_INFO \d+ bytes/);
        ok(near.mptcp?.token && far.mptcp?.token);
        strictEqual(near.subflows?.length, 1);
        deepStrictEqual([near.local, near.remote], [far.remote, far.local]);
      } finally {
        Deno.removeSync(folder, { recursive: true });
      }
    },
  });
}

function readKept(): Record<string, OptionAnswer> {
  const file = new URL(`results/options_${lab}.json`, import.meta.url);
  return JSON.parse(Deno.readTextFileSync(file));
}

Deno.test({
  name: "the kernel answers for each socket option what is kept of it",
  ...LAB,
  fn() {
    const answers = askOptions();
    const results = Deno.env.get("MPTCPIZE_RESULTS");
    if (results !== undefined) {
      const text = JSON.stringify(answers, null, 2) + "\n";
      Deno.writeTextFileSync(`${results}/options_${lab}.json`, text);
    }
    deepStrictEqual(answers, readKept());
  },
});

Deno.test({
  name: "the table of options holds on this kernel",
  ...LAB,
  fn() {
    const answers = askOptions();
    const wrong = socketOptions.filter(({ name, kind }) => {
      const answer = answers[name]!;
      // What TCP refuses too tells nothing; what MPTCP takes is the kernel's own affair, but for
      // what is said to be taken.
      if (kind === "replay" || kind === "buffer") return isRefused(answer);
      return answer.tcp === "taken" && answer.mptcp !== "taken" && !isRefused(answer);
    });
    deepStrictEqual(wrong.map(({ name }) => [name, answers[name]]), []);
  },
});
