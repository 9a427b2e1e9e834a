/*
 * Explicit buffer sizes: what is enough for TCP makes an MPTCP connection stall
 * (docs/adr/0002-buffer-floor.md).
 */
#ifndef MPTCPIZE_BUFFERS_H
#define MPTCPIZE_BUFFERS_H

#include "kernel.h"
#include "memory.h"
#include "report.h"

enum { SEND_FLOOR = 212992, RECEIVE_FLOOR = 4 << 20 };

static int is_buffer(int level, int name) {
    return level == SOL_SOCKET && (name == SO_SNDBUF || name == SO_RCVBUF);
}

/* What the kernel would read back at this size: the double, within its bounds (sk_setsockopt). */
static u64 read_back(u32 asked) {
    return (u64)asked * 2 < 2304 ? 2304 : (u64)asked * 2;
}

static long set_buffer(int fd, int name, const void *value, socklen_t length) {
    u32 asked;
    int floor = name == SO_SNDBUF ? SEND_FLOOR : RECEIVE_FLOOR;
    u64 key;
    if (length < sizeof(asked) || !is_readable(value, sizeof(asked)) || !is_mptcp(fd))
        return sys_setsockopt(fd, SOL_SOCKET, name, value, length);
    copy_bytes(&asked, value, sizeof(asked));
    key = key_of(fd, SOL_SOCKET, name);
    if (asked >= (u32)floor) {
        forget(key, REMEMBERED);
        return sys_setsockopt(fd, SOL_SOCKET, name, value, length);
    }
    if (name == SO_SNDBUF) {
        long result = sys_setsockopt(fd, SOL_SOCKET, name, &floor, sizeof(floor));
        if (result < 0)
            return result;
    }
    remember(key, read_back(asked));
    report_option(fd, name == SO_SNDBUF ? "SO_SNDBUF" : "SO_RCVBUF",
                  name == SO_SNDBUF ? " raised from " : " left to the kernel, not set to ", asked);
    return 0;
}

static void get_buffer(int fd, int name, void *value, const socklen_t *length) {
    u64 kept;
    if (recall(key_of(fd, SOL_SOCKET, name), &kept))
        copy_bytes(value, &kept, *length);
}

#endif
