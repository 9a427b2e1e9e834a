/**
 * A Python process in a cgroup of the test's choice that does as it is told.
 *
 * @module
 */

const SCRIPT = `
import os, signal, socket, sys, threading
kept = []
def protocol(family, type, number):
    kept.append(socket.socket(family, type, number))
    return kept[-1].getsockopt(socket.SOL_SOCKET, 38)
def option(level, name, value):
    kept[-1].setsockopt(level, name, value)
    return "taken"
def write(path, text):
    with open(path, "w") as file:
        file.write(text)
def in_thread(name, function):
    results = []
    def run():
        write("/proc/thread-self/comm", name)
        results.append(function())
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return results[0]
for line in sys.stdin:
    try:
        print(eval(line), flush=True)
    except OSError as error:
        print(f"errno {error.errno}", flush=True)
`;

/** The process; ended by `await using`. */
export class Child implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: ReadableStreamDefaultReader<string>;
  #rest = "";

  private constructor(process: Deno.ChildProcess) {
    this.#process = process;
    this.#writer = process.stdin.getWriter();
    this.#lines = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /**
   * Starts one.
   *
   * @param cgroup the folder of its cgroup; the test's own without
   * @param prefix words before `python3`, such as `unshare -n`
   */
  static start(cgroup?: string, ...prefix: string[]): Child {
    const enter = cgroup === undefined ? "" : 'echo $$ > "$CGROUP/cgroup.procs" && ';
    return new Child(
      new Deno.Command("sh", {
        args: ["-c", `${enter} exec "$@"`, "sh", ...prefix, "python3", "-c", SCRIPT],
        env: { CGROUP: cgroup ?? "" },
        stdin: "piped",
        stdout: "piped",
        stderr: "inherit",
      }).spawn(),
    );
  }

  /** The number of the process. */
  get pid(): number {
    return this.#process.pid;
  }

  /** What an expression gives, as `print` prints it. */
  async ask(expression: string): Promise<string> {
    await this.#writer.write(new TextEncoder().encode(`${expression}\n`));
    for (;;) {
      const end = this.#rest.indexOf("\n");
      if (end !== -1) {
        const line = this.#rest.slice(0, end);
        this.#rest = this.#rest.slice(end + 1);
        return line;
      }
      const { value, done } = await this.#lines.read();
      if (done) throw new Error(`the child ended before it answered ${expression}`);
      this.#rest += value;
    }
  }

  /** What SO_PROTOCOL says of a TCP socket that it asks for. */
  protocol(): Promise<string> {
    return this.ask("protocol(2, 1, 0)");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close();
    while (!(await this.#lines.read()).done);
    await this.#process.status;
  }
}
