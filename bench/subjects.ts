/**
 * What is measured against what: groups of commands that do the same in different ways.
 *
 * @module
 */

const ROOT = new URL("../", import.meta.url);

/** One way to do what a group is about. */
export interface Subject {
  /** The way, as the table names it. */
  readonly name: string;
  /** The words for the measuring program. */
  readonly args: readonly string[];
  /** The library that is preloaded into it. */
  readonly preload?: string;
}

/** Subjects that are measured in turn. */
export interface Group {
  /** What is done. */
  readonly title: string;
  /** The name of the subject that the others are compared with. */
  readonly reference: string;
  /** The ways to do it. */
  readonly subjects: readonly Subject[];
}

/** The libraries and commands that take part, by path; undefined if this machine has none. */
export interface Parts {
  /** Our library. */
  readonly library: string;
  /** The C tool's library. */
  readonly peerLibrary: string | undefined;
  /** The C tool. */
  readonly peerCommand: string | undefined;
}

/** Finds what takes part on this machine. */
export function findParts(): Parts {
  const exists = (path: string) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  };
  const triplet = `${Deno.build.arch}-linux-gnu`;
  return {
    library: new URL(`preload/lib/${Deno.build.arch}/libmptcpize.so`, ROOT).pathname,
    peerLibrary: [`/usr/lib/${triplet}/mptcpize/libmptcpwrap.so.0`].find(exists),
    peerCommand: ["/usr/bin/mptcpize"].find(exists),
  };
}

/** All groups; `scale` shrinks how often each thing is done. */
export function listGroups({ library, peerLibrary, peerCommand }: Parts, scale: number): Group[] {
  const times = (count: number) => String(Math.max(1, Math.round(count * scale)));
  const spawn = (count: number, ...command: string[]) => ["spawn", times(count), ...command];
  const deno = [Deno.execPath(), "run", "-qA"];
  const cli = new URL("cli/mptcpize.ts", ROOT).pathname;
  const start: Subject[] = [
    { name: "bare", args: spawn(40, "/bin/true") },
    { name: "bare, libmptcpize preloaded", args: spawn(40, "/bin/true"), preload: library },
    { name: "our run", args: spawn(2, ...deno, cli, "run", "/bin/true") },
    { name: "Deno alone, empty script", args: spawn(2, ...deno, "data:text/javascript,") },
  ];
  if (peerCommand) {
    start.push({ name: "C mptcpize run", args: spawn(20, peerCommand, "run", "/bin/true") });
  }
  const ways = (test: string, threads: number, count: number): Subject[] => {
    const words = (protocol: string) => [test, protocol, String(threads), times(count)];
    return [
      { name: "TCP", args: words("tcp") },
      { name: "MPTCP, native", args: words("mptcp") },
      { name: "MPTCP, libmptcpize", args: words("tcp"), preload: library },
      ...(peerLibrary
        ? [{ name: "MPTCP, libmptcpwrap", args: words("tcp"), preload: peerLibrary }]
        : []),
    ];
  };
  const reference = "MPTCP, native";
  return [
    {
      title: "start of `run /bin/true`",
      reference: peerCommand ? "C mptcpize run" : "bare",
      subjects: start,
    },
    { title: "socket()+close(), 1 thread", reference, subjects: ways("socket", 1, 20_000) },
    { title: "socket()+close(), 8 threads", reference, subjects: ways("socket", 8, 4_000) },
    {
      title: "setsockopt()+getsockopt(), 1 thread",
      reference,
      subjects: ways("option", 1, 40_000),
    },
    { title: "connect+accept+close, 1 thread", reference, subjects: ways("connect", 1, 1_000) },
  ];
}
