import { deepStrictEqual, throws } from "node:assert";
import { NotSupportedError, UsageError } from "../errors.ts";
import { checkPlaces, findPlaces } from "./places.ts";

Deno.test("findPlaces() takes /usr/local with the folder that AppArmor allows by default", () => {
  const wanted = { prefix: "/usr/local", folder: "/usr/lib/mptcpize" };
  deepStrictEqual(findPlaces({ cwd: "/" }), wanted);
  deepStrictEqual(findPlaces({ prefix: "/usr/local", cwd: "/" }), wanted);
  deepStrictEqual(findPlaces({ prefix: "local/.//x/..", cwd: "/usr" }), wanted);
});

Deno.test("findPlaces() keeps all below another prefix, links resolved", () => {
  const root = Deno.realPathSync(Deno.makeTempDirSync());
  try {
    Deno.mkdirSync(`${root}/real`);
    Deno.symlinkSync("real", `${root}/link`);
    const below = (prefix: string) => ({ prefix, folder: `${prefix}/lib/mptcpize` });
    deepStrictEqual(
      findPlaces({ prefix: `${root}/link/new`, cwd: "/" }),
      below(`${root}/real/new`),
    );
    deepStrictEqual(findPlaces({ prefix: "new/", cwd: `${root}/link` }), below(`${root}/real/new`));
    deepStrictEqual(
      findPlaces({ user: true, home: `${root}/link`, cwd: "/" }),
      below(`${root}/real/.local`),
    );
    deepStrictEqual(findPlaces({ prefix: "/", cwd: "/" }), { prefix: "", folder: "/lib/mptcpize" });
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});

Deno.test("findPlaces() refuses two places, and a user without a home", () => {
  throws(() => findPlaces({ user: true, prefix: "/x", cwd: "/" }), UsageError);
  throws(() => findPlaces({ user: true, cwd: "/" }), UsageError);
  throws(() => findPlaces({ user: true, home: "relative", cwd: "/" }), UsageError);
});

Deno.test("checkPlaces() refuses where a library could be replaced, or not be named", () => {
  const root = Deno.realPathSync(Deno.makeTempDirSync());
  const uid = Deno.uid() ?? 0;
  try {
    const check = (name: string) =>
      checkPlaces({ prefix: root, folder: `${root}/${name}/lib/mptcpize` }, uid);
    Deno.chmodSync(root, 0o755);
    check("fine");
    throws(() => check("a space"), NotSupportedError);
    throws(() => check("a:colon"), /colon/);
    throws(() => check("x".repeat(1000)), /room for 1023/);
    Deno.mkdirSync(`${root}/open`);
    Deno.chmodSync(`${root}/open`, 0o777);
    throws(() => check("open"), /writable for others/);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});
