/**
 * A network namespace of a test's own: nothing but `lo`, and counters that start at zero.
 *
 * It lives as long as one process in it, which ends when this one does, so that nothing stays behind
 * however the test ends.
 *
 * @module
 */

/** What the kernel counted in a network namespace since it was made. */
export interface Counters {
  /** TCP connections opened, subflows of MPTCP among them. */
  readonly activeOpens: number;
  /** TCP connections accepted, subflows of MPTCP among them. */
  readonly passiveOpens: number;
  /** Connections opened that asked for MPTCP. */
  readonly mptcpActiveOpens: number;
  /** Connections accepted that are MPTCP. */
  readonly mptcpPassiveOpens: number;
  /** The counters of fallbacks that are not zero, by the kernel's name. */
  readonly fallbacks: Readonly<Record<string, number>>;
}

/** The counters of `/proc/net/snmp` and `/proc/net/netstat`, as `TcpActiveOpens`. */
export function parseCounters(text: string): ReadonlyMap<string, number> {
  const counters = new Map<string, number>();
  const lines = text.split("\n").filter((line) => line !== "");
  for (let index = 0; index + 1 < lines.length; index += 2) {
    const [prefix, ...names] = lines[index]!.split(" ");
    const [, ...values] = lines[index + 1]!.split(" ");
    names.forEach((name, column) =>
      counters.set(prefix!.replace(":", "") + name, Number(values[column]))
    );
  }
  return counters;
}

/** The counters that tell MPTCP from TCP. Source: net/mptcp/mib.c @ v6.18. */
export function decodeCounters(counters: ReadonlyMap<string, number>): Counters {
  const read = (name: string) => counters.get(name) ?? 0;
  return {
    activeOpens: read("TcpActiveOpens"),
    passiveOpens: read("TcpPassiveOpens"),
    mptcpActiveOpens: read("MPTcpExtMPCapableSYNTX"),
    mptcpPassiveOpens: read("MPTcpExtMPCapableACKRX"),
    fallbacks: Object.fromEntries(
      [...counters].filter(([name, value]) =>
        value > 0 && /^MPTcpExt.*(Fallback|Blackhole|InfiniteMap)/.test(name)
      ),
    ),
  };
}

/** The ports with a listening socket, by `/proc/net/tcp` or `tcp6`. */
export function parseListeningPorts(text: string): readonly number[] {
  const LISTEN = "0A";
  return text.split("\n").slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((columns) => columns[3] === LISTEN)
    .map((columns) => parseInt(columns[1]!.split(":")[1]!, 16));
}

/** Whether the kernel lets us make network namespaces and change their settings, by trying. */
export function canMakeNamespaces(): boolean {
  if (Deno.uid() !== 0) return false;
  const setUp = "ip link set lo up && test -w /proc/sys/net/core/somaxconn";
  const args = ["--net", "sh", "-c", setUp];
  return new Deno.Command("unshare", { args, stderr: "null" }).outputSync().success;
}

/** A network namespace with `lo` up. Needs: root. */
export class NetworkNamespace implements AsyncDisposable {
  readonly #holder: Deno.ChildProcess;

  private constructor(holder: Deno.ChildProcess) {
    this.#holder = holder;
  }

  /** Makes one; `mptcp` false sets net.mptcp.enabled=0 in it. */
  static async open(mptcp: boolean): Promise<NetworkNamespace> {
    const setUp = [
      "ip link set lo up",
      `echo ${mptcp ? 1 : 0} >/proc/sys/net/mptcp/enabled`,
      // Ends at the end of its input: with this process, at the latest.
      "echo ready && exec cat",
    ];
    const holder = new Deno.Command("unshare", {
      args: ["--net", "sh", "-c", setUp.join(" && ")],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const reader = holder.stdout.getReader();
    const { done } = await reader.read();
    await reader.cancel();
    const namespace = new NetworkNamespace(holder);
    if (!done) return namespace;
    await namespace[Symbol.asyncDispose]();
    throw new Error("Cannot make a network namespace: unshare failed");
  }

  /** A process in it, by which others name it. */
  get pid(): number {
    return this.#holder.pid;
  }

  /** The words that run a command inside; the process that starts it becomes the command. */
  enter(command: readonly string[]): string[] {
    return ["nsenter", `--net=/proc/${this.#holder.pid}/ns/net`, "--", ...command];
  }

  /** The counters as they are now. */
  counters(): Counters {
    return decodeCounters(parseCounters(this.#read("snmp") + this.#read("netstat")));
  }

  /** Whether a TCP or MPTCP socket listens on the port, IPv4 or IPv6. */
  listens(port: number): boolean {
    return [this.#read("tcp"), this.#read("tcp6")].some((text) =>
      parseListeningPorts(text).includes(port)
    );
  }

  /** The processes in it, whoever started them. */
  processes(): readonly number[] {
    const own = networkOf(this.#holder.pid);
    return [...Deno.readDirSync("/proc")]
      .map((entry) => Number(entry.name))
      .filter((pid) => pid > 0 && pid !== this.#holder.pid && networkOf(pid) === own);
  }

  /** Kills every process in it, but for those that are being started; gives how many. */
  kill(): number {
    const processes = this.processes();
    for (const pid of processes) kill(pid, "SIGKILL");
    return processes.length;
  }

  /** Ends every process in it, and it. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (let round = 0; round < 100 && this.kill() > 0; round++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await this.#holder.stdin.close();
    await this.#holder.status;
  }

  /** `/proc/net` is that of the reading process, but `/proc/<pid>/net` that of the other. */
  #read(name: string): string {
    return Deno.readTextFileSync(`/proc/${this.#holder.pid}/net/${name}`);
  }
}

/** Sends a signal to a process that may have ended by now. */
export function kill(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** The identity of a process's network namespace; undefined for a zombie or one that has gone. */
function networkOf(pid: number): string | undefined {
  try {
    return Deno.readLinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
}
