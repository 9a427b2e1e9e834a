import { deepStrictEqual, match, strictEqual } from "node:assert";
import type { Group, Run } from "./group.ts";
import { compare, renderFigure, renderPage } from "./page.ts";

Deno.test("renderPage() makes docs/performance.md from the run that is kept", () => {
  const read = (path: string) => Deno.readTextFileSync(new URL(path, import.meta.url));
  strictEqual(
    read("../docs/performance.md"),
    renderPage(JSON.parse(read("runs/performance.json")) as Run),
    "`deno task bench --page` makes it again",
  );
});

Deno.test("renderFigure() takes the unit that suits", () => {
  deepStrictEqual(
    [[842.4, "ns"], [2345, "ns"], [1_234_000, "ns"], [45_600, "µs"], [12_345.6, "requests/s"]]
      .map(([value, unit]) => renderFigure(value as number, unit as string)),
    ["842 ns", "2.35 µs", "1.23 ms", "45.6 ms", "12,346 requests/s"],
  );
});

Deno.test("renderPage() tells whether the limits were held", () => {
  const ways = { "bare": [100, 101], "C mptcpize run": [500, 501], "mptcpize run": [300, 301] };
  const group: Group = {
    ...{ title: "/bin/true, dynamic", kind: "added", unit: "µs", reference: "C mptcpize run" },
    ways,
  };
  const about = "";
  const page = (groups: Group[]) =>
    renderPage({ setup: { date: "today" }, chapters: [{ title: "Start", about, groups }] });
  match(page([group]), /mptcpize run +\| 0\.25 +\| 0\.50 \(.*\) +\| no /);
  const fast = { ...group, ways: { ...ways, "mptcpize run": [150, 151] } };
  match(page([fast]), /mptcpize run +\| 0\.25 +\| 0\.13 \(.*\) +\| yes /);
  match(page([]), /not measured/);
  strictEqual(compare(group, "bare"), undefined);
});
