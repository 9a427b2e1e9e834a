/**
 * The house rules that a linter can see: which folder may do what.
 *
 * @module
 */

import { isProduct, ROOT } from "./files.ts";

interface Place {
  /** Members of `Deno`, or `console` as a whole. */
  readonly names: readonly string[];
  readonly allowed: RegExp;
  readonly message: string;
}

const PLACES: Readonly<Record<string, Place>> = {
  "open-libraries-in-ffi": {
    names: ["dlopen"],
    allowed: /^ffi\//,
    message: "Only ffi/ opens a library",
  },
  "print-in-cli": {
    names: ["console", "exit", "stdout", "stderr"],
    allowed: /^cli\//,
    message: "Only cli/ prints or exits: return the value, or throw an error of errors.ts",
  },
  "start-programs-in-few-places": {
    names: ["Command", "spawn", "spawnAndWait", "spawnAndWaitSync"],
    allowed:
      /^cli\/demo(_\w+)?\.ts$|^install\/bundle\.ts$|^proof\/try_(patch|preload)\.ts$|^systemd\/manager\.ts$|^paths\//,
    message:
      "Only cli/demo.ts, install/bundle.ts, proof/try_*.ts, systemd/manager.ts and paths/ start programs",
  },
};

function relativePath(filename: string): string {
  return filename.startsWith(ROOT.pathname) ? filename.slice(ROOT.pathname.length) : filename;
}

function isGlobal(node: Deno.lint.Node, name: string): boolean {
  if (node.type === "Identifier") return node.name === name;
  return node.type === "MemberExpression" && isGlobal(node.object, "globalThis") &&
    nameOf(node.property) === name;
}

function nameOf(node: Deno.lint.Node): string | undefined {
  if (node.type === "Identifier") return node.name;
  if (node.type === "Literal" && typeof node.value === "string") return node.value;
  return undefined;
}

/** Calls `found` for each use of `Deno.name`, `Deno["name"]`, `{ name } = Deno` and `console.…`. */
function visitUses(
  found: (name: string, node: Deno.lint.Node) => void,
): Deno.lint.LintVisitor {
  return {
    MemberExpression(node) {
      if (isGlobal(node.object, "console")) found("console", node);
      const name = nameOf(node.property);
      if (isGlobal(node.object, "Deno") && name !== undefined) found(name, node);
    },
    VariableDeclarator(node) {
      if (!node.init || node.id.type !== "ObjectPattern") return;
      if (isGlobal(node.init, "console")) found("console", node);
      if (!isGlobal(node.init, "Deno")) return;
      for (const property of node.id.properties) {
        const name = property.type === "Property" ? nameOf(property.key) : undefined;
        if (name !== undefined) found(name, property);
      }
    },
  };
}

const rules: Record<string, Deno.lint.Rule> = {
  "open-libraries-lazily": {
    create(context) {
      return visitUses((name, node) => {
        if (name !== "dlopen") return;
        const inFunction = context.sourceCode.getAncestors(node)
          .some((ancestor) => ancestor.type.includes("Function"));
        if (!inFunction) context.report({ node, message: "A library is opened at import time" });
      });
    },
  },
};

for (const [rule, { names, allowed, message }] of Object.entries(PLACES)) {
  rules[rule] = {
    create(context) {
      const path = relativePath(context.filename);
      if (!isProduct(path) || allowed.test(path)) return {};
      return visitUses((name, node) => {
        if (names.includes(name)) context.report({ node, message });
      });
    },
  };
}

const plugin: Deno.lint.Plugin = { name: "mptcpize", rules };
export default plugin;
