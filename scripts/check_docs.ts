/**
 * The rules for doc comments that `deno doc --lint` does not know.
 *
 * @module
 */

import { ROOT } from "./files.ts";

interface JsDoc {
  readonly doc?: string;
  readonly tags?: readonly { readonly kind: string; readonly tsType?: unknown }[];
}

/** What is used of what `deno doc --json` prints. */
export interface DocModule {
  /** The comment of the file. */
  readonly module_doc?: JsDoc;
  /** What it exports. */
  readonly symbols?: readonly {
    readonly name: string;
    readonly declarations: readonly {
      readonly jsDoc?: JsDoc;
      readonly declarationKind: string;
      readonly kind?: string;
      readonly location: { readonly filename: string; readonly line: number };
    }[];
  }[];
}

/** Each comment that breaks a rule, with the reason, as a line for people. */
export function findDocFaults(file: string, module: DocModule): string[] {
  const faults: string[] = [];
  if (!module.module_doc?.tags?.some(({ kind }) => kind === "module")) {
    faults.push(`${file}: no @module comment says what question the file answers`);
  }
  for (const { name, declarations } of module.symbols ?? []) {
    for (const { declarationKind, jsDoc, kind, location } of declarations) {
      if (declarationKind !== "export" || kind === "reference") continue;
      const where = `${file}:${location.line + 1}: ${name}`;
      if (jsDoc?.doc === undefined) {
        faults.push(`${where}: it has no comment`);
        continue;
      }
      const [summary = ""] = jsDoc.doc.split("\n\n");
      if (!/[.:?]$/.test(summary.trim())) faults.push(`${where}: its first sentence has no end`);
      if (jsDoc.tags?.some((tag) => tag.kind === "throws" && tag.tsType === undefined)) {
        faults.push(`${where}: @throws names its class in braces`);
      }
    }
  }
  return faults;
}

if (import.meta.main) {
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--json", ...Deno.args],
    stderr: "inherit",
  }).output();
  if (!success) Deno.exit(1);
  const { nodes }: { nodes: Record<string, DocModule> } = JSON.parse(
    new TextDecoder().decode(stdout),
  );
  const faults = Object.entries(nodes).flatMap(([url, module]) =>
    findDocFaults(url.replace(ROOT.href, ""), module)
  );
  for (const fault of faults) console.error(fault);
  Deno.exit(faults.length === 0 ? 0 : 1);
}
