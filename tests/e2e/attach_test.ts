/**
 * That attach refuses where the kernel does not let it force, says why, and leaves nothing behind.
 *
 * @module
 */

import { match, ok, strictEqual, throws } from "node:assert";
import { probeBpf } from "../../bpf/mod.ts";
import { findCgroup } from "../../inspect/mod.ts";
import { isRoot, skipUnless } from "../skip.ts";

const CLI = new URL("../../cli/mptcpize.ts", import.meta.url).pathname;

async function mptcpize(...words: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-qA", "--no-config", CLI, ...words],
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { status: code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

/** A cgroup of version 2 of our own; undefined where none can be made. */
function makeCgroup(): string | undefined {
  try {
    const path = `${findCgroup("/")}/mptcpize-test-refusal`;
    Deno.mkdirSync(path);
    Deno.removeSync(path);
    return path;
  } catch {
    return undefined;
  }
}

const path = isRoot() ? makeCgroup() : undefined;
const bpf = probeBpf();

if (bpf.state === "no") {
  Deno.test({
    name: "attach and run --method bpf refuse with the reason where the kernel cannot force",
    ...skipUnless("cgroup v2", path !== undefined),
    async fn() {
      Deno.mkdirSync(path!);
      try {
        const attach = await mptcpize("attach", path!);
        strictEqual(attach.status, 1);
        strictEqual(attach.out, "");
        match(attach.err, /^mptcpize: Cannot [^\n]+\n\nhint: [^\n]+\n$/);
        const plan = await mptcpize("attach", "--dry-run", path!);
        strictEqual(plan.status, 0);
        strictEqual(plan.err, `mptcpize: ${bpf.reason}: attach would be refused\n`);
        const run = await mptcpize("run", "--method", "bpf", "true");
        strictEqual(run.status, 125);
        ok(run.err.startsWith("mptcpize: Cannot force "), run.err);
        ok(run.err.includes(bpf.reason), run.err);
        ok(run.err.endsWith("\n\nhint: `--method preload` reaches it\n"), run.err);
        const explain = await mptcpize("explain", "true");
        match(explain.out, /^bpf +no +/m);
        strictEqual((await mptcpize("detach", path!)).out, `absent  ${path} is not attached\n`);
      } finally {
        Deno.removeSync(path!);
      }
      throws(() => Deno.lstatSync("/sys/fs/bpf/mptcpize"), Deno.errors.NotFound);
    },
  });
}
