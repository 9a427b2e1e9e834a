import { deepStrictEqual, match, strictEqual, throws } from "node:assert";
import {
  assignmentsOf,
  type DropIn,
  environmentSetting,
  parseDropIn,
  quoteSetting,
  renderDropIn,
} from "./drop_in.ts";
import {
  type DropInFolders,
  dropInPath,
  findDropIns,
  hasLeftovers,
  listDropIns,
  removeDropIn,
  writeDropIn,
} from "./drop_in_files.ts";

const DROP_IN: DropIn = {
  version: "0.1.0",
  unit: "nginx.service",
  method: "preload",
  undo: "mptcpize disable nginx.service",
  section: "Service",
  settings: ["LD_PRELOAD=/a b.so:/x%i.so", 'GODEBUG=x="1"\\,\t'].map(environmentSetting),
  before: ["LD_PRELOAD=/a b.so:/x%i.so"],
};

Deno.test("renderDropIn() and parseDropIn() are each other's inverse, quotes and specifiers too", () => {
  const text = renderDropIn(DROP_IN);
  strictEqual(
    text,
    `# Written by mptcpize 0.1.0 for nginx.service, method preload
# Undo: mptcpize disable nginx.service
# Before: "LD_PRELOAD=/a b.so:/x%%i.so"
[Service]
Environment="LD_PRELOAD=/a b.so:/x%%i.so"
Environment="GODEBUG=x=\\"1\\"\\\\,\\t"
`,
  );
  deepStrictEqual(parseDropIn(text), DROP_IN);
  deepStrictEqual(assignmentsOf(DROP_IN), ["LD_PRELOAD=/a b.so:/x%i.so", 'GODEBUG=x="1"\\,\t']);
});

Deno.test("parseDropIn() takes what others wrote for none of ours", () => {
  strictEqual(parseDropIn("[Service]\nEnvironment=A=1\n"), undefined);
  strictEqual(parseDropIn(""), undefined);
  strictEqual(parseDropIn(`\n${renderDropIn(DROP_IN)}`), undefined);
});

Deno.test("quoteSetting() leaves $ as it is, and writes control characters as escapes", () => {
  strictEqual(quoteSetting("$ORIGIN/x\n\x01"), '"$ORIGIN/x\\n\\x01"');
});

function withFolders(use: (folders: DropInFolders, root: string) => void): void {
  const root = Deno.makeTempDirSync();
  try {
    const [persistent, runtime] = [`${root}/etc`, `${root}/run`];
    Deno.mkdirSync(persistent);
    use({ persistent, runtime, stop: [root, persistent] }, root);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

Deno.test("writeDropIn() and removeDropIn() leave what was there before", () =>
  withFolders((folders, root) => {
    const path = dropInPath(folders, "x.service");
    strictEqual(path, `${root}/etc/x.service.d/90-mptcpize.conf`);
    const steps: string[] = [];
    writeDropIn(path, "text\n", (name) => steps.push(name.split(" ", 1)[0]!));
    deepStrictEqual(steps, ["make", "write", "name"]);
    strictEqual(Deno.readTextFileSync(path), "text\n");
    strictEqual((Deno.statSync(path).mode ?? 0) & 0o777, 0o644);
    removeDropIn(path, folders, () => {});
    deepStrictEqual([...Deno.readDirSync(folders.persistent)], []);
    // A folder of a level that was not there, in /run and for a user, goes too.
    writeDropIn(
      dropInPath(folders, "x.service", { runtime: true, late: true }),
      "text\n",
      () => {},
    );
    removeDropIn(`${root}/run/x.service.d/zz-mptcpize.conf`, folders, () => {});
    throws(() => Deno.statSync(`${root}/run`), Deno.errors.NotFound);
    // Beside what others put there, nothing but ours goes.
    Deno.mkdirSync(`${root}/etc/x.service.d`);
    Deno.writeTextFileSync(`${root}/etc/x.service.d/override.conf`, "");
    writeDropIn(path, "text\n", () => {});
    removeDropIn(path, folders, () => {});
    deepStrictEqual([...Deno.readDirSync(`${root}/etc/x.service.d`)].map(({ name }) => name), [
      "override.conf",
    ]);
  }));

Deno.test("writeDropIn() leaves no half of a file when a step fails", () =>
  withFolders((folders) => {
    const path = dropInPath(folders, "x.service");
    writeDropIn(path, "old\n", () => {});
    throws(() =>
      writeDropIn(path, "new\n", (name) => {
        if (name.startsWith("name ")) throw new Error("stop");
      }), /stop/);
    strictEqual(Deno.readTextFileSync(path), "old\n");
    deepStrictEqual([...Deno.readDirSync(`${folders.persistent}/x.service.d`)].length, 1);
  }));

Deno.test("findDropIns(), listDropIns() and hasLeftovers() tell ours from others'", () =>
  withFolders((folders) => {
    const [ours, theirs] = ["a.service", "b@.service"].map((unit) => dropInPath(folders, unit));
    writeDropIn(ours!, renderDropIn(DROP_IN), () => {});
    writeDropIn(theirs!, "[Service]\n", () => {});
    deepStrictEqual(listDropIns(folders).map(({ unit, path }) => [unit, path]), [[
      "a.service",
      ours,
    ]]);
    deepStrictEqual(findDropIns(folders, "b@.service").map(({ dropIn }) => dropIn), [undefined]);
    deepStrictEqual(findDropIns(folders, "c.service"), []);
    strictEqual(hasLeftovers(folders, "a.service"), false);
    Deno.writeTextFileSync(`${ours}.mptcpize-new`, "half");
    strictEqual(hasLeftovers(folders, "a.service"), true);
    removeDropIn(ours!, folders, () => {});
    strictEqual(hasLeftovers(folders, "a.service"), false);
    match(theirs!, /b@\.service\.d/);
  }));
