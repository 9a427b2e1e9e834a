/**
 * Which files there are, and which of them make up the product.
 *
 * @module
 */

/** The root of the repository. */
export const ROOT = new URL("../", import.meta.url);

const NOT_PRODUCT =
  /^(scripts|tests|bench|docs|packaging)\/|(^|\/)(testing|testdata)\/|_(test|bench)\.ts$/;

/**
 * Whether a file, by its path from the root, is part of the product.
 *
 * Tests and what only they use, scripts and benchmarks are not: they may do and import everything.
 */
export function isProduct(path: string): boolean {
  return !NOT_PRODUCT.test(path);
}

/** The files whose paths from the root match, sorted; without what starts with a dot. */
export function listFiles(pattern: RegExp): string[] {
  const files: string[] = [];
  const walk = (folder: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(new URL(folder || "./", ROOT))) {
      const path = folder + name;
      if (name.startsWith(".") || name === "node_modules") continue;
      if (isDirectory) walk(`${path}/`);
      else if (pattern.test(path)) files.push(path);
    }
  };
  walk("");
  return files.sort();
}

/** Whether there is something at a URL. */
export function exists(url: URL): boolean {
  try {
    Deno.statSync(url);
    return true;
  } catch {
    return false;
  }
}
