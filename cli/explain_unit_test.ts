import { match, ok, strictEqual } from "node:assert";
import { explainUnit } from "../mod.ts";
import { inScene, recordedCommand } from "../tests/systemd/fake.ts";
import type { Env } from "./env.ts";
import { unitText } from "./explain_unit.ts";

const ENV = { color: false, columns: undefined } as Env;

Deno.test("unitText() shows programs, methods, and the drop-in that would be written", () =>
  inScene(async ({ world, request }) => {
    const { installations } = request([]);
    const text = unitText(ENV, await explainUnit({ unit: "lab-several", installations }, world));
    match(text, /^lab-several\.service\n {2}\/bin\/sh\n {4}dynamic program for /);
    for (
      const line of [
        "METHOD   REACHES IT  WHY",
        "godebug  no          /bin/sh: it is no Go program",
        "bpf      no          no BPF here",
        "`mptcpize enable` would write",
        "lab-several.service: by the preload library",
        `  ${world.folders.persistent}/lab-several.service.d/90-mptcpize.conf`,
        '    Environment="GODEBUG=multipathtcp=1"',
      ]
    ) ok(text.split("\n").includes(line), `${line} in\n${text}`);
    match(text, /\npreload {2}yes {9}it is dynamically linked /);
  }));

Deno.test("unitText() says once why a unit is refused, and what would do", () =>
  inScene(async ({ world, request, systemd }) => {
    const { installations } = request([]);
    const socket = { unit: "lab-mixed.socket", installations };
    const text = unitText(ENV, await explainUnit(socket, world));
    strictEqual(text.split("has one protocol for all").length, 2);
    match(text, /\n\n`mptcpize enable` refuses it\n\nhint: put its TCP listeners into a socket/);
    systemd.changed.set("lab-activated.service ExecStart", recordedCommand("lab-several"));
    const service = { unit: "lab-activated", installations };
    const other = unitText(ENV, await explainUnit(service, world));
    match(
      other,
      /refuses it: its listeners are made by systemd[^]*\n\nhint: `mptcpize enable --with/,
    );
    for (const line of `${text}${other}`.split("\n")) ok(line.length <= 80, line);
  }));
