// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Other programs on update_socket_protocol(), for tests and for comparison.
 */
#include "../../bpf/kernel.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* A process that is forced; 0 for none. */
u64 forced_pid;

static u64 (*const bpf_get_current_pid_tgid)(void) = (void *)14;

static __attribute__((always_inline)) int is_tcp(const u64 *arguments, int mask) {
    int family = (int)arguments[0], type = (int)arguments[1], protocol = (int)arguments[2];
    return (family == AF_INET || family == AF_INET6) && (type & mask) == SOCK_STREAM &&
           (protocol == 0 || protocol == IPPROTO_TCP);
}

/*
 * Decides as the kernel's own example does, which BCC's mptcpify follows: tools/testing/selftests/
 * bpf/progs/mptcpify.c @ v6.12, by SUSE, GPL-2.0. For what is not its process it says `protocol`.
 */
SEC("fmod_ret/update_socket_protocol")
int selftest(u64 *arguments) {
    if (bpf_get_current_pid_tgid() >> 32 != forced_pid)
        return (int)arguments[2];
    if (is_tcp(arguments, -1))
        return IPPROTO_MPTCP;
    return (int)arguments[2];
}

/* The same for one that leaves older programs their turn. */
SEC("fmod_ret/update_socket_protocol")
int polite(u64 *arguments) {
    if (bpf_get_current_pid_tgid() >> 32 != forced_pid || !is_tcp(arguments, SOCK_TYPE_MASK))
        return 0;
    return IPPROTO_MPTCP;
}
