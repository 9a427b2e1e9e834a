/**
 * Reads the results of CPython's test runner, and compares two runs of the same tests.
 *
 * @module
 */

/** How one test ended. */
export interface TestResult {
  /** Right, wrong, or left out by the test itself. */
  readonly outcome: "passed" | "failed" | "skipped";
  /** How long it took. */
  readonly seconds: number;
  /** The last line of the error, if it failed. */
  readonly message: string;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&apos;": "'",
  "&amp;": "&",
};

function unescape(text: string): string {
  return text.replace(/&(?:lt|gt|quot|apos|amp);/g, (entity) => ENTITIES[entity] ?? entity);
}

/** The result of each test in what `python3 -m test --junit-xml` wrote, by its full name. */
export function parseJunit(xml: string): Map<string, TestResult> {
  const results = new Map<string, TestResult>();
  for (const [, attributes = "", body] of xml.matchAll(CASE)) {
    const name = unescape(/ name="([^"]*)"/.exec(attributes)?.[1] ?? "");
    const failure = /<(?:failure|error)\b[^>]*>([^]*?)<\/(?:failure|error)>/.exec(body ?? "");
    // A test with subtests is there once for each: it failed if one of them did.
    if (results.get(name)?.outcome === "failed") continue;
    const skipped = body?.includes("<skipped") || attributes.includes('status="notrun"');
    results.set(name, {
      outcome: failure ? "failed" : skipped ? "skipped" : "passed",
      seconds: Number(/ time="([\d.]+)"/.exec(attributes)?.[1] ?? 0),
      message: unescape(failure?.[1]?.trim().split("\n").at(-1) ?? ""),
    });
  }
  return results;
}

/** Attribute values may hold `/` and `>`, hence the quotes in the pattern. */
const CASE = /<testcase\b((?:"[^"]*"|[^">])*?)(?:\/>|>([^]*?)<\/testcase>)/g;

/** What a run does that another one does not. */
export interface Comparison {
  /** Failed in the second run, passed in the first. */
  readonly worse: readonly string[];
  /** Passed in the first run, skipped or absent in the second. */
  readonly lost: readonly string[];
}

/** Compares the forced run with the plain one, test by test. */
export function compareRuns(
  plain: ReadonlyMap<string, TestResult>,
  forced: ReadonlyMap<string, TestResult>,
): Comparison {
  const worse: string[] = [];
  const lost: string[] = [];
  for (const [name, { outcome }] of forced) {
    if (outcome === "failed" && plain.get(name)?.outcome !== "failed") worse.push(name);
  }
  for (const [name, { outcome }] of plain) {
    const now = forced.get(name)?.outcome ?? "skipped";
    if (outcome === "passed" && now === "skipped") lost.push(name);
  }
  return { worse, lost };
}
