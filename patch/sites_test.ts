import { deepStrictEqual, strictEqual } from "node:assert";
import { findSites } from "./sites.ts";
import { decodeInstruction } from "./x86_length.ts";

Deno.test("findSites() leaves alone what only looks like a call", () => {
  const nops = Array(80).fill(0x90);
  const sites = (...bytes: number[]) => {
    const code = Uint8Array.from([...nops, ...bytes, ...nops]);
    return findSites("x86_64", [{ address: 0x1000, bytes: code }])
      .map(({ at, end, kind }) => [at - 0x1050, end - 0x1050, kind]);
  };
  const [load, call, compare] = [
    [0xb8, 0x29, 0, 0, 0],
    [0x0f, 0x05],
    [0x48, 0x3d, 1, 0xf0, 0xff, 0xff],
  ];
  deepStrictEqual(sites(...load, ...call), [[0, 7, "number"]]);
  // sub $8,%rsp between them
  deepStrictEqual(sites(...load, 0x48, 0x83, 0xec, 8, ...call), [[0, 11, "number"]]);
  deepStrictEqual(sites(...call, ...compare), [[0, 8, "register"]]);
  // Another number; one that came by another register.
  deepStrictEqual(sites(0xb8, 0x2a, 0, 0, 0, ...call, ...compare), []);
  deepStrictEqual(sites(0xbe, 0x2a, 0, 0, 0, 0x89, 0xf0, ...call, ...compare), []);
  deepStrictEqual(sites(0xbe, 0x29, 0, 0, 0, 0x89, 0xf0, ...call, ...compare).length, 1);
  // movabs: the bytes are a constant's.
  deepStrictEqual(sites(0x48, ...load, ...call, 0, 0), []);
  // ret, a jump or a call behind it cannot be moved; nor what uses rcx, r11 or memory.
  for (
    const behind of [
      [0xc3],
      [0x76, 9],
      [0xe8, 0, 0, 0, 0],
      [0x48, 0x89, 0xc8],
      [0x4c, 0x89, 0xd8],
      [
        0x48,
        0x89,
        0x07,
      ],
    ]
  ) deepStrictEqual(sites(...call, ...behind), [], String(behind));
  // Somebody jumps to what is behind the call: near, and far.
  deepStrictEqual(sites(0xeb, 2, ...call, ...compare), []);
  deepStrictEqual(sites(0xe9, 2, 0, 0, 0, ...call, ...compare), []);
  deepStrictEqual(sites(...call, ...compare, 0x76, 0xf8), []);
  // To the call itself anybody may.
  deepStrictEqual(sites(0xeb, 0, ...call, ...compare).length, 1);
});

Deno.test("findSites() takes more sites than a program has for none", () => {
  const site = [...Array(70).fill(0x90), 0xb8, 0x29, 0, 0, 0, 0x0f, 0x05];
  const code = (count: number) => Uint8Array.from(Array(count).fill(site).flat());
  const count = (of: number) => findSites("x86_64", [{ address: 0, bytes: code(of) }]).length;
  deepStrictEqual([count(64), count(65)], [64, 0]);
  deepStrictEqual(findSites("riscv", [{ address: 0, bytes: code(1) }]), []);
});

Deno.test("findSites() reads the number of an aarch64 call", () => {
  const svc = 0xd4000001;
  const sites = (...words: number[]) => {
    const bytes = new Uint8Array(Uint32Array.from(words).buffer);
    return findSites("aarch64", [{ address: 0, bytes }]).map(({ at }) => at / 4);
  };
  deepStrictEqual(sites(svc), [0]);
  deepStrictEqual(sites(0xd28018c8, svc), [1], "mov x8, #198");
  deepStrictEqual(sites(0x528018c8, svc), [1], "mov w8, #198");
  deepStrictEqual(sites(0xd28018e8, svc), [], "mov x8, #199");
  deepStrictEqual(sites(0xd28018e8, 0xaa0103e8, svc), [2], "mov x8, x1");
  deepStrictEqual(sites(0xd28018e8, 0xd65f03c0, svc), [2], "ret");
});

Deno.test("decodeInstruction() knows the length of every form of instruction", () => {
  // One of each form and its length, as an assembler gives them.
  const forms = [
    [0x66, 0x0f, 0x1f, 0x44, 0, 0], // nopw 0(%rax,%rax)
    [0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8], // movabs
    [0x66, 0xb8, 1, 2], // mov $imm16,%ax
    [0x48, 0xa1, 1, 2, 3, 4, 5, 6, 7, 8], // movabs moffs
    [0x48, 0x8b, 0x04, 0x25, 1, 2, 3, 4], // mov disp32,%rax
    [0x48, 0x8b, 0x05, 1, 2, 3, 4], // mov disp32(%rip),%rax
    [0x48, 0x8b, 0x44, 0x24, 8], // mov 8(%rsp),%rax
    [0x48, 0x8b, 0x84, 0x24, 1, 2, 3, 4], // mov disp32(%rsp),%rax
    [0xf6, 0xc3, 0x10], // test $imm8,%bl
    [0xf7, 0xc3, 1, 2, 3, 4], // test $imm32,%ebx
    [0xf7, 0xdb], // neg %ebx
    [0x66, 0x81, 0xc3, 1, 2], // add $imm16,%bx
    [0x6a, 1], // push $imm8
    [0xc8, 1, 0, 0], // enter
    [0x0f, 0xa4, 0xc3, 5], // shld $5
    [0x0f, 0xba, 0xe3, 5], // bt $5
    [0x66, 0x0f, 0x3a, 0x0f, 0xc1, 8], // palignr
    [0x66, 0x0f, 0x38, 0x00, 0xc1], // pshufb
    [0xc5, 0xf8, 0x77], // vzeroupper
    [0xc5, 0xf9, 0x70, 0xc1, 5], // vpshufd
    [0xc4, 0xe3, 0x7d, 0x39, 0xc1, 1], // vextracti128
    [0xc4, 0xe2, 0x71, 0x00, 0xc2], // vpshufb
    [0x62, 0xf1, 0x7c, 0x48, 0x28, 0xc1], // vmovaps %zmm
    [0xf0, 0x0f, 0xb1, 0x0f], // lock cmpxchg
    [0x0f, 0x84, 0, 1, 0, 0], // je
  ];
  for (const form of forms) {
    const name = form.map((byte) => byte.toString(16)).join(" ");
    const code = Uint8Array.from([...form, ...Array(15).fill(0x90)]);
    strictEqual(decodeInstruction(code, 0)?.length, form.length, name);
    // Not all of it is none of it.
    strictEqual(decodeInstruction(code.subarray(0, form.length - 1), 0), undefined, name);
  }
  for (
    const invalid of [[0x06], [0x62], [0x9a, 1, 2, 3, 4, 5, 6], [0x0f, 0x04], [0xc4, 0xe0, 1, 1]]
  ) {
    const code = Uint8Array.from([...invalid, ...Array(15).fill(0)]);
    if (invalid[0] === 0x62) code[1] = 0;
    strictEqual(decodeInstruction(code, 0), undefined, String(invalid));
  }
  strictEqual(decodeInstruction(new Uint8Array(20).fill(0x66), 0), undefined);
});
