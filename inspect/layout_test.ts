/**
 * The offsets that the codecs use, against the kernel's header files, as far as those installed go.
 */
import { strict as assert } from "node:assert";
import { commandExists, skipUnless } from "../tests/skip.ts";

/** By structure and member: the offset that the codec reads it at. */
const OFFSETS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  mptcp_info: {
    mptcpi_subflows: 0,
    mptcpi_add_addr_signal: 1,
    mptcpi_add_addr_accepted: 2,
    mptcpi_subflows_max: 3,
    mptcpi_add_addr_signal_max: 4,
    mptcpi_add_addr_accepted_max: 5,
    mptcpi_flags: 8,
    mptcpi_token: 12,
    mptcpi_local_addr_used: 40,
    mptcpi_local_addr_max: 41,
    mptcpi_csum_enabled: 42,
    mptcpi_retransmits: 44,
    mptcpi_bytes_retrans: 48,
    mptcpi_bytes_sent: 56,
    mptcpi_bytes_received: 64,
    mptcpi_bytes_acked: 72,
    mptcpi_subflows_total: 80,
    mptcpi_last_data_sent: 84,
    mptcpi_last_data_recv: 88,
    mptcpi_last_ack_recv: 92,
  },
  mptcp_subflow_data: { size_subflow_data: 0, num_subflows: 4, size_kernel: 8, size_user: 12 },
  mptcp_subflow_addrs: { sa_family: 0, ss_local: 0, ss_remote: 128 },
  mptcp_subflow_info: { id: 0, addrs: 8 },
  mptcp_full_info: {
    size_tcpinfo_kernel: 0,
    size_tcpinfo_user: 4,
    size_sfinfo_kernel: 8,
    size_sfinfo_user: 12,
    num_subflows: 16,
    size_arrays_user: 20,
    subflow_info: 24,
    tcp_info: 32,
    mptcp_info: 40,
  },
  tcp_info: {
    tcpi_state: 0,
    tcpi_rtt: 68,
    tcpi_total_retrans: 100,
    tcpi_bytes_received: 128,
    tcpi_bytes_sent: 200,
  },
  sockaddr_in: { sin_port: 2, sin_addr: 4 },
  sockaddr_in6: { sin6_port: 2, sin6_addr: 8, sin6_scope_id: 24 },
};

const SIZES: Readonly<Record<string, number>> = {
  mptcp_subflow_data: 16,
  mptcp_subflow_addrs: 256,
  mptcp_subflow_info: 264,
};

const HEADERS = "#include <stddef.h>\n#include <linux/mptcp.h>\n#include <linux/tcp.h>\n";

function compile(source: string, ...options: string[]): string {
  const file = Deno.makeTempFileSync({ prefix: "mptcpize-layout-", suffix: ".c" });
  try {
    Deno.writeTextFileSync(file, HEADERS + source);
    const { success, stdout, stderr } = new Deno.Command("gcc", { args: [...options, file] })
      .outputSync();
    assert.ok(success, new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout);
  } finally {
    Deno.removeSync(file);
  }
}

/** What stands between the braces of a structure. */
function bodyOf(text: string, struct: string): string | undefined {
  const head = new RegExp(`struct ${struct}\\s*\\{`).exec(text);
  if (head === null) return undefined;
  const start = head.index + head[0].length;
  let end = start;
  for (let depth = 1; depth > 0; end++) depth += { "{": 1, "}": -1 }[text[end] ?? "}"] ?? 0;
  return text.slice(start, end);
}

function hasHeader(): boolean {
  try {
    return Deno.statSync("/usr/include/linux/mptcp.h").isFile;
  } catch {
    return false;
  }
}

Deno.test({
  name: "codecs read each member where the kernel's headers have it",
  ...skipUnless("gcc", commandExists("gcc") && hasHeader()),
  fn() {
    const text = compile("", "-E", "-P");
    const asserts: string[] = [];
    for (const [struct, members] of Object.entries(OFFSETS)) {
      const body = bodyOf(text, struct);
      // Headers older than the structure, or than a member, say nothing about it.
      if (body === undefined) continue;
      for (const [member, offset] of Object.entries(members)) {
        if (!new RegExp(`\\b${member};`).test(body)) continue;
        asserts.push(
          `_Static_assert(offsetof(struct ${struct}, ${member}) == ${offset}, "${member}");`,
        );
      }
      if (SIZES[struct]) {
        asserts.push(`_Static_assert(sizeof(struct ${struct}) == ${SIZES[struct]}, "${struct}");`);
      }
    }
    // All that Linux 5.16 has: mptcp_info to csum_enabled, the arrays, tcp_info, addresses.
    assert.ok(asserts.length >= 30, `${asserts.length}`);
    compile(asserts.join("\n"), "-fsyntax-only");
    // The check itself must be able to fail.
    assert.throws(() =>
      compile(
        '_Static_assert(offsetof(struct mptcp_info, mptcpi_token) == 13, "");',
        "-fsyntax-only",
      )
    );
  },
});
