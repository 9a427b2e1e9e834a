/**
 * Measures ours, the C tool's and the kernel's own side by side, and writes docs/performance.md.
 *
 * `deno task bench [--quick] [--only CHAPTER] [--page]`, as root. A full run is kept as
 * bench/runs/performance.json, and the page is made from it; `--quick` and `--only` print alone, and
 * `--page` only makes the page again.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { CHAPTERS } from "./chapters.ts";
import type { Chapter, Run } from "./group.ts";
import { renderPage } from "./page.ts";
import { capture, makeParts } from "./parts.ts";

const KEPT = new URL("runs/performance.json", import.meta.url);
const PAGE = new URL("../docs/performance.md", import.meta.url);

async function readSetup(library: string): Promise<Record<string, string>> {
  const version = async (name: string) =>
    await capture(["dpkg-query", "-W", "-f=${Version}", name]).catch(() => "absent");
  const digest = new Uint8Array(
    await crypto.subtle.digest("SHA-256", await Deno.readFile(library)),
  );
  const cpu = /^model name\s*: (.*)$/m.exec(await Deno.readTextFile("/proc/cpuinfo"))?.[1];
  const system = /^PRETTY_NAME="(.*)"$/m.exec(await Deno.readTextFile("/etc/os-release"))?.[1];
  const root = new URL("../", import.meta.url).pathname;
  return {
    date: `${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC`,
    kernel: Deno.osRelease(),
    system: system ?? "unknown",
    CPU: `${navigator.hardwareConcurrency} × ${cpu ?? Deno.build.arch}`,
    load: `${Deno.loadavg().map((load) => load.toFixed(2)).join(", ")} at the start`,
    Deno: Deno.version.deno,
    "C tool": `mptcpize ${await version("mptcpize")} of Debian`,
    "nginx, wrk": `${await version("nginx")}, ${await version("wrk")}`,
    library: `libmptcpize.so, sha256 ${digest.toHex().slice(0, 16)}`,
    commit: (await capture(["git", "-C", root, "rev-parse", "--short", "HEAD"])).trim(),
  };
}

async function measure(names: readonly string[], scale: number): Promise<Run> {
  using parts = await makeParts();
  const setup = await readSetup(parts.library);
  const chapters: Chapter[] = [];
  for (const name of names) {
    const started = performance.now();
    chapters.push(await CHAPTERS[name]!(parts, scale));
    console.error(`${name}: ${((performance.now() - started) / 1000).toFixed(0)} s`);
  }
  return { setup, chapters };
}

/** Figures as they are kept: more than four digits tell nothing. */
function shorten(_: string, value: unknown): unknown {
  return typeof value === "number" ? Number(value.toPrecision(4)) : value;
}

if (import.meta.main) {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string" },
      page: { type: "boolean", default: false },
    },
  });
  if (values.only !== undefined && !(values.only in CHAPTERS)) {
    throw new Error(`--only takes ${Object.keys(CHAPTERS).join(", ")}`);
  }
  const names = values.only === undefined ? Object.keys(CHAPTERS) : [values.only];
  if (values.quick || values.only !== undefined) {
    console.log(renderPage(await measure(names, values.quick ? 0.1 : 1)));
  } else {
    if (!values.page) {
      Deno.writeTextFileSync(KEPT, JSON.stringify(await measure(names, 1), shorten) + "\n");
    }
    Deno.writeTextFileSync(PAGE, renderPage(JSON.parse(Deno.readTextFileSync(KEPT))));
    console.error("docs/performance.md is made from bench/runs/performance.json");
  }
}
