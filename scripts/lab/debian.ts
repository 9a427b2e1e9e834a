/**
 * Fetches a system and kernels of Debian, whatever the machine's own release is.
 *
 * @module
 */

import { run } from "./recipe.ts";
import { turnLines, turnParagraphs } from "./sources.ts";

const ETC = "/etc/apt";

async function readIfThere(path: string): Promise<string> {
  return await Deno.readTextFile(path).catch(() => "");
}

/** Writes the machine's own sources, turned into a suite, and gives their files. */
async function writeSources(suite: string, folder: string): Promise<string[]> {
  const release = /^VERSION_CODENAME=(\S+)/m.exec(await readIfThere("/etc/os-release"))?.[1] ?? "";
  let paragraphs = "";
  let lines = turnLines(await readIfThere(`${ETC}/sources.list`), release, suite);
  for (const { name } of Deno.readDirSync(`${ETC}/sources.list.d`)) {
    const text = await readIfThere(`${ETC}/sources.list.d/${name}`);
    if (name.endsWith(".sources")) paragraphs += turnParagraphs(text, release, suite) + "\n";
    if (name.endsWith(".list")) lines += turnLines(text, release, suite);
  }
  const files = Object.entries({ "lab.sources": paragraphs, "lab.list": lines })
    .filter(([, text]) => text.trim() !== "");
  if (files.length === 0) {
    throw new Error(
      `Cannot fetch Debian's ${suite}: no source of ${ETC} offers ${release || "a release"}`,
    );
  }
  return files.map(([name, text]) => {
    Deno.writeTextFileSync(`${folder}/${name}`, text);
    return `${folder}/${name}`;
  });
}

/** Unpacks a minimal Debian with systemd, and what is named, into a folder. */
export async function makeRootTree(
  suite: string,
  packages: readonly string[],
  folder: string,
): Promise<void> {
  const work = await Deno.makeTempDir({ prefix: "mptcpize-lab-" });
  try {
    const leftOut = ["doc", "man", "info", "locale"].map((name) =>
      `--dpkgopt=path-exclude=/usr/share/${name}/*`
    );
    await run([
      ...["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", ...leftOut] as const,
      ...[`--include=${packages.join(",")}`, suite, folder],
      ...await writeSources(suite, work),
    ]);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

/** The newest of the names that a pattern matches as a whole. */
export function chooseNewest(names: readonly string[], pattern: string): string | undefined {
  const whole = new RegExp(`^${pattern}$`);
  const order = new Intl.Collator("en", { numeric: true });
  return names.filter((name) => whole.test(name)).sort(order.compare).at(-1);
}

/**
 * Unpacks the newest packages that the patterns match into a folder, and installs nothing.
 *
 * @param architecture as Debian names it; the machine's own by default
 */
export async function unpackPackages(
  suite: string,
  patterns: readonly string[],
  folder: string,
  architecture?: string,
): Promise<void> {
  const work = await Deno.makeTempDir({ prefix: "mptcpize-lab-" });
  try {
    for (const name of ["sources", "lists/partial", "cache/archives/partial", "debs"]) {
      Deno.mkdirSync(`${work}/${name}`, { recursive: true });
    }
    await writeSources(suite, `${work}/sources`);
    const options = [
      "Dir::Etc::SourceList=/dev/null",
      `Dir::Etc::SourceParts=${work}/sources`,
      `Dir::State::Lists=${work}/lists`,
      "Dir::State::Status=/dev/null",
      `Dir::Cache=${work}/cache`,
      "APT::Sandbox::User=root",
      "Acquire::Languages=none",
      "Acquire::Retries=3",
      ...(architecture === undefined
        ? []
        : [`APT::Architecture=${architecture}`, `APT::Architectures=${architecture}`]),
    ].flatMap((option) => ["-o", option]);
    await run(["apt-get", "-q", ...options, "update"]);
    const offered = (await run(["apt-cache", ...options, "pkgnames"])).split("\n");
    const packages = patterns.map((pattern) => {
      const name = chooseNewest(offered, pattern);
      if (name !== undefined) return name;
      const kernels = offered.filter((name) => /^linux-(image|binary)-\d.*-cloud-/.test(name));
      throw new Error(
        `Cannot fetch ${pattern}: ${suite} has ${kernels.join(", ") || "no such package"}; ` +
          "change tests/lab/kernels.json",
      );
    });
    await run(["apt-get", "-q", ...options, "download", ...packages], { cwd: `${work}/debs` });
    for (const { name } of Deno.readDirSync(`${work}/debs`)) {
      await run(["dpkg-deb", "-x", `${work}/debs/${name}`, folder]);
    }
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}
