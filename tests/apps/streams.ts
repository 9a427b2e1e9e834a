/**
 * Apps that carry bytes and do not care what they mean, and those that measure how fast.
 *
 * @module
 */

import { strict as assert } from "node:assert";
import { type App, assertSameBytes, PYTHON } from "./app.ts";

const HAPROXY = (front: string, back: string) => `
global
  user nobody
  group nogroup
defaults
  mode tcp
  option tcpka
  timeout connect 5s
  timeout client 10s
  timeout server 10s
listen front
  bind 127.0.0.1:${front} defer-accept tcp-ut 5s
  server back 127.0.0.1:${back} tcp-ut 5s
`;

/** Each way to ask iperf3 for something, and what its answer must show. */
const IPERF3_TESTS: readonly (readonly string[])[] = [
  [],
  ["-S", "0x10"],
  ["-w", "64K"],
  ["-w", "16K"],
  ["-R"],
  ["-P", "2"],
];

/** The apps of this file. */
export const STREAM_APPS: readonly App[] = [
  {
    name: "socat",
    needs: ["socat"],
    async play(scene) {
      const payload = scene.payload();
      const port = scene.port();
      const listen = `TCP-LISTEN:${port},bind=127.0.0.1,reuseaddr,fork`;
      await scene.start(port, ["socat", "-U", listen, `OPEN:${scene.path("payload")},rdonly`]);
      const options = "keepalive,nodelay,tos=0x10";
      const { stdout } = await scene.run(["socat", "-u", `TCP:127.0.0.1:${port},${options}`, "-"]);
      assertSameBytes(stdout, payload);
    },
  },
  {
    name: "ncat",
    needs: ["ncat"],
    async play(scene) {
      const payload = scene.payload();
      const port = `${scene.port()}`;
      const send = ["--keep-open", "--send-only", "--sh-exec", `cat ${scene.path("payload")}`];
      await scene.start(Number(port), ["ncat", "--listen", "127.0.0.1", port, ...send]);
      const { stdout } = await scene.run(["ncat", "--recv-only", "127.0.0.1", port]);
      assertSameBytes(stdout, payload);
    },
  },
  {
    name: "iperf3",
    needs: ["iperf3"],
    async play(scene) {
      const port = `${scene.port()}`;
      await scene.start(Number(port), ["iperf3", "-s", "-p", port]);
      const client = ["iperf3", "-c", "127.0.0.1", "-p", port, "-J", "-n", "8M"];
      for (const words of IPERF3_TESTS) {
        const { text } = await scene.run([...client, ...words]);
        const { error, end } = JSON.parse(text);
        assert.equal(error, undefined, `iperf3 ${words.join(" ")}`);
        assert.ok(end.sum_sent.bytes >= 8 << 20, `iperf3 ${words.join(" ")} sends 8 MiB`);
        // A small buffer makes an MPTCP connection stall: 16K would take 5 s.
        assert.ok(end.sum_sent.seconds < 3, `iperf3 ${words.join(" ")} is not slow`);
        // It stops to read when the sender is done, whatever is still on its way.
        assert.ok(end.sum_received.bytes > 0, `iperf3 ${words.join(" ")} receives`);
      }
    },
  },
  {
    name: "haproxy",
    needs: ["haproxy", "curl", PYTHON],
    async play(scene) {
      const payload = scene.payload();
      const [front, back] = [`${scene.port()}`, `${scene.port()}`];
      const serve = ["-m", "http.server", "--bind", "127.0.0.1", "--directory", scene.folder, back];
      await scene.start(Number(back), [PYTHON, ...serve]);
      const config = scene.write("haproxy.cfg", HAPROXY(front, back));
      const haproxy = await scene.start(Number(front), ["haproxy", "-db", "-f", config]);
      const url = `http://127.0.0.1:${front}/payload`;
      const { stdout } = await scene.run(["curl", "-sS", "--fail", url]);
      assertSameBytes(stdout, payload);
      assert.doesNotMatch(haproxy.output(), /cannot set|ALERT/);
    },
  },
];
