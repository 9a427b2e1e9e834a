/**
 * What no other tool looks at in the texts of the repository: words, links, leftovers.
 *
 * @module
 */

import { exists, listFiles, ROOT } from "./files.ts";

/** Words that the glossary rules out, with what to say instead. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/\bhijack/i, "say `force`"],
  [/\bhook(s|ed|ing)?\b(?! forward priority)/i, "say `override`, or name the kernel function"],
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

if (import.meta.main) {
  const files = listFiles(/\.(ts|c|h|md|sh|json)$/)
    .filter((file) => !/\/(testdata|runs|results)\/|^scripts\/check_text/.test(file));
  const faults = files.flatMap((file) => {
    const url = new URL(file, ROOT);
    const text = Deno.readTextFileSync(url);
    const broken = file.endsWith(".md")
      ? findLinks(text).filter((link) => !exists(new URL(link, url)))
      : [];
    return [
      ...findTextFaults(file, text),
      ...broken.map((link) => `${file}: the link to ${link} leads nowhere`),
    ];
  });
  const readme = new URL("README.md", ROOT);
  if (exists(readme) && Deno.readTextFileSync(readme).split("\n").length > 151) {
    faults.push("README.md: over 150 lines");
  }
  for (const fault of faults) console.error(fault);
  Deno.exit(faults.length === 0 ? 0 : 1);
}
