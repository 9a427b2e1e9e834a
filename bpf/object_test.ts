import { strictEqual } from "node:assert";
import { readObjectFile, summarizeLog } from "./object.ts";

Deno.test("summarizeLog() finds the line before the counts", () => {
  // Linux 6.18
  const log = `37: (15) if r0 == 0x0 goto pc-15
The sequence of 8193 jumps is too complex.
processed 60080 insns (limit 1000000) max_states_per_insn 4 total_states 921 peak_states 921 mark_read 0
`;
  strictEqual(summarizeLog(log), "The sequence of 8193 jumps is too complex.");
  // Linux 6.12, with log_level 1 | 4
  const counted = `R1 invalid mem access 'scalar'
verification time 12 usec
stack depth 0
processed 2 insns (limit 1000000)
`;
  strictEqual(summarizeLog(counted), "R1 invalid mem access 'scalar'");
  strictEqual(summarizeLog(""), "");
});

Deno.test("readObjectFile() gives an object for BPF, the same each time", () => {
  const { bytes, digest } = readObjectFile();
  // ELF, 64 bits, little endian; EM_BPF.
  strictEqual(bytes.subarray(0, 6).toHex(), "7f454c460201");
  strictEqual(bytes[18], 247);
  strictEqual(readObjectFile().digest, digest);
});
