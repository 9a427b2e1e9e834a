/* What the snippets share: the kernel is asked by syscall(2), past whatever overrides getsockopt().
 */
#ifndef SNIPPET_H
#define SNIPPET_H

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static inline int kernel_get(int fd, int level, int name, void *value, socklen_t *length) {
    return (int)syscall(SYS_getsockopt, fd, level, name, value, length);
}

static inline int kernel_set(int fd, int level, int name, const void *value, socklen_t length) {
    return (int)syscall(SYS_setsockopt, fd, level, name, value, length);
}

/* An int option as the kernel has it; -errno if it has none. */
static inline int kernel_int(int fd, int level, int name) {
    int value = 0;
    socklen_t length = sizeof(value);
    return kernel_get(fd, level, name, &value, &length) < 0 ? -errno : value;
}

static inline int protocol_of(int fd) {
    return kernel_int(fd, SOL_SOCKET, SO_PROTOCOL);
}

static inline uint64_t cookie_of(int fd) {
    uint64_t cookie = 0;
    socklen_t length = sizeof(cookie);
    kernel_get(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length);
    return cookie;
}

static inline int set_int(int fd, int level, int name, int value) {
    return setsockopt(fd, level, name, &value, sizeof(value));
}

static inline int get_int(int fd, int level, int name) {
    int value = 0;
    socklen_t length = sizeof(value);
    return getsockopt(fd, level, name, &value, &length) < 0 ? -errno : value;
}

/* A socket that no preload library has seen. */
static inline int kernel_socket(int family, int protocol) {
    return (int)syscall(SYS_socket, family, SOCK_STREAM, protocol);
}

static inline struct sockaddr *loopback(int family, socklen_t *length) {
    static struct sockaddr_in v4;
    static struct sockaddr_in6 v6;
    memset(&v4, 0, sizeof(v4));
    memset(&v6, 0, sizeof(v6));
    v4.sin_family = AF_INET;
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v6.sin6_family = AF_INET6;
    v6.sin6_addr.s6_addr[15] = 1;
    *length = family == AF_INET ? sizeof(v4) : sizeof(v6);
    return family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
}

/* Binds to loopback, at a port of the kernel's choice, and listens. */
static inline void listen_on(int fd, int family) {
    socklen_t length;
    struct sockaddr *address = loopback(family, &length);
    if (bind(fd, address, length) < 0 || listen(fd, 8) < 0) {
        perror("listen");
        exit(99);
    }
}

static inline void connect_to(int fd, int listener) {
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    getsockname(listener, (struct sockaddr *)&address, &length);
    if (connect(fd, (struct sockaddr *)&address, length) < 0 && errno != EINPROGRESS) {
        perror("connect");
        exit(99);
    }
}

#endif
