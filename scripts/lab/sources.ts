/**
 * Package sources for another suite of Debian, copied from the machine's own.
 *
 * @module
 */

/**
 * The paragraphs of a deb822 file that offer a release, turned into another suite.
 *
 * Source: sources.list(5).
 */
export function turnParagraphs(text: string, release: string, suite: string): string {
  return text
    .replace(/^#.*\n?/gm, "")
    .split(/\n(?:[ \t]*\n)+/)
    .filter((paragraph) =>
      /^Types:.*\bdeb\b(?!-)/m.test(paragraph) && !/^Enabled:\s*no/mi.test(paragraph) &&
      (/^Suites:(.*)$/m.exec(paragraph)?.[1] ?? "").trim().split(/\s+/).includes(release)
    )
    .map((paragraph) => paragraph.trim().replace(/^Suites:.*$/m, `Suites: ${suite}`) + "\n")
    .join("\n");
}

/**
 * The lines of a one-line-style file that offer a release, turned into another suite.
 *
 * Source: sources.list(5).
 */
export function turnLines(text: string, release: string, suite: string): string {
  return text
    .split("\n")
    .flatMap((line) => {
      const [, head, offered, rest] = /^(deb +(?:\[[^\]]*\] +)?\S+ +)(\S+)(.*)$/.exec(line) ?? [];
      return offered === release ? [`${head}${suite}${rest}\n`] : [];
    })
    .join("");
}
