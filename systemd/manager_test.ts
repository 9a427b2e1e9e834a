import { deepStrictEqual, match, rejects, strictEqual, throws } from "node:assert";
import {
  MptcpizeError,
  NotFoundError,
  NotPermittedError,
  NotSupportedError,
  UsageError,
} from "../errors.ts";
import { checkRunning, controlGroupOf, UnitManager, untrusted } from "./manager.ts";

/** A manager that gives one answer, and writes down what it was asked. */
function answering(answer: { code?: number; stdout?: string; stderr?: string }) {
  const asked: string[][] = [];
  const manager = new UnitManager("system", (name, words) => {
    asked.push([name, ...words]);
    return Promise.resolve({ code: 0, stdout: "", stderr: "", ...answer });
  });
  return { manager, asked };
}

Deno.test("UnitManager.show() asks for properties by name, with the unit behind --", async () => {
  const { manager, asked } = answering({ stdout: "Id=nginx.service\nLoadState=loaded\n" });
  const properties = await manager.show("nginx.service", ["Id", "LoadState"]);
  strictEqual(properties.text("LoadState"), "loaded");
  deepStrictEqual(asked, [[
    "systemctl",
    "--no-pager",
    "--no-ask-password",
    "show",
    "-p",
    "Id,LoadState",
    "--",
    "nginx.service",
  ]]);
});

Deno.test("UnitManager names what systemctl said when it fails", async () => {
  await rejects(
    answering({ code: 1, stderr: "Failed to connect to bus: Host is down" }).manager.show("x", []),
    (error: Error) => error instanceof MptcpizeError && /Host is down/.test(error.message),
  );
  await rejects(
    answering({ code: 4, stderr: "Failed to restart x.service: Access denied" }).manager
      .restart("x.service"),
    NotPermittedError,
  );
  await rejects(
    answering({ code: 3 }).manager.reload(),
    /Cannot reload systemd: systemctl exits with status 3/,
  );
});

Deno.test("UnitManager.listUnits() and lastLog() read one name or line each", async () => {
  const { manager } = answering({
    stdout:
      "getty@tty1.service loaded active running Getty on tty1\nx@a.service loaded failed failed X\n",
  });
  deepStrictEqual(await manager.listUnits("*@*"), ["getty@tty1.service", "x@a.service"]);
  deepStrictEqual(await answering({ stdout: "a\n\nb\n" }).manager.lastLog("x", 2, new Date()), [
    "a",
    "b",
  ]);
  deepStrictEqual(await answering({ code: 1 }).manager.lastLog("x", 2, new Date()), []);
});

Deno.test("controlGroupOf() gives the group of a running unit, and undefined for one at rest", async () => {
  const of = (unit: string, stdout: string) => {
    const { manager, asked } = answering({ stdout });
    return { group: controlGroupOf(unit, { manager }), asked };
  };
  const group = "/system.slice/system-getty.slice/getty@tty1.service";
  const running = of("getty@tty1", `LoadState=loaded\nControlGroup=${group}\n`);
  strictEqual(await running.group, group);
  strictEqual(running.asked[0]?.at(-1), "getty@tty1.service");
  strictEqual(await of("x", "LoadState=loaded\nControlGroup=\n").group, undefined);
  strictEqual(await of("-.slice", "LoadState=loaded\nControlGroup=/\n").group, "/");
  await rejects(of("x", "LoadState=not-found\nControlGroup=\n").group, NotFoundError);
  await rejects(of("x@", "").group, (error: Error) => {
    match(error.message, /x@\.service: it is a template/);
    return error instanceof NotSupportedError;
  });
  await rejects(of("../x", "").group, UsageError);
});

Deno.test("checkRunning() tells a machine without systemd from a user without a manager", () => {
  const folders = ["/run/systemd/system", "/run/user/1/systemd"];
  const check = (scope: "system" | "user", runtime?: string, there = folders) =>
    checkRunning(scope, { hasFolder: (path) => there.includes(path), runtime });
  const refused = (message: RegExp) => (error: Error) =>
    error instanceof NotSupportedError && message.test(error.message);
  check("system");
  check("user", "/run/user/1");
  throws(() => check("system", undefined, []), refused(/not started by systemd/));
  throws(() => check("user"), refused(/XDG_RUNTIME_DIR is not set/));
  throws(() => check("user", "/run/user/2"), refused(/none runs below \/run\/user\/2/));
});

Deno.test("untrusted() names the part of a path that others than root could replace", () => {
  strictEqual(untrusted(Deno.realPathSync("/bin/sh")), undefined);
  const folder = Deno.makeTempDirSync();
  try {
    Deno.chmodSync(folder, 0o777);
    Deno.writeTextFileSync(`${folder}/systemctl`, "");
    match(untrusted(`${folder}/systemctl`) ?? "", /writable for others|belongs to user/);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
