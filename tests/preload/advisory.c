/*
 * Does the same to a forced socket and to a TCP socket that nobody forced, and prints each
 * difference in result, errno, value and length; then how many comparisons there were.
 */
#include "../../preload/options.h"
#include "snippet.h"

static long compared, differences;

struct outcome {
    int result, error;
    socklen_t length;
    unsigned char bytes[12];
};

static struct outcome read_option(int fd, const struct option *option, int length) {
    struct outcome outcome = {0};
    memset(outcome.bytes, 0xa5, sizeof(outcome.bytes));
    outcome.length = (socklen_t)length;
    outcome.result = getsockopt(fd, option->level, option->number, outcome.bytes, &outcome.length);
    outcome.error = outcome.result < 0 ? errno : 0;
    return outcome;
}

static void compare(const char *state, const struct option *option, const char *what, long value,
                    int length, struct outcome forced, struct outcome plain) {
    compared++;
    if (forced.result == plain.result && forced.error == plain.error &&
        (forced.result < 0 || (forced.length == plain.length &&
                               memcmp(forced.bytes, plain.bytes, sizeof(plain.bytes)) == 0)))
        return;
    differences++;
    printf("%s %s %s value %ld length %d: %d errno %d length %u bytes %02x%02x%02x%02x, TCP %d "
           "errno %d "
           "length %u bytes %02x%02x%02x%02x\n",
           state, option->name, what, value, length, forced.result, forced.error, forced.length,
           forced.bytes[0], forced.bytes[1], forced.bytes[2], forced.bytes[3], plain.result,
           plain.error, plain.length, plain.bytes[0], plain.bytes[1], plain.bytes[2],
           plain.bytes[3]);
}

static void read_both(const char *state, const struct option *option, long value, int forced,
                      int plain) {
    static const int lengths[] = {4, 0, 1, 2, 3, 5, 8, 12, -1};
    for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
        compare(state, option, "get", value, lengths[i], read_option(forced, option, lengths[i]),
                read_option(plain, option, lengths[i]));
}

static int set_both(const char *state, const struct option *option, const void *at, long value,
                    int length, int forced, int plain) {
    struct outcome outcomes[2] = {0};
    int sockets[2] = {forced, plain};
    for (int i = 0; i < 2; i++) {
        errno = 77;
        outcomes[i].result =
            setsockopt(sockets[i], option->level, option->number, at, (socklen_t)length);
        outcomes[i].error = errno; /* on success too: it must stay untouched */
    }
    compare(state, option, "set", value, length, outcomes[0], outcomes[1]);
    return outcomes[1].result == 0;
}

/* Whether the kernel refuses it on this very socket, so that the answer is the library's. */
static int is_refused(int fd, const struct option *option) {
    /* What comes late for MPTCP leaves its mark on the socket all the same: the mark of a fresh
     * one. */
    int value = !option->late;
    int result = kernel_set(fd, option->level, option->number, &value, sizeof(value));
    return result < 0 &&
           (errno == ENOPROTOOPT || errno == EOPNOTSUPP || (errno == EINVAL && option->late));
}

/* tcp_set_window_clamp() compares an int with a size_t before Linux 6.15 (863a952eb79a, "tcp:
   tcp_set_window_clamp() cleanup"): there a negative value is above every bound, and kept. The
   library answers as later kernels do. */
static int keeps_negative(const struct option *window) {
    int fd = kernel_socket(AF_INET, IPPROTO_TCP), value = -1;
    socklen_t length = sizeof(value);
    kernel_set(fd, window->level, window->number, &value, sizeof(value));
    value = 0;
    getsockopt(fd, window->level, window->number, &value, &length);
    close(fd);
    return value == -1;
}

static void compare_option(const char *state, const struct option *option, int forced, int plain) {
    static const long values[] = {0,           1,
                                  -1,          2,
                                  3,           5,
                                  6,           64,
                                  100,         120,
                                  121,         127,
                                  128,         255,
                                  256,         1000,
                                  1151,        1152,
                                  1153,        65535,
                                  5000000,     2147483647,
                                  -2,          -2147483648,
                                  0x100000001, 0x7fffffffffffffff};
    static const int lengths[] = {4, 0, 1, 2, 3, 5, 8};
    static const int invalid_lengths[] = {4, 0, 1, 8};
    int without_negative = strcmp(option->name, "TCP_WINDOW_CLAMP") == 0 && keeps_negative(option);
    /* fastopen_queue_tune() @ v6.1: TCP keeps no more than net.core.somaxconn, which is 4096. */
    int most = strcmp(option->name, "TCP_FASTOPEN") == 0 ? 4096 : 0x7fffffff;
    for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        if ((without_negative && (int)values[i] < 0) || (int)values[i] > most)
            continue;
        for (unsigned j = 0; j < sizeof(lengths) / sizeof(lengths[0]); j++) {
            /* A length of less than four reads the lowest bytes. */
            if (set_both(state, option, &values[i], values[i], lengths[j], forced, plain))
                read_both(state, option, values[i], forced, plain);
        }
    }
    for (unsigned i = 0; i < sizeof(invalid_lengths) / sizeof(invalid_lengths[0]); i++) {
        set_both(state, option, (void *)8, 8, invalid_lengths[i], forced, plain);
        set_both(state, option, NULL, 0, invalid_lengths[i], forced, plain);
    }
    set_both(state, option, &values[0], 0, -1, forced, plain);
    /* Wrong pointers. */
    socklen_t length = sizeof(int);
    int value;
    struct outcome bad[4] = {0};
    bad[0].result = getsockopt(forced, option->level, option->number, (void *)8, &length);
    bad[0].error = errno;
    length = sizeof(int);
    bad[1].result = getsockopt(plain, option->level, option->number, (void *)8, &length);
    bad[1].error = errno;
    bad[2].result = getsockopt(forced, option->level, option->number, &value, (void *)8);
    bad[2].error = errno;
    bad[3].result = getsockopt(plain, option->level, option->number, &value, (void *)8);
    bad[3].error = errno;
    compare(state, option, "get into nowhere", 0, 4, bad[0], bad[1]);
    compare(state, option, "get length from nowhere", 0, 4, bad[2], bad[3]);
}

static void compare_all(int family) {
    static const char *const states[] = {"fresh", "listening", "connected"};
    for (int state = 0; state < 3; state++) {
        char name[32];
        snprintf(name, sizeof(name), "%s %s", family == AF_INET ? "IPv4" : "IPv6", states[state]);
        int forced = socket(family, SOCK_STREAM, 0), plain = kernel_socket(family, IPPROTO_TCP);
        int forced_peer = socket(family, SOCK_STREAM, 0),
            plain_peer = kernel_socket(family, IPPROTO_TCP);
        if (protocol_of(forced) != IPPROTO_MPTCP || protocol_of(plain) != IPPROTO_TCP) {
            printf("not forced\n");
            exit(1);
        }
        if (state == 1) {
            listen_on(forced, family);
            listen_on(plain, family);
        } else if (state == 2) {
            listen_on(forced_peer, family);
            listen_on(plain_peer, family);
            connect_to(forced, forced_peer);
            connect_to(plain, plain_peer);
        }
        for (int i = 0; i < OPTION_COUNT; i++) {
            const struct option *option = &options[i];
            if (option->kind != KIND_ADVISORY || !is_refused(forced, option))
                continue;
            /* Linux 6.1 alone refuses TCP_FASTOPEN and TCP_FASTOPEN_NO_COOKIE, and TCP takes them
               before a connection; the library does not look. */
            if (state == 2 && strncmp(option->name, "TCP_FASTOPEN", strlen("TCP_FASTOPEN")) == 0)
                continue;
            /* The window clamp of a connected TCP socket is what it has computed. */
            if (state == 0 || strcmp(option->name, "TCP_WINDOW_CLAMP") != 0)
                read_both(name, option, -77, forced, plain);
            compare_option(name, option, forced, plain);
            if (protocol_of(forced) != IPPROTO_MPTCP)
                printf("%s %s made it protocol %d\n", name, option->name, protocol_of(forced));
        }
        close(forced);
        close(plain);
        close(forced_peer);
        close(plain_peer);
    }
}

int main(void) {
    int length = 40;
    char nothing[40];
    compare_all(AF_INET);
    compare_all(AF_INET6);
    /* What openssh asks. */
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int result = getsockopt(fd, IPPROTO_IP, 4 /* IP_OPTIONS */, nothing, (socklen_t *)&length);
    if (result != 0 || length != 0)
        printf("IP_OPTIONS: %d length %d\n", result, length);
    printf("compared %ld differences %ld\n", compared, differences);
    return 0;
}
