/**
 * The cases that both the launcher and the command line are given.
 *
 * @module
 */

/** Odd values of LD_PRELOAD, around our library. */
export function preloads(library: string): string[] {
  const peer = "/nonexistent/libmptcpwrap.so.0.0.1";
  return [
    ...["", " ", ":", " : ", "/nonexistent/a.so", "/nonexistent/a.so /nonexistent/b.so"],
    ...["/nonexistent/a.so:", ":/nonexistent/a.so::", library, `${library}:`, ` ${library}`],
    ...[`${library}:${library}`, `/nonexistent/a.so:${library}`, `${library}:/nonexistent/a.so`],
    ...["/nonexistent/libmptcpize.so", `/x/libmptcpize.so ${library}`, "libmptcpize.so"],
    ...["/nonexistent/libmptcpize.so.1", `${library}x`, `x${library}`, peer, `${peer}:${library}`],
    ...[`${library}:${peer}`, `/nonexistent/a.so:${peer}:/nonexistent/b.so`, "libmptcpwrap.so"],
    ...["xlibmptcpwrap.so", `/x/libmptcpwrap.so/libmptcpize.so`, "\xff\xfe.so", "\n", "a\tb"],
    ...[`${peer}:${peer}:${library}`, `/a/libmptcpwrap_so`, "$LIB/a.so", "a".repeat(5000)],
  ];
}

/** Odd values of GODEBUG. */
export const GODEBUGS: readonly string[] = [
  ...["", ",", "multipathtcp=1", "multipathtcp=0", "multipathtcp=1,", ",multipathtcp=1"],
  ...["multipathtcp=1,multipathtcp=1", "multipathtcp=1,gctrace=1,multipathtcp=0", "multipathtcp="],
  ...["multipathtcp", "xmultipathtcp=0", "http2client=0", "a,b,,c,", "multipathtcp=10", "\xff"],
  ...["multipathtcp=2,http2client=0", " multipathtcp=1", "b".repeat(5000)],
];

/** Each kind of file, and whether the launcher serves it; undefined where either will do. */
export const KINDS: Readonly<Record<string, boolean | undefined>> = {
  "show": true,
  "fixed": true,
  "symbols": true,
  "link": true,
  "sudoer": true,
  "spa ceé": true,
  "script": true,
  "script-argument": true,
  "script-script": true,
  "script-env": true,
  "script-relative": true,
  "script-setuid": true,
  "script-of-sudo": true,
  "deep-5": true,
  "static": false,
  "static-pie": false,
  "noexec": false,
  "sudo": false,
  "docker": false,
  "su": false,
  "foreign": false,
  "thirty-two": false,
  "big-endian": false,
  "relocatable": false,
  "no-sections": false,
  "bad-sections": false,
  "bad-names": false,
  "no-loader": undefined,
  "truncated": false,
  "headless": false,
  "empty": false,
  "text": false,
  "script-static": false,
  "script-missing": false,
  "script-noexec": undefined,
  "script-folder": false,
  "script-empty": false,
  "script-endless": false,
  "script-nul": false,
  "script-long": false,
  "script-carriage": false,
  "deep-6": undefined,
  "deep-7": undefined,
  "deep-self": undefined,
  "dangling": false,
  "loop": false,
  "folder": false,
  "fifo": false,
  "setgid-noexec": false,
  "nowhere": false,
  "show/below": false,
};
