/**
 * The headers of real programs, kept as the pieces of their files that headers point at.
 *
 * Made on Debian 12 from /bin/true, busybox-static, `musl-gcc`, `gcc -static-pie`, and a Go program of
 * an empty module on go1.19.8 (`go 1.19`) and go1.23.5 (`go 1.20`) for the named GOARCH; one with its
 * section headers taken away.
 *
 * @module
 */

import programs from "../testdata/programs.json" with { type: "json" };

/** The names of the captured programs. */
export type CapturedName = keyof typeof programs;

/** The captured programs by name. */
export const CAPTURED_NAMES = Object.keys(programs) as CapturedName[];

/** A captured program as a file: zeros where nothing was kept. */
export function capturedProgram(name: CapturedName): Uint8Array<ArrayBuffer> {
  const { size, pieces } = programs[name];
  const bytes = new Uint8Array(size);
  for (const [offset, base64] of pieces as [number, string][]) {
    bytes.set(Uint8Array.fromBase64(base64), offset);
  }
  return bytes;
}
