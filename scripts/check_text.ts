/**
 * What no other tool looks at in the texts of the repository: words, links, leftovers.
 *
 * @module
 */

/** Words that the glossary rules out, with what to say instead. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/\bhijack/i, "say `force`"],
  [/\bhook(s|ed|ing)?\b/i, "say `override`, or name the kernel function"],
  [/\b(TODO|FIXME)\b/, "open an issue, or do it"],
  [/\bDeno\.test\.(only|ignore)\b|\bonly: true\b/, "a skip goes through `skipUnless`"],
];

/** Each line of a text that breaks a rule, as a line for people. */
export function findTextFaults(file: string, text: string): string[] {
  const faults: string[] = [];
  text.split("\n").forEach((line, index) => {
    for (const [pattern, advice] of WORDS) {
      const word = pattern.exec(line)?.[0];
      if (word !== undefined) faults.push(`${file}:${index + 1}: \`${word}\`: ${advice}`);
    }
    if (line.endsWith("\r")) faults.push(`${file}:${index + 1}: ends in a carriage return`);
  });
  return faults;
}

/** The relative links of a Markdown text, without what follows a `#`. */
export function findLinks(text: string): string[] {
  const prose = text.replace(/^```[^]*?^```/gm, "").replace(/`[^`\n]*`/g, "");
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link = ""]) => link.replace(/#.*/, ""))
    .filter((link) => link !== "" && !/^[a-z]+:/.test(link));
}

function listTexts(root: URL): string[] {
  const files: string[] = [];
  const walk = (folder: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(new URL(folder || "./", root))) {
      if (/^(\.git|\.coverage|node_modules|testdata|runs|results)$/.test(name)) continue;
      if (isDirectory) walk(`${folder}${name}/`);
      else if (/\.(ts|c|h|md|sh|json)$/.test(name)) files.push(folder + name);
    }
  };
  walk("");
  return files.filter((file) => !file.startsWith("scripts/check_text")).sort();
}

function exists(url: URL): boolean {
  try {
    Deno.statSync(url);
    return true;
  } catch {
    return false;
  }
}

if (import.meta.main) {
  const root = new URL("../", import.meta.url);
  const faults = listTexts(root).flatMap((file) => {
    const url = new URL(file, root);
    const text = Deno.readTextFileSync(url);
    const broken = file.endsWith(".md")
      ? findLinks(text).filter((link) => !exists(new URL(link, url)))
      : [];
    return [
      ...findTextFaults(file, text),
      ...broken.map((link) => `${file}: the link to ${link} leads nowhere`),
    ];
  });
  const readme = new URL("README.md", root);
  if (exists(readme) && Deno.readTextFileSync(readme).split("\n").length > 151) {
    faults.push("README.md: over 150 lines");
  }
  for (const fault of faults) console.error(fault);
  Deno.exit(faults.length === 0 ? 0 : 1);
}
