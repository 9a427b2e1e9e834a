import { deepStrictEqual, strictEqual, throws } from "node:assert";
import { FormatError } from "../errors.ts";
import {
  decodeId,
  decodeName,
  decodeSettings,
  decodeTarget,
  encodeId,
  encodeName,
  encodeSettings,
  encodeTarget,
  SETTINGS_SIZE,
  TARGET_SIZE,
  UNKNOWN_LEVEL,
} from "./layout.ts";

const TARGET = {
  seen: 3n,
  forced: 2n,
  softened: 1n,
  sinceMs: 1_700_000_000_000n,
  strict: true,
  level: 2,
  path: "/sys/fs/cgroup/ä.slice",
};
const SETTINGS = {
  version: 1n,
  digest: 0xfedc_ba98_7654_3210n,
  pernetId: 5n,
  refused: 9n,
  token: 7n,
  device: 47n,
};

Deno.test("decodeTarget() reads what encodeTarget() writes", () => {
  deepStrictEqual(decodeTarget(encodeTarget(TARGET)), TARGET);
  deepStrictEqual(decodeTarget(encodeTarget({ ...TARGET, path: "" })), { ...TARGET, path: "" });
});

Deno.test("the C header has the sizes that the codecs have", async () => {
  const text = await Deno.readTextFile(new URL("mptcpify.h", import.meta.url));
  const header = text.replace("[PATH_SIZE]", `[${/define PATH_SIZE (\d+)/.exec(text)?.[1]}]`);
  const size = (name: string) => {
    const body = new RegExp(`struct ${name} \\{([^}]*)\\}`).exec(header)?.[1] ?? "";
    const fields = [...body.matchAll(/^\s*(u64|u32|char) \w+(?:\[(\d+)\])?;/gm)];
    const bytes = { u64: 8, u32: 4, char: 1 } as Record<string, number>;
    return fields.reduce((sum, [, type, count]) => sum + bytes[type!]! * Number(count ?? 1), 0);
  };
  deepStrictEqual([size("target"), size("settings")], [TARGET_SIZE, SETTINGS_SIZE]);
});

Deno.test("decodeTarget() and decodeSettings() refuse other sizes", () => {
  for (const size of [0, TARGET_SIZE - 1, TARGET_SIZE + 1]) {
    throws(() => decodeTarget(new Uint8Array(size)), FormatError);
  }
  throws(() => decodeSettings(new Uint8Array(SETTINGS_SIZE - 8)), FormatError);
});

Deno.test("encodeTarget() refuses a path that has no room", () => {
  const path = "/".padEnd(1023, "a");
  strictEqual(decodeTarget(encodeTarget({ ...TARGET, path })).path, path);
  throws(() => encodeTarget({ ...TARGET, path: `${path}a` }), RangeError);
});

Deno.test("encodeSettings() marks the levels and names of the targets", () => {
  const bytes = encodeSettings(SETTINGS, [2, 0, 2], ["a"]);
  deepStrictEqual(decodeSettings(bytes), SETTINGS);
  const words = new BigUint64Array(bytes.buffer);
  deepStrictEqual([words[1], words[4]], [0b101n, 1n << (0x61n & 63n)]);
});

Deno.test("encodeSettings() marks all levels for a target whose level is not known", () => {
  const bytes = encodeSettings(SETTINGS, [UNKNOWN_LEVEL], []);
  strictEqual(new BigUint64Array(bytes.buffer)[1], 0xffff_ffff_ffff_ffffn);
});

Deno.test("keys are read as they were written", () => {
  strictEqual(decodeId(encodeId(0x1234_5678_9abc_def0n)), 0x1234_5678_9abc_def0n);
  strictEqual(decodeName(encodeName("nginx")), "nginx");
  strictEqual(decodeName(encodeName("fifteen-letters")), "fifteen-letters");
  throws(() => encodeName("sixteen--letters"), RangeError);
});
