// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The decision of mptcpize_force alone, over and over, so that its cost can be told on kernels that
 * run no program in update_socket_protocol(); and beside it that of the kernel's own example, which
 * asks for its process: tools/testing/selftests/bpf/progs/mptcpify.c @ v6.12, by SUSE, GPL-2.0.
 *
 * Programs of type raw_tp, which do not sleep, as the one that is measured: in one that may sleep,
 * as type syscall may, the verifier takes the task's cgroup for a pointer that may be stale
 * (in_rcu_cs() in kernel/bpf/verifier.c @ v6.12), and each load through it is checked.
 */
#include "../bpf/mptcpify.bpf.c"

enum { ROUNDS = 100000 };

static u64 (*const bpf_ktime_get_ns)(void) = (void *)5;
static u64 (*const bpf_get_current_pid_tgid)(void) = (void *)14;
static long (*const bpf_loop)(u32 count, void *callback, void *context, u64 flags) = (void *)181;

/* What a round costs by itself, and what it costs to ask. */
static long nothing(u64 index, u64 *count) {
    *count += index == ROUNDS;
    return 0;
}

static long our_decision(u64 index, u64 *count) {
    (void)index;
    *count += find_target() != 0;
    return 0;
}

int pid;

static long selftest_decision(u64 index, u64 *count) {
    (void)index;
    *count += bpf_get_current_pid_tgid() >> 32 == (u64)pid;
    return 0;
}

/* The result: nanoseconds of all rounds. */
#define TIME(callback)                                                                             \
    SEC("raw_tp") int time_##callback(void *context) {                                             \
        (void)context;                                                                             \
        u64 count = 0, start = bpf_ktime_get_ns();                                                 \
        bpf_loop(ROUNDS, callback, &count, 0);                                                     \
        return (int)(bpf_ktime_get_ns() - start);                                                  \
    }
TIME(nothing)
TIME(our_decision)
TIME(selftest_decision)
