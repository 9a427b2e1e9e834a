import { match, strictEqual, throws } from "node:assert";
import { NotSupportedError } from "../errors.ts";
import { isRoot, skipUnless } from "../tests/skip.ts";
import { findInstalled } from "./installed.ts";

const MARK = "mptcpize launcher slot\n\0";

function launcher(folder: string, text: string, mode = 0o755): string {
  const path = `${folder}/mptcpize`;
  Deno.writeTextFileSync(path, text);
  Deno.chmodSync(path, mode);
  return path;
}

Deno.test("findInstalled() names each place that it looked at, and what is wrong there", () => {
  throws(() => findInstalled(["/no/such/mptcpize", "/bin/sh"]), (error) => {
    match(`${error}`, /\/no\/such\/mptcpize: it is not there; \/bin\/sh: it is another program/);
    match((error as NotSupportedError).hint ?? "", /mptcpize install/);
    return error instanceof NotSupportedError;
  });
});

Deno.test({
  name: "findInstalled() takes a filled launcher, that only root can replace",
  ...skipUnless("root", isRoot),
  fn() {
    // Not below /tmp, which all may write.
    const folder = Deno.makeTempDirSync({ dir: "/root" });
    try {
      const good = launcher(folder, `\x7fELF ${MARK}/usr/lib/mptcpize\0`);
      strictEqual(findInstalled(["/no/such", good]), good);
      launcher(folder, `\x7fELF ${MARK}\0`);
      throws(() => findInstalled([good]), /it is another program/);
      launcher(folder, `\x7fELF ${MARK}/usr/lib/mptcpize\0`, 0o777);
      throws(() => findInstalled([good]), /writable for others/);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});
