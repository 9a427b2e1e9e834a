/*
 * Which arguments of an advisory option TCP would take: the rules of preload/options.json, as far
 * as they decide between success and EINVAL. What TCP makes of a value does not matter here, since
 * it cannot be read back.
 */
#ifndef MPTCPIFY_ADVISORY_H
#define MPTCPIFY_ADVISORY_H

#include "kernel.h"

enum judgement { KERNELS, TAKEN, INVALID };
enum option_length {
    LENGTH_INT,
    LENGTH_INT_OR_NOTHING,
    LENGTH_BYTE,
    LENGTH_BYTE_OR_NOTHING,
    LENGTH_RATE
};
enum option_store { STORE_SAME, STORE_BOOLEAN, STORE_ZERO, STORE_WINDOW };

#include "options.h"

/* One option, with its rule; folded into constants where it is used. */
static inline __attribute__((always_inline)) enum judgement
judge_value(const struct bpf_sockopt *ctx, const struct bpf_sock *sk, int level,
            enum option_length length, enum option_store store, int has_stand_in, int stand_in,
            int min, int max) {
    const void *start = ctx->optval, *end = ctx->optval_end;
    int value = 0;
    if (level == SOL_IPV6 && sk->family != AF_INET6)
        return KERNELS; /* TCP refuses it as MPTCP does */
    if (start + sizeof(int) > end)
        return KERNELS; /* the kernel's copy has room for 16 bytes, however few were given */
    if (ctx->optlen >= (int)sizeof(int)) {
        value = *(const int *)start;
    } else if (length == LENGTH_INT || length == LENGTH_RATE) {
        return INVALID;
    } else if (length == LENGTH_BYTE || length == LENGTH_BYTE_OR_NOTHING) {
        if (ctx->optlen > 0)
            value = *(const u8 *)start;
        else if (length == LENGTH_BYTE)
            return INVALID;
    }
    if (length == LENGTH_RATE || (has_stand_in && value == stand_in))
        return TAKEN;
    if (value < min || value > max)
        return INVALID;
    /* tcp_set_window_clamp() @ v6.12: no bound at all only before there is a connection. */
    if (store == STORE_WINDOW && value == 0 && sk->state != TCP_CLOSE)
        return INVALID;
    return TAKEN;
}

/* Whether TCP would take the option with this argument, if MPTCP refuses it here. */
static inline __attribute__((always_inline)) enum judgement
judge(const struct bpf_sockopt *ctx, const struct bpf_sock *sk, u64 refused) {
#define JUDGE(index, level, name, ...)                                                             \
    case (level) << 16 | (name):                                                                   \
        return refused >> (index)&1 ? judge_value(ctx, sk, level, __VA_ARGS__) : KERNELS;
    if (ctx->level < 0 || ctx->level > 0xff || ctx->optname < 0 || ctx->optname > 0xffff)
        return KERNELS;
    switch (ctx->level << 16 | ctx->optname) {
        ADVISORY_OPTIONS(JUDGE)
    default:
        return KERNELS;
    }
#undef JUDGE
}

#endif
