/*
 * The preload library: makes the TCP sockets of an unmodified program MPTCP sockets.
 *
 * It overrides socket(), setsockopt() and getsockopt(), and needs no other library: the same file
 * loads into glibc and musl programs. It takes no lock, allocates nothing and keeps errno on
 * success, so that it may be called wherever the originals may: in a signal handler, after vfork(),
 * in any thread, from another library's constructor.
 */
#include "advisory.h"
#include "buffers.h"
#include "kernel.h"
#include "memory.h"
#include "options.h"
#include "report.h"
#include "return_to_tcp.h"

#define EXPORTED __attribute__((visibility("default")))

/* glibc and musl both have it. */
extern int *__errno_location(void) __attribute__((weak));

static int finish(long result) {
    if (result >= 0)
        return (int)result;
    if (&__errno_location != 0)
        *__errno_location() = (int)-result;
    return -1;
}

EXPORTED int socket(int family, int type, int protocol) {
    long refusal = 0, fd;
    if ((family == AF_INET || family == AF_INET6) && (type & SOCK_TYPE_MASK) == SOCK_STREAM &&
        (protocol == 0 || protocol == IPPROTO_TCP)) {
        fd = sys_socket(family, type, IPPROTO_MPTCP);
        if (fd >= 0) {
            report_socket(fd, 0);
            NOTE_MADE(fd, 0);
            return (int)fd;
        }
        refusal = fd;
    }
    fd = sys_socket(family, type, protocol);
    if (refusal < 0) {
        report_socket(fd, fd < 0 ? fd : refusal);
        NOTE_MADE(fd, refusal);
    }
    return finish(fd);
}

static long soften_set(int fd, int level, int name, const void *value, socklen_t length,
                       long refusal) {
    const struct option *option = find_option(level, name);
    /* A negative length is no matter of the socket: __sys_setsockopt(). */
    if (option == 0 || (refusal == -EINVAL && (!option->late || (int)length < 0)) || !is_mptcp(fd))
        return refusal;
    if (option->kind == KIND_ADVISORY)
        return set_advisory(fd, option, value, length, refusal);
    if (option->kind == KIND_ESSENTIAL)
        return set_essential(fd, option, value, length, refusal);
    return refusal;
}

/* The kernel has taken this one: what was softened before no longer counts. */
static void forget_softened(int fd, int level, int name) {
    const struct option *option = find_option(level, name);
    if (level == SOL_SOCKET && name == SO_SNDBUFFORCE)
        forget(key_of(fd, level, SO_SNDBUF), REMEMBERED);
    else if (level == SOL_SOCKET && name == SO_RCVBUFFORCE)
        forget(key_of(fd, level, SO_RCVBUF), REMEMBERED);
    else if (option != 0 && option->kind == KIND_ADVISORY)
        forget(key_of(fd, level, name), REMEMBERED);
}

EXPORTED int setsockopt(int fd, int level, int name, const void *value, socklen_t length) {
    if (is_switched_on(SWITCH_STRICT))
        return finish(sys_setsockopt(fd, level, name, value, length));
    if (is_buffer(level, name))
        return finish(set_buffer(fd, name, value, length));
    long result = sys_setsockopt(fd, level, name, value, length);
    if (is_refusal(result) || result == -EINVAL)
        result = soften_set(fd, level, name, value, length, result);
    else if (result == 0 && has_remembered)
        forget_softened(fd, level, name);
    return finish(result);
}

static long soften_get(int fd, int level, int name, void *value, socklen_t *length, long refusal) {
    const struct option *option = find_option(level, name);
    if (option == 0 || !is_mptcp(fd))
        return refusal;
    if (option->kind == KIND_ADVISORY)
        return get_advisory(fd, option, value, length, refusal);
    if (level == SOL_IP && name == IP_OPTIONS) {
        /* MPTCP sockets never have any: no byte, as do_ip_getsockopt() says then. */
        socklen_t none = 0;
        int unused;
        long result = sys_getsockopt(fd, SOL_SOCKET, SO_TYPE, &unused, length);
        if (result == 0)
            copy_bytes(length, &none, sizeof(none));
        return result;
    }
    return refusal;
}

EXPORTED int getsockopt(int fd, int level, int name, void *value, socklen_t *length) {
    long result = sys_getsockopt(fd, level, name, value, length);
    /* What asks how a connect() ended is asked about a connection that is just made. */
    if (level == SOL_SOCKET && name == SO_ERROR)
        NOTE_SOCKET(fd);
    if (is_switched_on(SWITCH_STRICT))
        return finish(result);
    if (is_refusal(result)) {
        result = soften_get(fd, level, name, value, length, result);
    } else if (result == 0 && has_remembered) {
        const struct option *option = find_option(level, name);
        if (is_buffer(level, name))
            get_buffer(fd, name, value, length);
        else if (option != 0 && option->kind == KIND_ADVISORY)
            result = get_answered(fd, option, value, length);
    }
    return finish(result);
}
