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

struct settings settings SEC(".data");

/* The ids of cgroups, each mixed with the token of the targets that it was looked up in. */
u64 passed[PASSED];

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

/* Whether there may be a target of this name: by four bytes of it, which are read without a call.
 */
static __attribute__((always_inline)) int may_be_name(const struct task_struct *leader) {
    u64 bit = ((u64)leader->comm[0] ^ (u64)leader->comm[1] << 1 ^ (u64)leader->comm[2] << 2 ^
               (u64)leader->comm[3] << 3) &
              63;
    return settings.names >> bit & 1;
}

/* By the leader's name: threads get names of their own, and a pool of threads makes the sockets. */
static __attribute__((always_inline)) struct target *find_name(const struct task_struct *task) {
    const struct task_struct *leader = task->group_leader;
    struct name name = {};
    if (!may_be_name(leader))
        return 0;
    /* __set_task_comm() fills it up with zeros, fs/exec.c @ v6.12. */
    if (bpf_probe_read_kernel(&name, sizeof(name), leader->comm))
        return 0;
    return bpf_map_lookup_elem(&mptcpize_name, &name);
}

/* The target that is the task's cgroup, or the nearest above it. */
static __attribute__((noinline)) struct target *find_cgroup(void) {
    struct target *found = 0;
    u64 levels = settings.levels;
    /* Only the levels at which there are targets. */
    for (int level = 0; level < LEVELS && levels; level++, levels >>= 1) {
        if (!(levels & 1))
            continue;
        u64 id = bpf_get_current_ancestor_cgroup_id(level);
        if (id == 0)
            break; /* deeper than the task's own */
        struct target *target = bpf_map_lookup_elem(&mptcpize_target, &id);
        if (target)
            found = target;
    }
    return found;
}

/*
 * The target that the current task belongs to: by its cgroup, else by its name.
 *
 * What is above a cgroup never changes, and no id is given twice. So it is remembered of a cgroup
 * that there is no target, until the targets change: a task that is not enrolled pays for one look
 * at its cgroup's id, however deep it is and however many targets there are.
 */
static __attribute__((always_inline)) struct target *find_target(void) {
    u64 token = settings.token;
    if (!token)
        return 0;
    struct task_struct *task = bpf_get_current_task_btf();
    u64 id = task->cgroups->dfl_cgrp->kn->id;
    if (passed[id % PASSED] != (id ^ token)) {
        struct target *target = find_cgroup();
        if (target)
            return target;
        /* Not to be remembered under a newer token than it was looked up under: behind this barrier
           the token is read before the targets, as it is written after them (bpf/records.ts). */
        token = __sync_fetch_and_add(&settings.token, 0);
        target = find_cgroup();
        if (target)
            return target;
        passed[id % PASSED] = id ^ token;
    }
    return settings.names ? find_name(task) : 0;
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
