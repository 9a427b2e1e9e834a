import { strict as assert } from "node:assert";
import table from "../../preload/options.json" with { type: "json" };
import { program, PYTHON } from "./app.ts";
import { skipUnless } from "../skip.ts";
import { canMakeNamespaces } from "./netns.ts";
import { Scene, type Situation } from "./scene.ts";

/** Values that some options take, and some refuse. */
const VALUES = [1, 0, 42, -1, 300];
/** A small value would make the plain connection crawl, as it is meant to. */
const BOUNDS: Readonly<Record<string, readonly number[]>> = {
  SO_MAX_PACING_RATE: [1 << 28],
  TCP_WINDOW_CLAMP: [1 << 20],
};

type Answers = Readonly<Record<string, readonly [string, number]>>;

/** What a program is told that sets every advisory option, and carries data after each. */
async function ask(situation: Situation): Promise<Answers> {
  await using scene = await Scene.open(situation);
  const levels: Readonly<Record<string, number>> = table.levels;
  const questions = table.options.filter((option) => option.kind === "advisory").flatMap(
    ({ name, level, number }) =>
      (BOUNDS[name] ?? VALUES).map((value) => [name, levels[level], number, value]),
  );
  const file = scene.write("questions.json", JSON.stringify(questions));
  const { text } = await scene.run([PYTHON, program("options.py"), file], { timeoutMs: 60_000 });
  scene.judge({ client: "MPTCP", server: "MPTCP" });
  return JSON.parse(text);
}

Deno.test({
  name: "setsockopt() answers a forced program as TCP does when the option is advisory",
  ignore: skipUnless("network namespaces", canMakeNamespaces).ignore,
  async fn() {
    const [plain, forced] = [await ask("plain"), await ask("forced")];
    assert.ok(Object.keys(plain).length > 100);
    assert.deepEqual(Object.keys(forced), Object.keys(plain));
    const differences = Object.entries(plain)
      .filter(([question, answer]) => String(answer) !== String(forced[question]))
      .map(([question, answer]) => `${question}: TCP ${answer}, forced ${forced[question]}`);
    assert.deepEqual(differences, []);
  },
});
