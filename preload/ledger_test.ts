import { deepStrictEqual, match, ok, strictEqual } from "node:assert";
import { openFds } from "../ffi/fd.ts";
import { Ledger, parseSlot } from "./ledger.ts";

const EMPTY = { processes: 0, made: 0, forced: 0, returned: 0, refusal: 0, lost: 0 };

/** A program that has the library, and no terminal to talk to. */
async function run(place: string, script: string, library = "libmptcpize-report.so") {
  const path = new URL(`./lib/${Deno.build.arch}/${library}`, import.meta.url).pathname;
  const command = new Deno.Command("/bin/sh", {
    args: ["-c", script],
    env: { LD_PRELOAD: path, MPTCPIZE_REPORT: place },
  });
  const { code, stderr } = await command.output();
  strictEqual(new TextDecoder().decode(stderr), "");
  return code;
}

Deno.test("Ledger counts the programs that loaded the library, and leaves nothing open", async () => {
  const before = openFds().length;
  {
    using ledger = Ledger.open();
    match(ledger.place, new RegExp(`^${Deno.pid}:\\d+:\\d+$`));
    deepStrictEqual([ledger.counts(), ledger.take()], [EMPTY, []]);
    // The shell, and what it starts and becomes.
    strictEqual(await run(ledger.place, "/bin/true; exec /bin/true"), 0);
    deepStrictEqual(ledger.counts(), { ...EMPTY, processes: 3 });
    deepStrictEqual(ledger.take(), []);
  }
  strictEqual(openFds().length, before);
});

Deno.test("the reporting library touches nothing when its ledger is not what it is told to be", async () => {
  using ledger = Ledger.open();
  const [pid, fd, inode] = ledger.place.split(":").map(Number);
  const file = await Deno.makeTempFile();
  const other = await Deno.open(file, { read: true, write: true });
  const text = new TextEncoder().encode("not a ledger".repeat(1000));
  await Deno.writeFile(file, text);
  const otherInode = (await Deno.stat(file)).ino;
  const places = [
    "",
    "x",
    `${pid}`,
    `${pid}:${fd}`,
    `${pid}:${fd}:${inode! + 1}`,
    `${pid}:9999:${inode}`,
    `999999999:${fd}:${inode}`,
    `99999999999999999999999999:${fd}:${inode}`,
    // Its own descriptor number there is another file.
    ...[3, 4, 5, 6, 7, 8, 9, 10, 11, 12].map((fd) => `${pid}:${fd}:${otherInode}`),
  ];
  for (const place of places) strictEqual(await run(place, "exit 7"), 7, place);
  deepStrictEqual(await Deno.readFile(file), text);
  deepStrictEqual(ledger.counts(), EMPTY);
  other.close();
  await Deno.remove(file);
});

Deno.test("parseSlot() keeps within a slot whatever lengths are in it", () => {
  const bytes = new Uint8Array(4096).fill(0xff);
  const { local, remote, info, tcpInfo, subflowAddresses, subflowTcpInfos } = parseSlot(bytes);
  deepStrictEqual(
    [local, remote, info.bytes, tcpInfo, subflowAddresses, subflowTcpInfos]
      .map(({ length }) => length),
    [32, 32, 128, 256, 1808, 1472],
  );
  const empty = parseSlot(new Uint8Array(4096));
  ok([empty.local, empty.info.bytes, empty.tcpInfo].every(({ length }) => length === 0));
});
