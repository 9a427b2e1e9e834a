/*
 * Asks for each essential option, and does what must and must not bring a socket back to TCP.
 *   essential each|replay|keep|works
 * Prints one line for each thing that is wrong, and at the end how many were looked at.
 */
#include "../../preload/options.h"
#include "snippet.h"
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/time.h>

enum { SO_ZEROCOPY_NUMBER = 60, USER_TIMEOUT = 18 };

static long looked;

static void expect(int is_right, const char *what, long got) {
    looked++;
    if (!is_right)
        printf("wrong: %s (%ld, errno %d)\n", what, got, errno);
}

/* The errno of the option on a socket of this protocol that nobody forced; 0 if it is taken. */
static int kernel_error(int family, int protocol, const struct option *option, const void *value,
                        socklen_t length) {
    int fd = kernel_socket(family, protocol);
    int result = kernel_set(fd, option->level, option->number, value, length);
    int error = result < 0 ? errno : 0;
    close(fd);
    return error;
}

/* Each one, with a few arguments: really there on a TCP socket, or refused as MPTCP refuses it. */
static void try_each(int family) {
    static const struct {
        const void *value;
        socklen_t length;
    } arguments[] = {
        {"\1\0\0\0", 4}, {"tls", 3}, {"\0\0\0\0\0\0\0\0", 8}, {"\377\377\377\377", 4}, {"", 0}};
    for (int i = 0; i < OPTION_COUNT; i++) {
        const struct option *option = &options[i];
        if (option->kind != KIND_ESSENTIAL)
            continue;
        for (unsigned j = 0; j < sizeof(arguments) / sizeof(arguments[0]); j++) {
            const void *value = arguments[j].value;
            socklen_t length = arguments[j].length;
            int on_mptcp = kernel_error(family, IPPROTO_MPTCP, option, value, length);
            int on_tcp = kernel_error(family, IPPROTO_TCP, option, value, length);
            int fd = socket(family, SOCK_STREAM, 0);
            uint64_t cookie = cookie_of(fd);
            int result = setsockopt(fd, option->level, option->number, value, length);
            int error = result < 0 ? errno : 0, protocol = protocol_of(fd);
            int is_refusal = on_mptcp == ENOPROTOOPT || on_mptcp == EOPNOTSUPP;
            if (is_refusal && on_tcp == 0)
                expect(error == 0 && protocol == IPPROTO_TCP, option->name, protocol);
            else
                expect(error == on_mptcp && protocol == IPPROTO_MPTCP && cookie_of(fd) == cookie,
                       option->name, error);
            close(fd);
        }
    }
}

/* Everything that a program may have set before, judged by the kernel afterwards. */
static void try_replay(int family) {
    static const struct timeval three_seconds = {3, 500000}, four_seconds = {4, 0};
    static const struct {
        int level, name;
        const void *value;
        socklen_t length;
        int only_ipv6;
    } before[] = {
        {SOL_SOCKET, SO_REUSEADDR, "\1\0\0\0", 4, 0},
        {SOL_SOCKET, SO_REUSEPORT, "\1\0\0\0", 4, 0},
        {SOL_SOCKET, SO_KEEPALIVE, "\1\0\0\0", 4, 0},
        {SOL_SOCKET, SO_LINGER, "\1\0\0\0\7\0\0\0", 8, 0},
        {SOL_SOCKET, SO_RCVTIMEO, &three_seconds, 16, 0},
        {SOL_SOCKET, SO_SNDTIMEO, &four_seconds, 16, 0},
        {SOL_SOCKET, SO_RCVLOWAT, "\11\0\0\0", 4, 0},
        {SOL_SOCKET, SO_TIMESTAMPNS, "\1\0\0\0", 4, 0},
        {SOL_SOCKET, 37 /* SO_TIMESTAMPING */, "\20\0\0\0", 4, 0},
        {SOL_SOCKET, SO_INCOMING_CPU, "\0\0\0\0", 4, 0},
        {IPPROTO_IP, IP_TOS, "\20\0\0\0", 4, 0},
        {SOL_SOCKET, SO_PRIORITY, "\3\0\0\0", 4, 0},
        {IPPROTO_IP, IP_FREEBIND, "\1\0\0\0", 4, 0},
        {IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, "\1\0\0\0", 4, 0},
        {IPPROTO_IPV6, IPV6_V6ONLY, "\1\0\0\0", 4, 1},
        {IPPROTO_TCP, TCP_NODELAY, "\1\0\0\0", 4, 0},
        {IPPROTO_TCP, TCP_CORK, "\1\0\0\0", 4, 0},
        {IPPROTO_TCP, TCP_KEEPIDLE, "\5\0\0\0", 4, 0},
        {IPPROTO_TCP, TCP_KEEPINTVL, "\6\0\0\0", 4, 0},
        {IPPROTO_TCP, TCP_KEEPCNT, "\7\0\0\0", 4, 0},
        {IPPROTO_TCP, TCP_DEFER_ACCEPT, "\12\0\0\0", 4, 0},
        {IPPROTO_TCP, TCP_CONGESTION, "reno", 4, 0},
        {IPPROTO_TCP, TCP_INQ, "\1\0\0\0", 4, 0},
        {IPPROTO_TCP, TCP_FASTOPEN, "\5\0\0\0", 4, 0},
        {IPPROTO_TCP, TCP_NOTSENT_LOWAT, "\0\20\0\0", 4, 0},
        /* softened before, real afterwards */
        {IPPROTO_TCP, TCP_USER_TIMEOUT, "\210\23\0\0", 4, 0},
        {IPPROTO_TCP, TCP_SYNCNT, "\3\0\0\0", 4, 0},
        {IPPROTO_IP, IP_TTL, "\11\0\0\0", 4, 0},
        {SOL_SOCKET, SO_MAX_PACING_RATE, "\0\0\0\0\2\0\0\0", 8, 0},
        {SOL_SOCKET, SO_OOBINLINE, "\1\0\0\0", 4, 0},
        {SOL_SOCKET, SO_RCVBUF, "\0\20\0\0", 4, 0},
        {SOL_SOCKET, SO_SNDBUF, "\0\100\0\0", 4, 0},
    };
    for (int flags = 0; flags < 4; flags++) {
        int type = SOCK_STREAM | (flags & 1 ? SOCK_NONBLOCK : 0) | (flags & 2 ? SOCK_CLOEXEC : 0);
        int fd = socket(family, type, 0), plain = kernel_socket(family, IPPROTO_TCP);
        for (unsigned i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
            if (before[i].only_ipv6 && family != AF_INET6)
                continue;
            int a =
                setsockopt(fd, before[i].level, before[i].name, before[i].value, before[i].length);
            int b = kernel_set(plain, before[i].level, before[i].name, before[i].value,
                               before[i].length);
            expect(a == b, "set before", (long)i);
        }
        int lowest = dup(0); /* nothing may be left open */
        close(lowest);
        expect(set_int(fd, SOL_SOCKET, SO_ZEROCOPY_NUMBER, 1) == 0, "back to TCP", fd);
        kernel_set(plain, SOL_SOCKET, SO_ZEROCOPY_NUMBER, "\1\0\0\0", 4);
        expect(protocol_of(fd) == IPPROTO_TCP, "protocol", protocol_of(fd));
        expect(kernel_int(fd, SOL_SOCKET, SO_ZEROCOPY_NUMBER) == 1, "SO_ZEROCOPY", fd);
        expect(((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0) == (flags & 1), "O_NONBLOCK", flags);
        expect(((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0) == ((flags & 2) != 0), "FD_CLOEXEC", flags);
        int next = dup(0);
        expect(next == lowest, "nothing left open", next);
        close(next);
        for (unsigned i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
            unsigned char a[16] = {0}, b[16] = {0};
            socklen_t a_length = sizeof(a), b_length = sizeof(b);
            if (before[i].only_ipv6 && family != AF_INET6)
                continue;
            kernel_get(fd, before[i].level, before[i].name, a, &a_length);
            kernel_get(plain, before[i].level, before[i].name, b, &b_length);
            expect(a_length == b_length && memcmp(a, b, sizeof(a)) == 0, "carried over", (long)i);
        }
        close(fd);
        close(plain);
    }
}

static void keeps(int fd, const char *what) {
    uint64_t cookie = cookie_of(fd);
    int result = set_int(fd, SOL_SOCKET, SO_ZEROCOPY_NUMBER, 1);
    expect(result < 0 && errno == EOPNOTSUPP && protocol_of(fd) == IPPROTO_MPTCP &&
               cookie_of(fd) == cookie,
           what, result);
}

/* Where going back is not sound, nothing changes. */
static void try_keep(int family) {
    socklen_t length;
    int fd = socket(family, SOCK_STREAM, 0), listener = socket(family, SOCK_STREAM, 0), other;
    struct sockaddr *address = loopback(family, &length);
    bind(fd, address, length);
    keeps(fd, "bound");
    listen_on(listener, family);
    keeps(listener, "listening");
    fd = socket(family, SOCK_STREAM, 0);
    connect_to(fd, listener);
    keeps(fd, "connected");
    keeps(accept(listener, NULL, NULL), "accepted");
    fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    connect_to(fd, listener);
    keeps(fd, "connecting");
    fd = socket(family, SOCK_STREAM, 0);
    other = dup(fd);
    keeps(fd, "another fd");
    close(other);
    expect(set_int(fd, SOL_SOCKET, SO_ZEROCOPY_NUMBER, 1) == 0, "the other fd is closed", fd);
    fd = socket(family, SOCK_STREAM, 0);
    int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    for (int i = 0; i < 40; i++) /* more than one read of its fdinfo */
        epoll_ctl(epoll, EPOLL_CTL_ADD, socket(AF_UNIX, SOCK_STREAM, 0), &event);
    keeps(socket(family, SOCK_STREAM, 0) < 0 ? -1 : listener, "still listening");
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    keeps(fd, "watched by epoll");
    epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
    expect(set_int(fd, SOL_SOCKET, SO_ZEROCOPY_NUMBER, 1) == 0, "no longer watched", fd);
    fd = socket(family, SOCK_STREAM, 0);
    fcntl(fd, F_SETOWN, getpid());
    keeps(fd, "has an owner");
    fd = socket(family, SOCK_STREAM, 0);
    fcntl(fd, F_SETSIG, SIGUSR1);
    keeps(fd, "has a signal");
    fd = socket(family, SOCK_STREAM, 0);
    signal(SIGIO, SIG_IGN);
    fcntl(fd, F_SETFL, O_ASYNC);
    keeps(fd, "asynchronous");
}

/* What it was asked for works: a filter that drops everything, and TCP_MD5SIG between two ends. */
static void try_works(void) {
    struct sock_filter drop[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
    struct sock_fprog program = {1, drop};
    struct tcp_md5sig key = {.tcpm_keylen = 3, .tcpm_key = "key"};
    socklen_t length;
    int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
    int timeout = 300;
    set_int(fd, IPPROTO_TCP, TCP_SYNCNT, 1);
    listen_on(listener, AF_INET);
    expect(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0, "filter",
           fd);
    struct timeval patience = {.tv_usec = timeout * 1000};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    struct sockaddr_storage address;
    length = sizeof(address);
    getsockname(listener, (struct sockaddr *)&address, &length);
    expect(connect(fd, (struct sockaddr *)&address, length) < 0, "the filter drops", fd);

    int signed_listener = socket(AF_INET, SOCK_STREAM, 0),
        signed_fd = socket(AF_INET, SOCK_STREAM, 0);
    memcpy(&key.tcpm_addr, loopback(AF_INET, &length), sizeof(struct sockaddr_in));
    int result = setsockopt(signed_listener, IPPROTO_TCP, TCP_MD5SIG, &key, sizeof(key));
    if (result < 0 && kernel_set(kernel_socket(AF_INET, IPPROTO_TCP), IPPROTO_TCP, TCP_MD5SIG, &key,
                                 sizeof(key)) < 0)
        return; /* a kernel without CONFIG_TCP_MD5SIG */
    expect(result == 0, "TCP_MD5SIG of a listener", result);
    expect(setsockopt(signed_fd, IPPROTO_TCP, TCP_MD5SIG, &key, sizeof(key)) == 0, "TCP_MD5SIG",
           signed_fd);
    listen_on(signed_listener, AF_INET);
    connect_to(signed_fd, signed_listener);
    expect(write(signed_fd, "x", 1) == 1, "signed write", signed_fd);
    int peer = accept(signed_listener, NULL, NULL);
    char got;
    expect(read(peer, &got, 1) == 1 && got == 'x', "signed read", peer);
    /* An end without the key gets no connection. */
    int stranger = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(stranger, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    length = sizeof(address);
    getsockname(signed_listener, (struct sockaddr *)&address, &length);
    expect(connect(stranger, (struct sockaddr *)&address, length) < 0, "a stranger is kept out",
           stranger);
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "each") == 0) {
        try_each(AF_INET);
        try_each(AF_INET6);
    } else if (strcmp(what, "replay") == 0) {
        try_replay(AF_INET);
        try_replay(AF_INET6);
    } else if (strcmp(what, "keep") == 0) {
        try_keep(AF_INET);
        try_keep(AF_INET6);
    } else if (strcmp(what, "works") == 0) {
        try_works();
    }
    printf("looked %ld\n", looked);
    return 0;
}
