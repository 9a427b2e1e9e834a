import { deepStrictEqual, strictEqual, throws } from "node:assert";
import { UsageError } from "../errors.ts";
import { escapeUnitName, instanceOf, isTemplate, parseUnitName, templateOf } from "./unit_name.ts";

Deno.test("parseUnitName() completes the suffix and takes names apart", () => {
  for (
    const [word, name, prefix, instance, type] of [
      ["nginx", "nginx.service", "nginx", undefined, "service"],
      ["nginx.service", "nginx.service", "nginx", undefined, "service"],
      ["ssh.socket", "ssh.socket", "ssh", undefined, "socket"],
      ["getty@tty1", "getty@tty1.service", "getty", "tty1", "service"],
      ["getty@.service", "getty@.service", "getty", "", "service"],
      ["getty@", "getty@.service", "getty", "", "service"],
      ["user@1000.service", "user@1000.service", "user", "1000", "service"],
      ["a@b@c", "a@b@c.service", "a", "b@c", "service"],
      ["app-x\\x2dy@-srv-a", "app-x\\x2dy@-srv-a.service", "app-x\\x2dy", "-srv-a", "service"],
      // A dot without a known type behind it belongs to the name.
      ["python3.11", "python3.11.service", "python3.11", undefined, "service"],
      ["dbus-org.freedesktop.login1", "dbus-org.freedesktop.login1.service", undefined],
      ["-.slice", "-.slice", "-", undefined, "slice"],
      [".service", ".service.service", ".service", undefined, "service"],
      ["x.Service", "x.Service.service", "x.Service", undefined, "service"],
      [`${"x".repeat(247)}`, `${"x".repeat(247)}.service`, "x".repeat(247), undefined, "service"],
    ] as const
  ) {
    const unit = parseUnitName(word);
    strictEqual(unit.name, name);
    if (prefix === undefined) continue;
    deepStrictEqual(unit, { name, prefix, instance, type });
  }
  strictEqual(parseUnitName("machine", "slice").name, "machine.slice");
});

Deno.test("parseUnitName() refuses what is no name of a unit, and says why", () => {
  for (
    const [word, message, hint] of [
      ["", /it is empty/, /list-units/],
      ["../../etc/passwd", /it is a path/, /`passwd`/],
      ["./web.service", /it is a path/, /`web.service`/],
      ["/usr/lib/systemd/system/nginx.service", /it is a path/, /`nginx.service`/],
      ["a/", /it is a path/, /name/],
      ["my unit", /" " is in no name/, /list-units/],
      ["getty@a b", /" " is in no name/, /`getty@a\\x20b.service`/],
      ["nosuch; echo x >> f", /";" is in no name/, /list-units/],
      ["$(id)", /"\$" is in no name/, /list-units/],
      ["a\nb", /"\\n" is in no name/, /list-units/],
      ["nginx*", /"\*" is in no name/, /list-units/],
      ["grün", /"ü" is in no name/, /list-units/],
      ["a\0b", /in no name/, /list-units/],
      ["@x", /nothing stands before its @/, /list-units/],
      ["-@ü.socket", /"ü" is in no name/, /`-@\\xc3\\xbc.socket`/],
      ["x".repeat(300), /has 308 bytes.*at most 255/, /list-units/],
      ["x".repeat(248), /has 256 bytes/, /list-units/],
    ] as const
  ) {
    throws(() => parseUnitName(word), (error: unknown) => {
      strictEqual(error instanceof UsageError, true, word);
      const { message: text, hint: advice } = error as UsageError;
      strictEqual(message.test(text), true, text);
      strictEqual(hint.test(advice ?? ""), true, advice);
      strictEqual(text.length < 200, true, text);
      return true;
    });
  }
});

Deno.test("isTemplate(), templateOf() and instanceOf() go between template and instance", () => {
  const template = parseUnitName("foo@.service");
  const instance = parseUnitName("foo@a@b");
  deepStrictEqual([isTemplate(template), isTemplate(instance)], [true, false]);
  strictEqual(isTemplate(parseUnitName("foo")), false);
  strictEqual(templateOf(instance), "foo@.service");
  deepStrictEqual([templateOf(template), templateOf(parseUnitName("foo"))], [undefined, undefined]);
  strictEqual(instanceOf(template, "x"), "foo@x.service");
});

Deno.test("escapeUnitName() writes what systemd-escape writes", () => {
  // Each right side is what `systemd-escape -- TEXT` of systemd 252 printed.
  for (
    const [text, escaped] of [
      ["a b", "a\\x20b"],
      ["/dev/sda", "-dev-sda"],
      [".x.y", "\\x2ex.y"],
      ["a-b\\c", "a\\x2db\\x5cc"],
      ["grün@1", "gr\\xc3\\xbcn\\x401"],
      ["A:_9", "A:_9"],
    ] as const
  ) strictEqual(escapeUnitName(text), escaped);
});
