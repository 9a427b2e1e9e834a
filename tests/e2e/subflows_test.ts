/**
 * That additional subflows are seen: which there are, which carry, which is backup, and when one comes or goes.
 *
 * @module
 */

import { deepStrictEqual, match, ok, strictEqual } from "node:assert";
import { type EventWatch, type MptcpEvent, watchEvents } from "../../mod.ts";
import { waitFor } from "../../proof/attempt.ts";
import { addBackup, connectionOf, needs, PORT, probe } from "./ends.ts";
import { makeNetwork, mptcpizeIn, setUp, startPeer } from "./network.ts";

Deno.test({
  name: "listSockets() shows each subflow, and which is backup, when there are two",
  ...needs,
  fn: async () => {
    await using network = await makeNetwork();
    await addBackup(network);
    const address = network.addresses.IPv4;
    await setUp(network.server, "ip mptcp endpoint add 10.8.0.2 dev spare signal");
    await setUp(network.client, "ip mptcp endpoint add 10.8.0.1 dev spare subflow backup");
    await setUp(network.client, "ip route add 10.9.1.0/24 via 10.8.0.2 table 100");
    await setUp(network.client, "ip rule add from 10.8.0.1 table 100");
    await using server = await startPeer(network.server, "serve", "MPTCP", address, PORT);
    await using client = await startPeer(network.client, "connect", "MPTCP", address, PORT);
    const { subflows = [] } = connectionOf(client.pid);
    const shown = subflows.map(({ local, remote, backup }) => [
      local?.address,
      remote?.address,
      backup,
    ]);
    deepStrictEqual(shown[0], ["10.9.0.1", "10.9.1.1", "no"]);
    ok(
      shown.some(([local, , backup]) => local === "10.8.0.1" && backup === "local"),
      JSON.stringify(shown),
    );
    ok(subflows.every(({ tcp }) => (tcp?.rttUs ?? 0) > 0));
    const atServer = connectionOf(server.pid).subflows ?? [];
    ok(
      atServer.some(({ remote, backup }) => remote?.address === "10.8.0.1" && backup === "remote"),
    );
    const { out } = await mptcpizeIn(network.client, "sockets", "--pid", String(client.pid));
    match(out, /subflow 10\.8\.0\.1:\d+ to 10\.[89]\.\d\.\d:8080,? *\n? *(rtt|backup)/);
    match(out, /\bbackup\b/);
    const announced = await probe(network);
    deepStrictEqual(announced.report.addresses[0]?.announced.map(({ address }) => address), [
      "10.8.0.2",
    ]);
  },
});

const PATIENCE_MS = 30_000;

/** Waits for an event, past all others. */
async function next<Kind extends MptcpEvent["kind"]>(
  events: EventWatch,
  kind: Kind,
): Promise<MptcpEvent & { readonly kind: Kind }> {
  const timer = setTimeout(() => events[Symbol.dispose](), PATIENCE_MS);
  const passed: string[] = [];
  for (;;) {
    const { value } = await events.next();
    if (value === undefined) throw new Error(`no ${kind} after ${passed.join(", ")}`);
    if (value.kind !== kind) {
      passed.push(value.kind);
      continue;
    }
    clearTimeout(timer);
    return value as MptcpEvent & { readonly kind: Kind };
  }
}

Deno.test({
  name: "watchEvents() and listSockets() tell of the path that is left when the other one dies",
  ...needs,
  fn: async () => {
    await using network = await makeNetwork();
    await addBackup(network);
    const address = network.addresses.IPv4;
    await setUp(
      network.client,
      `
      ip mptcp endpoint add 10.8.0.1 dev spare subflow
      ip route add 10.9.1.0/24 via 10.8.0.2 table 100; ip rule add from 10.8.0.1 table 100
      `,
    );
    using events = watchEvents(`/proc/${network.client.pid}/ns/net`);
    await using _server = await startPeer(network.server, "serve", "MPTCP", address, PORT);
    let token: number;
    {
      const chatty = [network.client, "connect", "MPTCP", address, PORT, "--chatty"] as const;
      await using client = await startPeer(...chatty);
      const created = await next(events, "created");
      token = created.token;
      deepStrictEqual(
        [created.subflow.local.address, created.subflow.remote, created.serverSide ?? false],
        ["10.9.0.1", { address, port: PORT }, false],
      );
      strictEqual((await next(events, "established")).token, token);
      const second = await next(events, "subflow-established");
      deepStrictEqual(
        [second.token, second.subflow.local.address, second.backup],
        [token, "10.8.0.1", false],
      );
      strictEqual(connectionOf(client.pid).subflows?.length, 2);

      await setUp(
        network.router,
        "nft add table inet dying; " +
          "nft 'add chain inet dying forward { type filter hook forward priority 0; }'; " +
          "nft add rule inet dying forward meta l4proto tcp reject with tcp reset",
      );
      const dead = await next(events, "subflow-closed");
      deepStrictEqual(
        [dead.token, dead.subflow.local.address, dead.error],
        [token, "10.9.0.1", "ECONNRESET"],
      );
      const alive = () =>
        connectionOf(client.pid).subflows
          ?.filter(({ tcp }) => tcp?.state === "ESTABLISHED")
          .map(({ local, tcp }) => ({ from: local?.address, sent: tcp?.bytesSent ?? 0 })) ?? [];
      const before = alive();
      deepStrictEqual(before.map(({ from }) => from), ["10.8.0.1"]);
      strictEqual(connectionOf(client.pid).verdict, "mptcp");
      const grew = await waitFor(
        PATIENCE_MS,
        () => (alive()[0]?.sent ?? 0) > before[0]!.sent + 5000 || undefined,
      );
      ok(grew, "what is left carries on");
    }
    strictEqual((await next(events, "closed")).token, token);
  },
});
