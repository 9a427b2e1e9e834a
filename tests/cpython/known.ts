/**
 * The tests that fail on an MPTCP socket because of the kernel, whoever opened it.
 *
 * @module
 */

/** Failures that no preload library can mend, with the kernel's reason. */
export interface KnownFailure {
  /** The full names of the tests. */
  readonly tests: readonly string[];
  /** What the kernel does. */
  readonly reason: string;
}

const HOW = ["UseIPv4Select", "UseIPv4Poll", "UseIPv6Select", "UseIPv6Poll"];

/** Every known failure; one that no longer happens is reported, so that it is taken out. */
export const KNOWN_FAILURES: readonly KnownFailure[] = [
  {
    tests: HOW.map((how) => `test.test_asyncore.TestAPI_${how}.test_handle_expt`),
    reason: "MSG_OOB goes in band, without POLLPRI (mptcp_sendmsg(), net/mptcp/protocol.c @ v6.18)",
  },
  {
    tests: [
      "test.test_asyncore.TestAPI_UseIPv4Select.test_handle_close_after_conn_broken",
      "test.test_asyncore.TestAPI_UseIPv6Select.test_handle_close_after_conn_broken",
      "test.test_asynchat.TestAsynchat.test_close_when_done",
      "test.test_asynchat.TestAsynchat_WithPoll.test_close_when_done",
    ],
    reason: "a write to a peer that has closed fails only after 60 s (measured, Linux 6.18)",
  },
];
