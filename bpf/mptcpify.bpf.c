// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Forces the programs of chosen cgroups, or of chosen names, to MPTCP, where they ask the kernel
 * for a TCP socket; and answers for the socket options that MPTCP lacks and that are only advice.
 *
 * Attached to update_socket_protocol(), which net/socket.c @ v6.6 and newer calls for each
 * socket(2) so that a program may change the protocol. A result other than 0 ends the chain of
 * programs there (invoke_bpf_mod_ret() in arch/x86/net/bpf_jit_comp.c @ v6.12), so that for a
 * socket that is none of ours it must be 0 and never `protocol`.
 */
#include "mptcpify.h"
#include "advisory.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct settings settings;

struct {
    UINT(type, BPF_MAP_TYPE_HASH);
    UINT(max_entries, MAX_TARGETS);
    UINT(map_flags, BPF_F_NO_PREALLOC);
    TYPE(key, u64); /* the id of a cgroup */
    TYPE(value, struct target);
} mptcpize_target SEC(".maps");

struct name {
    char comm[16];
};

struct {
    UINT(type, BPF_MAP_TYPE_HASH);
    UINT(max_entries, MAX_NAMES);
    UINT(map_flags, BPF_F_NO_PREALLOC);
    TYPE(key, struct name); /* of a thread group's leader */
    TYPE(value, struct target);
} mptcpize_name SEC(".maps");

/* By the leader's name: threads get names of their own, and a pool of threads makes the sockets. */
static __attribute__((noinline)) struct target *find_name(void) {
    struct name name = {};
    struct task_struct *task = bpf_get_current_task_btf();
    if (bpf_probe_read_kernel(&name, sizeof(name), task->group_leader->comm))
        return 0;
    /* What follows the NUL may be left of an older name. */
    int ended = 0;
    for (int i = 0; i < (int)sizeof(name.comm); i++) {
        ended |= name.comm[i] == 0;
        if (ended)
            name.comm[i] = 0;
    }
    return bpf_map_lookup_elem(&mptcpize_name, &name);
}

/*
 * The target that the current task belongs to: its own cgroup or the nearest above it that is one,
 * else its name. Only the levels at which there are targets are asked for, and an id that cannot be
 * a target's is known from a bit: a task that is not enrolled pays one helper call for each such
 * level, and no lookup.
 */
static __attribute__((always_inline)) struct target *find_target(void) {
    struct target *found = 0;
    u64 levels = settings.levels;
    for (int level = 0; level < LEVELS && levels; level++, levels >>= 1) {
        if (!(levels & 1))
            continue;
        u64 id = bpf_get_current_ancestor_cgroup_id(level);
        if (id == 0)
            break; /* deeper than the task's own */
        if (!(settings.ids[id >> 6 & 63] >> (id & 63) & 1))
            continue;
        struct target *target = bpf_map_lookup_elem(&mptcpize_target, &id);
        if (target)
            found = target;
    }
    if (!found && settings.names)
        found = find_name();
    return found;
}

/*
 * Whether net.mptcp.enabled of the task's network namespace is on. The program cannot fall back to
 * TCP: with MPTCP off, a task that was forced would get no socket at all.
 */
static __attribute__((always_inline)) int is_mptcp_enabled(void) {
    u32 id = 0;
    u8 enabled = 0;
    void *pernet = 0;
    const void *address = (const void *)settings.pernet_id;
    if (!address || !FIELD_EXISTS(struct mptcp_pernet, mptcp_enabled))
        return 1; /* not to be known here: attach has said so */
    struct task_struct *task = bpf_get_current_task_btf();
    struct net_generic *generic = task->nsproxy->net_ns->gen;
    if (bpf_probe_read_kernel(&id, sizeof(id), address) ||
        bpf_probe_read_kernel(&pernet, sizeof(pernet),
                              (void *)&generic->ptr + sizeof(void *) * id) ||
        bpf_probe_read_kernel(&enabled, sizeof(enabled),
                              &((struct mptcp_pernet *)pernet)->mptcp_enabled))
        return 0;
    return enabled;
}

/* The arguments of update_socket_protocol(int family, int type, int protocol). */
SEC("fmod_ret/update_socket_protocol")
int mptcpize_force(u64 *arguments) {
    int family = (int)arguments[0];
    int type = (int)arguments[1];
    int protocol = (int)arguments[2];
    if (family != AF_INET && family != AF_INET6)
        return 0;
    /* SOCK_CLOEXEC and SOCK_NONBLOCK are still in it. */
    if ((type & SOCK_TYPE_MASK) != SOCK_STREAM)
        return 0;
    if (protocol != 0 && protocol != IPPROTO_TCP)
        return 0;
    struct target *target = find_target();
    if (!target)
        return 0;
    __sync_fetch_and_add(&target->seen, 1);
    if (!is_mptcp_enabled())
        return 0;
    __sync_fetch_and_add(&target->forced, 1);
    return IPPROTO_MPTCP;
}

/*
 * Runs before the kernel sees a setsockopt(2) of a socket of the cgroup. Only where TCP would take
 * the option and MPTCP refuses it: what MPTCP takes here is the kernel's.
 */
SEC("cgroup/setsockopt")
int mptcpize_soften(struct bpf_sockopt *ctx) {
    struct bpf_sock *sk = ctx->sk;
    if (!sk || sk->protocol != IPPROTO_MPTCP || sk->mark == ASKING_MARK)
        return 1;
    enum judgement judgement = judge(ctx, sk, settings.refused);
    if (judgement == KERNELS)
        return 1;
    struct target *target = find_target();
    if (!target || target->strict)
        return 1;
    if (judgement == INVALID) {
        bpf_set_retval(-EINVAL); /* as TCP says */
        return 0;
    }
    __sync_fetch_and_add(&target->softened, 1);
    ctx->optlen = -1; /* done: the kernel is not to see it */
    return 1;
}
