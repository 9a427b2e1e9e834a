/**
 * Loaded before each test file: opens the C library and libbpf, which stay open for the life of a process,
 * so that no single test seems to leak them.
 *
 * @module
 */

import { errnoWords } from "../ffi/errno.ts";
import { openLibbpf } from "../ffi/libbpf.ts";
import { libc } from "../ffi/libc_symbols.ts";

libc();
errnoWords(1);
try {
  openLibbpf();
} catch {
  // There is none, so no test opens it either.
}
