/**
 * Loaded before each test file: opens the C library, which stays open for the life of a process, so
 * that no single test seems to leak it.
 *
 * @module
 */

import { errnoWords } from "../ffi/errno.ts";
import { libc } from "../ffi/libc_symbols.ts";

libc();
errnoWords(1);
