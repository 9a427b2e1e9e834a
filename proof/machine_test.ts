import { deepStrictEqual, ok } from "node:assert";
import { parseDefaultRoutes, readMachine } from "./machine.ts";

const ROUTE = `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
wlan0\t00000000\t0102A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
eth0\t0002A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
`;
const NULL = "0".repeat(32);
const IPV6_ROUTE = [
  `${NULL} 00 ${NULL} 00 fe800000000000000000000000000001 00000064 00000001 00000000 00000003     eth1`,
  `${NULL} 00 ${NULL} 00 ${NULL} ffffffff 00000001 00000000 00200200       lo`,
  `fd000000000000000000000000000000 40 ${NULL} 00 ${NULL} 00000100 00000001 00000000 00000001     eth2`,
].join("\n");

Deno.test("parseDefaultRoutes() finds interfaces with a default route, and none that refuses", () => {
  const { IPv4, IPv6 } = parseDefaultRoutes(ROUTE, IPV6_ROUTE);
  deepStrictEqual([[...IPv4], [...IPv6]], [["wlan0"], ["eth1"]]);
  deepStrictEqual(parseDefaultRoutes("", ""), { IPv4: new Set(), IPv6: new Set() });
});

Deno.test("readMachine() reads this machine without an error", () => {
  const { release, sysctls, paths } = readMachine();
  ok(/^\d+\.\d+/.test(release) && "mptcp/enabled" in sysctls);
  ok(paths.every(({ address }) => !address.startsWith("127.")));
});
