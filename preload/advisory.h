/*
 * Advisory options: what MPTCP refuses and no program depends on succeeds, and reads back, for
 * those arguments that TCP would take.
 */
#ifndef MPTCPIZE_ADVISORY_H
#define MPTCPIZE_ADVISORY_H

#include "kernel.h"
#include "memory.h"
#include "options.h"
#include "report.h"

static const struct option *find_option(int level, int name) {
    for (int i = 0; i < OPTION_COUNT; i++)
        if (options[i].number == name && options[i].level == level)
            return &options[i];
    return 0;
}

static int is_refusal(long result) {
    return result == -ENOPROTOOPT || result == -EOPNOTSUPP;
}

/* Reads the argument as the kernel does at this length; 0 or a negative errno. */
static long read_argument(const struct option *option, const void *value, socklen_t length,
                          long *read) {
    u8 byte = 0;
    int word = 0;
    u64 wide = 0;
    *read = 0;
    if (length < sizeof(word)) {
        switch (option->length) {
        case LENGTH_INT_OR_NOTHING:
            return 0;
        case LENGTH_BYTE_OR_NOTHING:
            if (length == 0)
                return 0;
            break;
        case LENGTH_BYTE:
            if (length == 0)
                return -EINVAL;
            break;
        default:
            return -EINVAL;
        }
        if (!is_readable(value, sizeof(byte)))
            return -EFAULT;
        *read = *(const u8 *)value;
        return 0;
    }
    if (value == 0 && option->level == SOL_IPV6)
        return 0; /* do_ipv6_setsockopt() takes a null pointer for 0 */
    if (!is_readable(value, sizeof(word)))
        return -EFAULT;
    copy_bytes(&word, value, sizeof(word));
    *read = word;
    if (option->length == LENGTH_RATE) {
        *read = word == -1 ? -1 : (long)(u32)word;
        if (length >= sizeof(wide)) {
            if (!is_readable(value, sizeof(wide)))
                return -EFAULT;
            copy_bytes(&wide, value, sizeof(wide));
            *read = (long)wide;
        }
    }
    return 0;
}

/* tcp_set_window_clamp() @ v6.12: no bound only before a connection; else at least half of
   SOCK_MIN_RCVBUF, which is 2048 bytes and an sk_buff of 256. */
static long keep_window(int fd, long *value) {
    u8 state = 0;
    socklen_t length = sizeof(state);
    if (*value == 0) {
        sys_getsockopt(fd, SOL_TCP, TCP_INFO, &state, &length);
        return state == TCP_STATE_CLOSE ? 0 : -EINVAL;
    }
    if (*value < 1152)
        *value = 1152;
    return 0;
}

/* What TCP would keep of the value; 0, or -EINVAL where TCP takes no such value. */
static long keep_value(int fd, const struct option *option, long *value) {
    if (option->length == LENGTH_RATE)
        return 0;
    if (option->has_stand_in && *value == option->stand_in) {
        *value = option->initial;
        return 0;
    }
    if (*value < option->min || *value > option->max)
        return -EINVAL;
    if (option->store == STORE_WINDOW)
        return keep_window(fd, value);
    if (option->store == STORE_BOOLEAN)
        *value = *value != 0;
    if (option->store == STORE_ZERO)
        *value = 0;
    if (*value < option->floor)
        *value = option->floor;
    if (*value > option->ceiling)
        *value = option->ceiling;
    *value &= option->mask;
    return 0;
}

static long set_advisory(int fd, const struct option *option, const void *value, socklen_t length,
                         long refusal) {
    long kept, unused = 0;
    socklen_t unused_length = sizeof(unused);
    if (option->level == SOL_IPV6 && socket_int(fd, SO_DOMAIN) != AF_INET6)
        return -ENOPROTOOPT; /* as ip_setsockopt() says of every other level */
    /* A kernel that does not know the option does not know it on TCP either. */
    if (option->level == SOL_SOCKET && option->readable &&
        sys_getsockopt(fd, SOL_SOCKET, option->number, &unused, &unused_length) == -ENOPROTOOPT)
        return refusal;
    long result = read_argument(option, value, length, &kept);
    if (result == 0)
        result = keep_value(fd, option, &kept);
    if (result < 0)
        return result;
    remember(key_of(fd, option->level, option->number), (u64)kept);
    report_option(fd, option->name, " has no effect on MPTCP, kept as ", kept);
    return 0;
}

/* How many bytes of an int of this value the kernel gives where the program has room for `room`. */
static socklen_t int_length(const struct option *option, int value, u32 room) {
    if (room >= sizeof(int))
        return sizeof(int);
    /* do_ip_getsockopt() @ v6.12 gives small values as one byte. */
    if (option->level == SOL_IP && room > 0 && value >= 0 && value <= 255)
        return 1;
    return room;
}

static long get_advisory(int fd, const struct option *option, void *value, socklen_t *length,
                         long refusal) {
    u64 kept = (u64)(long)option->initial;
    int unused, room;
    if (!option->readable || (option->level == SOL_IPV6 && socket_int(fd, SO_DOMAIN) != AF_INET6))
        return refusal;
    if (!is_readable(length, sizeof(*length)))
        return -EFAULT;
    copy_bytes(&room, length, sizeof(room));
    if (room < 0 && option->level != SOL_IPV6)
        return -EINVAL; /* do_ipv6_getsockopt() takes it for a great length */
    recall(key_of(fd, option->level, option->number), &kept);
    int word = (int)kept;
    socklen_t given = int_length(option, word, (u32)room);
    if (sys_getsockopt(fd, SOL_SOCKET, SO_TYPE, &unused, length) == -EFAULT ||
        !is_writable(fd, value, given))
        return -EFAULT;
    copy_bytes(length, &given, sizeof(given));
    copy_bytes(value, &word, given);
    return 0;
}

/*
 * The kernel has answered for an option that was softened before. On SOL_SOCKET, and where it was
 * set too late, it answers from a field that nothing sets; elsewhere it is that the connection has
 * fallen back to TCP, which takes the option: then it is really set, late as it is.
 */
static long get_answered(int fd, const struct option *option, void *value, socklen_t *length) {
    u64 key = key_of(fd, option->level, option->number), kept;
    if (!recall(key, &kept))
        return 0;
    int word = (int)kept;
    if (option->level == SOL_SOCKET || option->late) {
        if (option->length == LENGTH_RATE && *length < sizeof(kept) && kept > 0xffffffff)
            kept = 0xffffffff;
        copy_bytes(value, &kept, *length);
        return 0;
    }
    forget(key, REMEMBERED);
    sys_setsockopt(fd, option->level, option->number, &word, sizeof(word));
    return sys_getsockopt(fd, option->level, option->number, value, length);
}

#endif
