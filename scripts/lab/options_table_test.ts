import { deepStrictEqual, strictEqual } from "node:assert";
import { ROOT } from "../files.ts";
import { readKeptAnswers, renderOptionsByKernel } from "./options_table.ts";
import { RECIPE } from "./recipe.ts";

Deno.test("docs/options-by-kernel.md is what the kept answers of all kernels give", () => {
  const answers = readKeptAnswers();
  deepStrictEqual(Object.keys(answers), Object.keys(RECIPE.kernels));
  const document = Deno.readTextFileSync(new URL("docs/options-by-kernel.md", ROOT));
  strictEqual(document, renderOptionsByKernel(answers));
});
