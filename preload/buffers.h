/*
 * Explicit buffer sizes: what is enough for TCP makes an MPTCP connection stall
 * (docs/adr/0002-buffer-floor.md).
 */
#ifndef MPTCPIZE_BUFFERS_H
#define MPTCPIZE_BUFFERS_H

#include "kernel.h"
#include "memory.h"
#include "report.h"

/* With 64 KiB two segments of loopback do not fit, and each waits for a late ACK; with 128 KiB
   programs that rely on a small buffer fail. */
enum { SEND_FLOOR = 98304 };

static int is_buffer(int level, int name) {
    return level == SOL_SOCKET && (name == SO_SNDBUF || name == SO_RCVBUF);
}

/*
 * What the kernel reads back: the double, and at least SOCK_MIN_RCVBUF or SOCK_MIN_SNDBUF, which is
 * one or two times 2048 bytes and an sk_buff of 256 (include/net/sock.h @ v6.12).
 */
static u64 read_back(int name, u32 asked) {
    u64 least = name == SO_SNDBUF ? 4608 : 2304, most = INT_MAX / 2;
    u64 doubled = (asked < most ? asked : most) * 2;
    return doubled < least ? least : doubled;
}

/*
 * SO_RCVBUF never reaches the kernel: at any size that an unprivileged program may set, it makes
 * the receive window the bottleneck, where MPTCP stalls; what it asks for is the kernel's to tune.
 */
static long set_buffer(int fd, int name, const void *value, socklen_t length) {
    static const int floor = SEND_FLOOR;
    u32 asked;
    if (length < sizeof(asked) || !is_readable(value, sizeof(asked)) || !is_mptcp(fd))
        return sys_setsockopt(fd, SOL_SOCKET, name, value, length);
    copy_bytes(&asked, value, sizeof(asked));
    u64 key = key_of(fd, SOL_SOCKET, name);
    if (name == SO_SNDBUF) {
        int is_small = asked < SEND_FLOOR;
        long result = sys_setsockopt(fd, SOL_SOCKET, name, is_small ? &floor : value, length);
        if (result < 0 || !is_small) {
            forget(key, REMEMBERED);
            return result;
        }
    }
    remember(key, read_back(name, asked));
    if (name == SO_SNDBUF)
        report_option(fd, "SO_SNDBUF", " raised to 98304 from ", asked);
    else
        report_option(fd, "SO_RCVBUF", " left to the kernel to tune, not set to ", asked);
    return 0;
}

static void get_buffer(int fd, int name, void *value, const socklen_t *length) {
    u64 kept;
    if (recall(key_of(fd, SOL_SOCKET, name), &kept))
        copy_bytes(value, &kept, *length);
}

#endif
