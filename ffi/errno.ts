/**
 * Error numbers that this code decides by, and the C library's names and words for all of them.
 *
 * Source: include/uapi/asm-generic/errno-base.h and errno.h; the same on x86_64 and aarch64.
 *
 * @module
 */

/** The error numbers that decisions in this code depend on. */
export const Errno = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  E2BIG: 7,
  ENOEXEC: 8,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EEXIST: 17,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  EMFILE: 24,
  ETXTBSY: 26,
  ERANGE: 34,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  ELOOP: 40,
  ENODATA: 61,
  ENOTSOCK: 88,
  ENOPROTOOPT: 92,
  EPROTONOSUPPORT: 93,
  EOPNOTSUPP: 95,
  EADDRNOTAVAIL: 99,
  ENETUNREACH: 101,
  ECONNRESET: 104,
  ENOBUFS: 105,
  ENOTCONN: 107,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  EHOSTUNREACH: 113,
  EINPROGRESS: 115,
  ESTALE: 116,
} as const;

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(Errno).map(([name, number]) => [number, name]),
);

let library:
  | Deno.DynamicLibrary<{
    strerror: { parameters: ["i32"]; result: "pointer" };
    strerrorname_np: { parameters: ["i32"]; result: "pointer"; optional: true };
  }>
  | undefined;

function names() {
  library ??= Deno.dlopen("libc.so.6", {
    strerror: { parameters: ["i32"], result: "pointer" },
    // Since glibc 2.32.
    strerrorname_np: { parameters: ["i32"], result: "pointer", optional: true },
  });
  return library.symbols;
}

function text(pointer: Deno.PointerValue): string | undefined {
  return pointer === null ? undefined : Deno.UnsafePointerView.getCString(pointer);
}

/** The name of an error number, such as `EPERM` for 1; `E<number>` where the C library knows none. */
export function errnoName(errno: number): string {
  return NAMES.get(errno) ?? text(names().strerrorname_np?.(errno) ?? null) ?? `E${errno}`;
}

/** What strerror(3) says for an error number, such as `Permission denied` for 13. */
export function errnoWords(errno: number): string {
  return text(names().strerror(errno)) ?? `Unknown error ${errno}`;
}
