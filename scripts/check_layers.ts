/**
 * Proves that imports go down only: `cli → mod.ts → {proof install} → force → {preload program inspect …} → features →
 * ffi → errors.ts`, from the module graph that Deno itself sees.
 *
 * @module
 */

import { isProduct, listFiles, ROOT } from "./files.ts";

/** Higher imports lower. Parts of one layer do not import each other. */
const LAYERS: readonly (readonly string[])[] = [
  ["errors.ts"],
  ["ffi"],
  ["features"],
  ["preload", "program", "inspect", "bpf", "patch", "launcher", "systemd", "paths"],
  ["force"],
  ["proof", "install"],
  ["mod.ts"],
  ["cli"],
];

/** One import, by paths from the root of the repository. */
export interface Import {
  /** The file that imports. */
  readonly from: string;
  /** The file that is imported; as it was written when it is not a file of the repository. */
  readonly to: string;
}

/** The capability that a file belongs to: its top-level folder, or itself at the root. */
function partOf(path: string): string {
  return path.split("/", 1)[0] ?? path;
}

function layerOf(part: string): number {
  return LAYERS.findIndex((parts) => parts.includes(part));
}

/** Each import that breaks the arrow, with the reason, as a line for people. */
export function findViolations(imports: readonly Import[]): string[] {
  return imports.flatMap(({ from, to }) => {
    const reason = isProduct(from) ? judge(from, to) : undefined;
    return reason === undefined ? [] : [`${from} imports ${to}: ${reason}`];
  });
}

/** Why a file may not import another one, or undefined if it may. */
function judge(from: string, to: string): string | undefined {
  if (to.startsWith("node:")) return undefined;
  if (to.includes(":")) return "only files of this repository and node: modules are imported";
  if (!isProduct(to)) return "it is not part of the product";
  const [source, target] = [partOf(from), partOf(to)];
  if (source === target || to === "deno.json") return undefined;
  const [sourceLayer, targetLayer] = [layerOf(source), layerOf(target)];
  if (sourceLayer === -1) return `${source} has no layer: give it one in check_layers.ts`;
  if (targetLayer === -1) return `${target} has no layer: give it one in check_layers.ts`;
  if (sourceLayer === targetLayer) return `${source} and ${target} are on the same layer`;
  if (sourceLayer < targetLayer) return `${target} is above ${source}`;
  if (source === "cli" && target !== "mod.ts" && target !== "errors.ts") {
    return "cli imports mod.ts and errors.ts only";
  }
  if (to.includes("/") && target !== "ffi" && to !== `${target}/mod.ts`) {
    return `a folder is imported through ${target}/mod.ts`;
  }
  return undefined;
}

interface ModuleGraph {
  readonly modules: readonly {
    readonly specifier: string;
    readonly dependencies?: readonly {
      readonly specifier: string;
      readonly code?: { readonly specifier?: string };
      readonly type?: { readonly specifier?: string };
    }[];
  }[];
}

/** All imports, of values and of types, static and dynamic, in what `deno info --json` printed. */
export function readImports(graph: ModuleGraph, root: URL): Import[] {
  const path = (url: string) => url.startsWith(root.href) ? url.slice(root.href.length) : url;
  return graph.modules
    .filter((module) => module.specifier.startsWith(root.href))
    .flatMap((module) =>
      (module.dependencies ?? []).map((dependency) => ({
        from: path(module.specifier),
        to: path(
          dependency.code?.specifier ?? dependency.type?.specifier ?? dependency.specifier,
        ),
      }))
    );
}

/**
 * The module graph of all the files at once.
 *
 * @throws {Error} when Deno cannot make one
 */
async function readGraph(files: readonly string[]): Promise<ModuleGraph> {
  const entry = await Deno.makeTempFile({ prefix: "mptcpize-layers-", suffix: ".ts" });
  try {
    const source = files.map((file) => `import ${JSON.stringify(new URL(file, ROOT).href)};\n`);
    await Deno.writeTextFile(entry, source.join(""));
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--no-config", entry],
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    return JSON.parse(new TextDecoder().decode(stdout));
  } finally {
    await Deno.remove(entry);
  }
}

if (import.meta.main) {
  const files = listFiles(/\.ts$/).filter(isProduct);
  const imports = readImports(await readGraph(files), ROOT);
  const violations = findViolations(imports);
  for (const violation of violations) console.error(violation);
  console.log(`${files.length} files, ${imports.length} imports, ${violations.length} go wrong`);
  Deno.exit(violations.length === 0 ? 0 : 1);
}
