import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert";
import { ConflictError, MptcpizeError, NotFoundError } from "../errors.ts";
import { readTree, VERSIONS } from "../tests/install/tree.ts";
import { applyInstall, planInstall, settleInstall } from "./apply.ts";
import type { Step } from "./journal.ts";
import { applyUninstall, planUninstall } from "./remove.ts";

/** Runs a test in a folder of its own. */
async function inFolder(test: (root: string) => Promise<void>): Promise<void> {
  const root = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "mptcpize-install-" }));
  try {
    await test(root);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

const placesOf = (prefix: string) => ({ prefix, folder: `${prefix}/lib/mptcpize` });

function filesOf(prefix: string, version: string) {
  return VERSIONS[version]!.map(({ name, text, mode = 0o644 }) => ({
    path: `${prefix}/${name}`,
    mode,
    content: new TextEncoder().encode(text),
  }));
}

async function install(prefix: string, version: string, step?: Step): Promise<void> {
  const plan = await planInstall(placesOf(prefix), version, filesOf(prefix, version));
  await applyInstall(plan, step);
}

const uninstall = (prefix: string, step?: Step) => applyUninstall(`${prefix}/lib/mptcpize`, step);

/** The tree without manifests, which tell of the way that led there. */
function filesIn(root: string): Record<string, string> {
  const entries = Object.entries(readTree(root));
  return Object.fromEntries(entries.filter(([path]) => !path.endsWith("manifest.json")));
}

Deno.test("applyInstall() puts the files, and applyUninstall() leaves what was there", async () => {
  for (const there of [[], ["p"], ["p", "p/lib"], ["p", "p/share", "p/share/man"]]) {
    await inFolder(async (root) => {
      for (const name of there) Deno.mkdirSync(`${root}/${name}`);
      const before = readTree(root);
      await install(`${root}/p`, "1");
      const tree = readTree(root);
      for (const { name, text, mode = 0o644 } of VERSIONS["1"]!) {
        const hex = new TextEncoder().encode(text).toHex();
        strictEqual(tree[`/p/${name}`], `file ${mode.toString(8)} ${hex}`);
      }
      strictEqual(Object.keys(tree).filter((path) => /mptcpize-(new|old)/.test(path)).length, 0);
      const { changed } = (await uninstall(`${root}/p`))!;
      deepStrictEqual(changed, []);
      deepStrictEqual(readTree(root), before);
    });
  }
});

Deno.test("applyInstall() over another version is an upgrade, and a running file stays as it is", async () => {
  await inFolder(async (root) => {
    const prefix = `${root}/p`;
    await install(`${root}/fresh`, "2");
    await install(prefix, "1");
    using running = Deno.openSync(`${prefix}/lib/mptcpize/lib/x/library`);
    await install(prefix, "2");
    const bytes = new Uint8Array(100);
    strictEqual(new TextDecoder().decode(bytes.subarray(0, running.readSync(bytes)!)), "library 1");
    const files = (name: string) =>
      Object.fromEntries(
        Object.entries(filesIn(`${root}/${name}`)).filter(([path]) => !/share\/old$/.test(path)),
      );
    deepStrictEqual(files("p"), files("fresh"));
    await install(prefix, "2");
    deepStrictEqual(files("p"), files("fresh"));
    await uninstall(prefix);
    strictEqual("/p" in readTree(root), false);
  });
});

Deno.test("applyInstall() that fails at any step leaves no trace of having been tried", async () => {
  for (const before of [undefined, "1"]) {
    let failed = 0;
    for (let limit = 1;; limit++) {
      let done = false;
      await inFolder(async (root) => {
        if (before !== undefined) await install(`${root}/p`, before);
        const tree = readTree(root);
        let left = limit;
        const step = (name: string) => {
          if (--left === 0) throw new Error(`full at: ${name}`);
        };
        try {
          await install(`${root}/p`, "2", step);
          done = true;
        } catch (error) {
          ok(error instanceof MptcpizeError);
          match(error.message, /^Cannot install to .*: full at: /);
          // Behind the last name the installation is valid; what is left to do is to tidy up.
          if (/full at: remove /.test(error.message)) {
            await settleInstall(`${root}/p/lib/mptcpize`);
            await install(`${root}/fresh`, "2");
            strictEqual(
              readTree(root)["/p/bin/mptcpize"],
              readTree(root)["/fresh/bin/mptcpize"],
            );
          } else {
            await settleInstall(`${root}/p/lib/mptcpize`);
            deepStrictEqual(readTree(root), tree, error.message);
          }
          failed++;
        }
      });
      if (done) break;
    }
    ok(failed > 15, `${failed} steps`);
  }
});

Deno.test("planInstall() refuses what is not ours, and what was changed", async () => {
  await inFolder(async (root) => {
    const prefix = `${root}/p`;
    Deno.mkdirSync(`${prefix}/bin`, { recursive: true });
    Deno.writeTextFileSync(`${prefix}/bin/mptcpize`, "another program");
    const tree = readTree(root);
    await rejects(install(prefix, "1"), (error: Error) => {
      ok(error instanceof ConflictError);
      match(
        error.message,
        /^Cannot install .*\/bin\/mptcpize: it is there already, and it is not /,
      );
      return true;
    });
    deepStrictEqual(readTree(root), tree);
    for (
      const make of [
        () => Deno.symlinkSync("/nonexistent", `${prefix}/bin/mptcpize`),
        () => Deno.mkdirSync(`${prefix}/bin/mptcpize`),
      ]
    ) {
      Deno.removeSync(`${prefix}/bin/mptcpize`);
      make();
      await rejects(install(prefix, "1"), ConflictError);
    }
    Deno.removeSync(`${prefix}/bin/mptcpize`);
    await install(prefix, "1");
    Deno.writeTextFileSync(`${prefix}/share/man/page`, "my own words");
    await rejects(install(prefix, "2"), /was changed since it was installed/);
    const { changed } = (await uninstall(prefix))!;
    deepStrictEqual(changed, [`${prefix}/share/man/page`]);
    deepStrictEqual(Object.keys(readTree(`${prefix}/share`)), ["", "/man", "/man/page"]);
    strictEqual("/lib" in readTree(prefix), false);
  });
});

Deno.test("applyInstall() never replaces what has come into the way meanwhile", async () => {
  await inFolder(async (root) => {
    const prefix = `${root}/p`;
    const path = `${prefix}/bin/mptcpize`;
    await rejects(
      install(prefix, "1", (name) => {
        if (name === `name ${prefix}/lib/mptcpize/deno`) Deno.writeTextFileSync(path, "sudden");
      }),
    );
    strictEqual(Deno.readTextFileSync(path), "sudden");
    deepStrictEqual(Object.keys(readTree(prefix)), ["", "/bin", "/bin/mptcpize"]);
  });
});

Deno.test("applyInstall() says who is in the way of a folder", async () => {
  await inFolder(async (root) => {
    Deno.writeTextFileSync(`${root}/p`, "a file");
    await rejects(install(`${root}/p`, "1"), MptcpizeError);
    deepStrictEqual(Object.keys(readTree(root)), ["", "/p"]);
  });
});

Deno.test("planUninstall() knows no installation where none is", async () => {
  await inFolder(async (root) => {
    await rejects(planUninstall(`${root}/lib/mptcpize`), NotFoundError);
    await rejects(uninstall(root), NotFoundError);
    await install(root, "1");
    Deno.removeSync(`${root}/bin/mptcpize`);
    strictEqual((await planUninstall(`${root}/lib/mptcpize`))!.files.length, 5);
    await uninstall(root);
    deepStrictEqual(Object.keys(readTree(root)), [""]);
  });
});

Deno.test("applyInstall() and applyUninstall() refuse while another process is at it", async () => {
  await inFolder(async (root) => {
    const folder = `${root}/p/lib/mptcpize`;
    const tries: Promise<void>[] = [];
    const meanwhile = () => {
      tries.push(rejects(install(`${root}/p`, "1"), ConflictError));
      tries.push(rejects(settleInstall(folder), ConflictError));
    };
    // At the first step nothing is there yet; at the other the folder has its name.
    await install(`${root}/p`, "1", (name) => {
      if (name === `make ${root}/.mptcpize.new` || name === `name ${root}/p/bin/mptcpize`) {
        meanwhile();
      }
    });
    await Promise.all(tries);
    strictEqual(tries.length, 4);
    await uninstall(`${root}/p`, (name) => {
      if (name.endsWith("/bin/mptcpize")) {
        tries.push(rejects(uninstall(`${root}/p`), ConflictError));
      }
    });
    await Promise.all(tries);
    strictEqual(tries.length, 5);
    deepStrictEqual(Object.keys(readTree(root)), [""]);
  });
});
