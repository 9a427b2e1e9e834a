import { deepStrictEqual, match, ok, strictEqual, throws } from "node:assert";
import { NotSupportedError } from "../errors.ts";
import {
  type ComponentFacts,
  copyLibrary,
  findLibrary,
  type LibraryUser,
  unsafeBecause,
} from "./library.ts";

function components(file: Partial<ComponentFacts> = {}, folder: Partial<ComponentFacts> = {}) {
  return [
    { path: "/", uid: 0, mode: 0o755, isDirectory: true },
    { path: "/opt", uid: 0, mode: 0o755, isDirectory: true, ...folder },
    { path: "/opt/l.so", uid: 0, mode: 0o644, isDirectory: false, ...file },
  ];
}

Deno.test("unsafeBecause() lets through what only root or the caller can change", () => {
  strictEqual(unsafeBecause(components(), 0), undefined);
  strictEqual(unsafeBecause(components(), 1000), undefined);
  strictEqual(
    unsafeBecause(components({ uid: 1000 }, { uid: 1000, mode: 0o700 }), 1000),
    undefined,
  );
  strictEqual(unsafeBecause(components({}, { mode: 0o1777 }), 0), undefined);
});

Deno.test("unsafeBecause() names the component that another user could use", () => {
  for (
    const [list, uid, reason] of [
      [components({ uid: 1000 }), 0, /\/opt\/l\.so belongs to user 1000/],
      [components({}, { uid: 33 }), 1000, /\/opt belongs to user 33/],
      [components({ mode: 0o664 }), 0, /\/opt\/l\.so is writable/],
      [components({}, { mode: 0o775 }), 1000, /\/opt is writable for others \(mode 775\)/],
      // A sticky bit protects what is in a folder, not a file.
      [components({ mode: 0o1666 }), 0, /l\.so is writable/],
      [components({}, { mode: 0o700 }), 0, /\/opt is closed to other users \(mode 700\)/],
      [components({ mode: 0o600 }), 0, /l\.so is closed/],
      [components({ path: "/opt/my lib.so" }), 0, /a space, a colon/],
      [components({ path: "/opt/a:b.so" }), 0, /a space, a colon/],
      [components({ path: "/opt/$LIB/l.so" }), 0, /a \$/],
      [[], 0, /empty/],
    ] as const
  ) match(unsafeBecause(list, uid) ?? "safe", reason);
});

Deno.test("copyLibrary() leaves one readable file and no other, whatever the umask is", () => {
  const folder = Deno.makeTempDirSync();
  try {
    Deno.writeTextFileSync(`${folder}/shipped`, "bytes");
    const path = `${folder}/cache/mptcpize/0123/libmptcpize.so`;
    const copy = { path, copyFrom: `${folder}/shipped` };
    const script = `import { copyLibrary } from ${
      JSON.stringify(import.meta.resolve("./library.ts"))
    };
      for (let time = 0; time < 2; time++) copyLibrary(${JSON.stringify(copy)});`;
    // In a process of its own: the umask is one for all tests that run here side by side.
    const { stderr } = new Deno.Command("/bin/sh", {
      args: ["-c", 'umask 077; exec "$0" eval --no-config "$1"', Deno.execPath(), script],
    }).outputSync();
    strictEqual(new TextDecoder().decode(stderr), "");
    strictEqual(Deno.readTextFileSync(path), "bytes");
    strictEqual(Deno.statSync(path).mode! & 0o777, 0o644);
    strictEqual(Deno.statSync(`${folder}/cache/mptcpize`).mode! & 0o777, 0o755);
    deepStrictEqual(
      [...Deno.readDirSync(`${folder}/cache/mptcpize/0123`)].map((entry) => entry.name),
      ["libmptcpize.so"],
    );
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("copyLibrary() leaves nothing behind when it fails", () => {
  const folder = Deno.makeTempDirSync();
  try {
    Deno.mkdirSync(`${folder}/mptcpize/x/libmptcpize.so`, { recursive: true });
    Deno.writeTextFileSync(`${folder}/shipped`, "bytes");
    const place = { path: `${folder}/mptcpize/x/libmptcpize.so`, copyFrom: `${folder}/shipped` };
    throws(() => copyLibrary(place), /Cannot copy the preload library to .*libmptcpize\.so/);
    deepStrictEqual(
      [...Deno.readDirSync(`${folder}/mptcpize/x`)].map((entry) => entry.name),
      ["libmptcpize.so"],
    );
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

/** A copy of this code in a folder where nobody can use the file as it lies. */
async function inFolder(
  name: string,
  check: (find: typeof findLibrary, user: LibraryUser, folder: string) => Promise<void>,
): Promise<void> {
  const folder = Deno.realPathSync(Deno.makeTempDirSync());
  try {
    const code = `${folder}/${name}/preload`;
    Deno.mkdirSync(`${code}/lib/x86_64`, { recursive: true });
    Deno.mkdirSync(`${folder}/home`);
    Deno.writeTextFileSync(`${code}/lib/x86_64/libmptcpize.so`, "bytes");
    for (const file of ["preload/library.ts", "errors.ts"]) {
      Deno.copyFileSync(new URL(`../${file}`, import.meta.url), `${folder}/${name}/${file}`);
    }
    const copy = await import(`file://${encodeURI(code)}/library.ts`);
    const user = { uid: Deno.uid() ?? 0, home: `${folder}/home` };
    // Root's own cache is not touched by a test: an ordinary user is asked for.
    await check(copy.findLibrary, user.uid === 0 ? { ...user, uid: 1 } : user, folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("findLibrary() copies to the cache folder where the path has a space", async () => {
  await inFolder("a checkout", async (find, user, folder) => {
    const place = await find("x86_64", user);
    match(place.path, /\/home\/\.cache\/mptcpize\/[0-9a-f]{16}\/libmptcpize\.so$/);
    strictEqual(place.copyFrom, `${folder}/a checkout/preload/lib/x86_64/libmptcpize.so`);
    copyLibrary(place);
    deepStrictEqual(await find("x86_64", user), { path: place.path });
    // Half a file, as a full disk leaves it, is not taken for the library.
    Deno.writeTextFileSync(place.path, "byt");
    ok((await find("x86_64", user)).copyFrom);
  });
});

Deno.test("findLibrary() says each place that it tried and why not", async () => {
  await inFolder("a checkout", async (find, user, folder) => {
    let message = "";
    try {
      await find("x86_64", { ...user, home: `${folder}/no home`, cacheHome: "relative" });
    } catch (error) {
      message = (error as NotSupportedError).message;
    }
    match(
      message,
      /^Cannot place the preload library: .*a checkout.*; .*no home\/\.cache: .*a space/,
    );
    let missing = "";
    try {
      await find("aarch64", user);
    } catch (error) {
      missing = (error as NotSupportedError).message;
    }
    match(missing, /Cannot load the preload library: .*aarch64.* cannot be read/);
  });
});
