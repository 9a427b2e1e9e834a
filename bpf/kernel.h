/*
 * What the BPF programs need of the kernel: the few structs, with the fields alone that are read,
 * and the helpers. Where a field lies in the running kernel is filled in at load time from its type
 * information (CO-RE), so that no vmlinux.h is needed.
 */
#ifndef MPTCPIFY_KERNEL_H
#define MPTCPIFY_KERNEL_H

typedef unsigned char u8;
typedef unsigned int u32;
typedef int s32;
typedef unsigned long long u64;

#define SEC(name) __attribute__((section(name), used))
/* A field of an anonymous struct that libbpf reads a map's definition from. */
#define UINT(name, value) int(*name)[value]
#define TYPE(name, type) type *name

/* include/linux/socket.h, net.h, include/uapi/linux/in.h, include/net/tcp_states.h @ v6.12 */
enum {
    AF_INET = 2,
    AF_INET6 = 10,
    SOCK_STREAM = 1,
    SOCK_TYPE_MASK = 0xf,
    IPPROTO_TCP = 6,
    IPPROTO_MPTCP = 262,
    SOL_IP = 0,
    SOL_SOCKET = 1,
    SOL_TCP = 6,
    SOL_IPV6 = 41,
    TCP_CLOSE = 7,
    EINVAL = 22,
};

/* include/uapi/linux/bpf.h @ v6.12 */
enum { BPF_MAP_TYPE_HASH = 1, BPF_F_NO_PREALLOC = 1 };

struct bpf_sock {
    u32 bound_dev_if;
    u32 family;
    u32 type;
    u32 protocol;
    u32 mark;
    u32 priority;
    u32 addresses[12];
    u32 state;
    s32 rx_queue_mapping;
};

struct bpf_sockopt {
    struct bpf_sock *sk;
    void *optval;
    void *optval_end;
    s32 level;
    s32 optname;
    s32 optlen;
    s32 retval;
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* include/net/netns/generic.h; net/mptcp/ctrl.c (private to it, but in the type information) */
struct net_generic {
    void *ptr[1];
};
struct mptcp_pernet {
    u8 mptcp_enabled;
};

/* include/net/net_namespace.h, include/linux/nsproxy.h */
struct net {
    struct net_generic *gen;
};
struct nsproxy {
    struct net *net_ns;
};

/* include/linux/kernfs.h, cgroup-defs.h, sched.h */
struct kernfs_node {
    u64 id;
};
struct cgroup {
    struct kernfs_node *kn;
};
struct css_set {
    struct cgroup *dfl_cgrp;
};
struct task_struct {
    struct task_struct *group_leader;
    u8 comm[16]; /* char there: here without a sign */
    struct nsproxy *nsproxy;
    struct css_set *cgroups;
};

#pragma clang attribute pop

/* BPF_FIELD_EXISTS of enum bpf_enum_value_kind's neighbour, tools/lib/bpf/bpf_core_read.h @ v6.12
 */
#define FIELD_EXISTS(type, field) __builtin_preserve_field_info(((type *)0)->field, 2)

/* The helpers by their numbers: enum bpf_func_id in include/uapi/linux/bpf.h @ v6.12 */
static void *(*const bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*const bpf_probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static u64 (*const bpf_get_current_ancestor_cgroup_id)(int level) = (void *)123;
static struct task_struct *(*const bpf_get_current_task_btf)(void) = (void *)158;
static int (*const bpf_set_retval)(int retval) = (void *)187;

#endif
