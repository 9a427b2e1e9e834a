/**
 * That `doctor` finds what is broken, and that what it says mends it.
 *
 * @module
 */

import { deepStrictEqual, match, ok, strictEqual } from "node:assert";
import { addBackup, needs } from "./ends.ts";
import { makeNetwork, mptcpizeIn, setUp } from "./network.ts";

Deno.test({
  name: "doctor says what is broken, and what mends it, when it is broken",
  ...needs,
  fn: async () => {
    await using network = await makeNetwork();
    const healthy = await mptcpizeIn(network.client, "doctor");
    deepStrictEqual([healthy.status, healthy.err], [0, ""]);
    match(healthy.out, /^ok +self-test +over loopback, IPv4 and IPv6/m);
    match(healthy.out, /^ok +preload +tried/m);
    match(healthy.out, /^ok +patch +tried on a static program: its socket is MPTCP$/m);
    for (const line of healthy.out.split("\n")) ok(line.length <= 80, line);

    await addBackup(network);
    await setUp(network.client, "ip route add default via 10.8.0.2 dev spare metric 200");
    await setUp(network.client, "sysctl -qw net.ipv4.conf.spare.rp_filter=1");
    const twoPaths = await mptcpizeIn(network.client, "doctor");
    strictEqual(twoPaths.status, 0);
    match(twoPaths.out, /^warning +paths +wan and spare could carry subflows/m);
    match(twoPaths.out, /mend: `ip mptcp endpoint add 10\.8\.0\.1 dev spare subflow`/);
    match(twoPaths.out, /^warning +rp_filter +spare/m);

    // What it said to do: no warning is left of that.
    await setUp(
      network.client,
      "ip mptcp endpoint add 10.8.0.1 dev spare subflow; sysctl -qw net.ipv4.conf.spare.rp_filter=2",
    );
    const mended = await mptcpizeIn(network.client, "doctor");
    match(mended.out, /^ok +paths +wan, spare \(1 endpoint/m);

    await setUp(network.client, "ip mptcp endpoint add 10.99.0.1 subflow");
    match((await mptcpizeIn(network.client, "doctor")).out, /endpoint delete id 2/);
    await setUp(network.client, "echo 0 >/proc/sys/net/mptcp/enabled");
    const off = await mptcpizeIn(network.client, "doctor");
    strictEqual(off.status, 1);
    match(off.out, /^broken +kernel /m);
    match(off.out, /mend: `sysctl -w net\.mptcp\.enabled=1`/);
    match(off.out, /MPTCP cannot be used here/);
  },
});
