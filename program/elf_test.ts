import { deepEqual, equal, throws } from "node:assert/strict";
import { FormatError } from "../errors.ts";
import { bytesSource } from "./byte_source.ts";
import { type Elf, findSection, isElf, parseElf, readAddress } from "./elf.ts";
import { capturedProgram } from "./testing/captured.ts";
import { buildElf, DATA_ADDRESS, DATA_OFFSET, type ElfPlan } from "./testing/elf_builder.ts";

const parse = (bytes: Uint8Array) => parseElf(bytesSource(bytes)).elf;

const WORD_PLANS: ElfPlan[] = [
  { class: 64, endian: "little" },
  { class: 64, endian: "big" },
  { class: 32, endian: "little" },
  { class: 32, endian: "big" },
];

for (const plan of WORD_PLANS) {
  const kind = `${plan.class} bits, ${plan.endian}-endian`;

  Deno.test(`parseElf() reads the loader when the file has ${kind}`, () => {
    const interpreter = "/lib/ld-linux.so.2";
    deepEqual(parse(buildElf({ ...plan, interpreter, machine: 8, type: 2 })), {
      class: plan.class,
      endian: plan.endian,
      machine: "mips",
      type: "executable",
      interpreter,
      libc: "glibc",
    });
  });

  Deno.test(`parseElf() finds no loader when a static file has ${kind}`, () => {
    const { interpreter, libc, type } = parse(buildElf(plan));
    deepEqual({ interpreter, libc, type }, {
      interpreter: undefined,
      libc: "none",
      type: "shared",
    });
  });

  Deno.test(`findSection() and readAddress() agree when the file has ${kind}`, () => {
    const data = new TextEncoder().encode("twelve bytes");
    const file = parseElf(bytesSource(buildElf({ ...plan, data, section: ".some" })));
    deepEqual(findSection(file, ".some"), { offset: DATA_OFFSET, size: data.length });
    equal(findSection(file, ".som"), undefined);
    equal(findSection(file, ".other"), undefined);
    deepEqual(readAddress(file, DATA_ADDRESS + 7, 5), data.subarray(7));
    equal(readAddress(file, DATA_ADDRESS + 7, 6), undefined);
    equal(readAddress(file, DATA_ADDRESS + 12, 0), undefined);
    equal(readAddress(file, DATA_ADDRESS - 1, 1), undefined);
  });
}

Deno.test("parseElf() names the C library by the loader when there is one", () => {
  const names: [string, Elf["libc"]][] = [
    ["/lib64/ld-linux-x86-64.so.2", "glibc"],
    ["/lib/ld-linux-aarch64.so.1", "glibc"],
    ["/lib/ld-linux-armhf.so.3", "glibc"],
    ["/lib/ld-linux.so.2", "glibc"],
    ["/nix/store/abc-glibc-2.40/lib/ld-linux-x86-64.so.2", "glibc"],
    ["/lib/ld64.so.2", "glibc"],
    ["/lib/ld.so.1", "glibc"],
    ["/lib/ld-musl-x86_64.so.1", "musl"],
    ["/opt/musl/ld-musl-armhf.so.1", "musl"],
    ["/system/bin/linker64", "unknown"],
    ["/lib/ld-uClibc.so.0", "unknown"],
    ["/ld-musl-/loader", "unknown"],
    ["./ld-linux.so.2", "glibc"],
  ];
  for (const [interpreter, libc] of names) {
    equal(parse(buildElf({ class: 64, endian: "little", interpreter })).libc, libc, interpreter);
  }
});

Deno.test("parseElf() names the machine by its number when it knows no name", () => {
  const machine = (number: number) =>
    parse(buildElf({ class: 64, endian: "little", machine: number })).machine;
  deepEqual([62, 183, 3, 40, 243, 9999].map(machine), [
    "x86_64",
    "aarch64",
    "i386",
    "arm",
    "riscv",
    "machine 9999",
  ]);
});

Deno.test("parseElf() reads captured programs as readelf does", () => {
  const glibc = { interpreter: "/lib64/ld-linux-x86-64.so.2", libc: "glibc" } as const;
  const musl = { interpreter: "/lib/ld-musl-x86_64.so.1", libc: "musl" } as const;
  const none = { interpreter: undefined, libc: "none" } as const;
  const x86 = { class: 64, endian: "little", machine: "x86_64" } as const;
  deepEqual(parse(capturedProgram("debian_true")), { ...x86, type: "shared", ...glibc });
  deepEqual(parse(capturedProgram("busybox_static")), { ...x86, type: "executable", ...none });
  deepEqual(parse(capturedProgram("static_pie")), { ...x86, type: "shared", ...none });
  deepEqual(parse(capturedProgram("musl_dynamic")), { ...x86, type: "shared", ...musl });
  deepEqual(parse(capturedProgram("go1_23_s390x")), {
    class: 64,
    endian: "big",
    machine: "s390x",
    type: "executable",
    ...none,
  });
});

/** A change to a good file of 64 bits, and what the error then says. */
const BROKEN: [name: string, change: (bytes: Uint8Array, view: DataView) => void, RegExp][] = [
  ["its class is unknown", (bytes) => bytes[4] = 3, /its class is 3/],
  ["its byte order is unknown", (bytes) => bytes[5] = 0, /its data is 0/],
  ["it is an object file", (_, view) => view.setUint16(16, 1, true), /type 1 is no program/],
  ["it is a core file", (_, view) => view.setUint16(16, 4, true), /type 4 is no program/],
  ["program headers are too small", (_, view) => view.setUint16(54, 32, true), /32 bytes, not 56/],
  ["there are no program headers", (_, view) => view.setUint16(56, 0, true), /0 program headers/],
  ["there are too many", (_, view) => view.setUint16(56, 1171, true), /1171 program headers/],
  [
    "program headers lie behind its end",
    (_, view) => view.setBigUint64(32, 0xffff_ffff_ffff_fff0n, true),
    /lie behind its end/,
  ],
  ["the loader has no name", (_, view) => view.setBigUint64(64 + 32, 1n, true), /has 1 bytes/],
  ["its name is too long", (_, view) => view.setBigUint64(64 + 32, 4097n, true), /has 4097 bytes/],
  [
    "its name lies behind the end",
    (_, view) => view.setBigUint64(64 + 8, 1n << 63n, true),
    /lies behind its end/,
  ],
  ["its name has no end", (_, view) => view.setBigUint64(64 + 32, 4n, true), /end with NUL/],
];

for (const [name, change, message] of BROKEN) {
  Deno.test(`parseElf() throws FormatError when ${name}`, () => {
    const bytes = buildElf({ class: 64, endian: "little", interpreter: "/lib/ld.so.1" });
    change(bytes, new DataView(bytes.buffer));
    throws(() => parse(bytes), (error) => error instanceof FormatError && message.test(`${error}`));
  });
}

Deno.test("parseElf() takes as many program headers as the kernel does", () => {
  const bytes = new Uint8Array(64 + 1170 * 56);
  bytes.set(buildElf({ class: 64, endian: "little" }).subarray(0, 64));
  new DataView(bytes.buffer).setUint16(56, 1170, true);
  equal(parse(bytes).libc, "none");
});

Deno.test("parseElf() reads the file all the same when section headers make no sense", () => {
  const section = ".go.buildinfo";
  const changes: ((view: DataView) => void)[] = [
    (view) => view.setBigUint64(40, 0xffff_ffff_ffff_ffffn, true),
    (view) => view.setUint16(58, 1, true),
    (view) => view.setUint16(60, 0xffff, true),
    (view) => view.setUint16(62, 0xffff, true),
    (view) => view.setUint16(62, 3, true),
  ];
  for (const change of changes) {
    const bytes = buildElf({ class: 64, endian: "little", section });
    change(new DataView(bytes.buffer));
    const file = parseElf(bytesSource(bytes));
    equal(file.elf.machine, "x86_64");
    equal(findSection(file, section), undefined);
  }
});

Deno.test("isElf() is false when there are fewer than four bytes", () => {
  equal(isElf(new Uint8Array([0x7f, 0x45, 0x4c])), false);
  equal(isElf(new Uint8Array([0x7f, 0x45, 0x4c, 0x46])), true);
});

Deno.test("parseElf() takes the first loader when two are named", () => {
  const bytes = buildElf({ class: 64, endian: "little", interpreter: "/lib/ld.so.1" });
  bytes.set(new TextEncoder().encode("/second\0"), 0x300);
  const view = new DataView(bytes.buffer);
  view.setUint32(64 + 56, 3, true);
  view.setBigUint64(64 + 56 + 8, 0x300n, true);
  view.setBigUint64(64 + 56 + 32, 8n, true);
  equal(parse(bytes).interpreter, "/lib/ld.so.1");
});

Deno.test("findSection() passes over sections without bytes in the file", () => {
  const bytes = buildElf({ class: 64, endian: "little", data: Uint8Array.of(1), section: ".some" });
  const view = new DataView(bytes.buffer);
  const find = () => findSection(parseElf(bytesSource(bytes)), ".some");
  equal(find()?.size, 1);
  // SHT_NOBITS, as `objcopy --only-keep-debug` leaves them.
  view.setUint32(Number(view.getBigUint64(40, true)) + 2 * 64 + 4, 8, true);
  equal(find(), undefined);
});

Deno.test("findSection() takes a table of more sections than any linker writes as none", () => {
  const small = buildElf({ class: 64, endian: "little", section: ".some" });
  const bytes = new Uint8Array(small.length + 8193 * 64);
  bytes.set(small);
  const view = new DataView(bytes.buffer);
  const find = (count: number) => {
    view.setUint16(60, count, true);
    return findSection(parseElf(bytesSource(bytes)), ".some");
  };
  equal(find(8192)?.size, 0);
  equal(find(8193), undefined);
});
