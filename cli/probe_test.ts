import { deepStrictEqual, throws } from "node:assert";
import { UsageError } from "../mod.ts";
import { parseTarget } from "./probe.ts";

Deno.test("parseTarget() reads names and addresses, with a port and without", () => {
  const parsed = (text: string) => Object.values(parseTarget(text));
  deepStrictEqual(parsed("example.org"), ["example.org", 443]);
  deepStrictEqual(parsed("example.org:80"), ["example.org", 80]);
  deepStrictEqual(parsed("192.0.2.1:65535"), ["192.0.2.1", 65535]);
  deepStrictEqual(parsed("2001:db8::1"), ["2001:db8::1", 443]);
  deepStrictEqual(parsed("[2001:db8::1]"), ["2001:db8::1", 443]);
  deepStrictEqual(parsed("[fe80::1%2]:22"), ["fe80::1%2", 22]);
});

Deno.test("parseTarget() refuses what is neither", () => {
  for (const text of ["", ":80", "host:", "host:0", "host:65536", "host:http", "a:b:c", "[::1]x"]) {
    throws(() => parseTarget(text), UsageError, text);
  }
  const hint = (text: string) => {
    try {
      return parseTarget(text) && "";
    } catch (error) {
      return (error as UsageError).hint;
    }
  };
  deepStrictEqual(hint("http://localhost:80/a"), "`mptcpize probe localhost:80`");
  deepStrictEqual(hint("https://example.org/a"), "`mptcpize probe example.org`");
  deepStrictEqual(hint("https://example.org:8443/a"), "`mptcpize probe example.org:8443`");
  deepStrictEqual(hint("[2001:db8::1"), "an IPv6 address with a port is written [2001:db8::1]:443");
  deepStrictEqual(hint(""), "`mptcpize probe example.org:443`");
});
