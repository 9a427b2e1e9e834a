/* What the preload library needs of the kernel's interface beyond what all C of ours needs. */
#ifndef MPTCPIZE_KERNEL_H
#define MPTCPIZE_KERNEL_H

#include "../ffi/kernel.h"

typedef u32 socklen_t;

/* include/linux/socket.h, include/linux/net.h, include/uapi/linux/in.h @ v6.12 */
enum {
    AF_INET6 = 10,
    SOCK_TYPE_MASK = 0xf,
    SOCK_NONBLOCK = 04000,
    IPPROTO_TCP = 6,
    SOL_IP = 0,
    SOL_SOCKET = 1,
    SOL_TCP = 6,
    SOL_IPV6 = 41,
};

/* include/uapi/asm-generic/socket.h, include/uapi/linux/tcp.h, in.h @ v6.12: those that the code
   itself names; the others stand in options.json */
enum {
    SO_TYPE = 3,
    SO_ERROR = 4,
    SO_SNDBUF = 7,
    SO_RCVBUF = 8,
    SO_ACCEPTCONN = 30,
    SO_SNDBUFFORCE = 32,
    SO_RCVBUFFORCE = 33,
    SO_PROTOCOL = 38,
    SO_DOMAIN = 39,
    SO_COOKIE = 57,
    SO_BUF_LOCK = 72,
    TCP_INFO = 11,
    TCP_STATE_CLOSE = 7, /* include/net/tcp_states.h */
    IP_OPTIONS = 4,
};

/* include/uapi/asm-generic/fcntl.h @ v6.12 (x86 and arm64 use these values) */
enum {
    O_NONBLOCK = 04000,
    O_ASYNC = 020000,
    FD_CLOEXEC = 1,
    F_GETFD = 1,
    F_GETFL = 3,
    F_SETFL = 4,
    F_GETOWN = 9,
    F_GETSIG = 11,
};

struct pollfd {
    int fd;
    short events;
    short revents;
};
enum { POLLOUT = 4, POLLERR = 8, POLLHUP = 16, POLLNVAL = 32 };

/* include/linux/dirent.h @ v6.12 */
struct dirent64 {
    u64 ino;
    long off;
    unsigned short reclen;
    u8 type;
    char name[];
};

#if defined(__x86_64__)
enum { O_DIRECTORY = 0200000 };
#else
enum { O_DIRECTORY = 040000 }; /* arch/arm64/include/uapi/asm/fcntl.h */
#endif

static inline long sys_socket(int family, int type, int protocol) {
    return system_call(SYS_socket, family, type, protocol, 0, 0);
}

static inline long sys_setsockopt(int fd, int level, int name, const void *value,
                                  socklen_t length) {
    return system_call(SYS_setsockopt, fd, level, name, (long)value, length);
}

static inline long sys_getsockopt(int fd, int level, int name, void *value, socklen_t *length) {
    return system_call(SYS_getsockopt, fd, level, name, (long)value, (long)length);
}

static inline long sys_fcntl(int fd, int command, long argument) {
    return system_call(SYS_fcntl, fd, command, argument, 0, 0);
}

static inline long sys_close(int fd) {
    return system_call(SYS_close, fd, 0, 0, 0, 0);
}

/* An option of SOL_SOCKET that is an int, or a negative errno; none of those read here is negative.
 */
static inline long socket_int(int fd, int name) {
    int value = 0;
    socklen_t length = sizeof(value);
    long result = sys_getsockopt(fd, SOL_SOCKET, name, &value, &length);
    return result < 0 ? result : value;
}

static inline int is_mptcp(int fd) {
    return socket_int(fd, SO_PROTOCOL) == IPPROTO_MPTCP;
}

static inline void copy_bytes(void *to, const void *from, u64 length) {
    for (u64 i = 0; i < length; i++)
        ((u8 *)to)[i] = ((const u8 *)from)[i];
}

static inline int equal_bytes(const void *one, const void *other, u64 length) {
    for (u64 i = 0; i < length; i++)
        if (((const u8 *)one)[i] != ((const u8 *)other)[i])
            return 0;
    return 1;
}

/*
 * Whether these bytes can be read: where the kernel refuses an option it has not looked at the
 * program's memory, and a wrong pointer must stay EFAULT and not become a SIGSEGV of ours.
 * rt_sigprocmask copies eight bytes in before it finds that `how` makes no sense, and changes
 * nothing (kernel/signal.c @ v6.12); every sandbox allows it.
 */
static inline int is_readable(const void *address, u64 length) {
    u64 first = (u64)address & ~7ul, last = ((u64)address + length - 1) & ~7ul;
    for (u64 word = first; word <= last; word += 8)
        /* It takes a null pointer for no set. */
        if (word == 0 || system_call(SYS_rt_sigprocmask, -1, (long)word, 0, 8, 0) == -EFAULT)
            return 0;
    return 1;
}

/* Whether these bytes can be written; they are overwritten. At most four, as SO_TYPE has. */
static inline int is_writable(int fd, void *address, socklen_t length) {
    return length == 0 || sys_getsockopt(fd, SOL_SOCKET, SO_TYPE, address, &length) != -EFAULT;
}

#endif
