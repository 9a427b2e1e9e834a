/*
 * Looks for values that getsockopt() gives back and nobody set.
 *   memory many|reuse|signals
 */
#include "snippet.h"
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>

enum { USER_TIMEOUT = 18, SYNCNT = 7, FRESH_SYNCNT = 6 };

static long wrong;

static void expect_value(int fd, int name, int value) {
    int got = get_int(fd, IPPROTO_TCP, name);
    if (got != value && wrong++ < 5)
        printf("wrong: fd %d option %d is %d, not %d\n", fd, name, got, value);
}

static void many(void) {
    enum { COUNT = 1000 };
    static int fds[COUNT];
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (int i = 0; i < COUNT; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        set_int(fds[i], IPPROTO_TCP, USER_TIMEOUT, i);
        set_int(fds[i], IPPROTO_TCP, SYNCNT, i % 127 + 1);
    }
    for (int i = 0; i < COUNT; i++) {
        expect_value(fds[i], USER_TIMEOUT, i);
        expect_value(fds[i], SYNCNT, i % 127 + 1);
    }
    /* Far more than there is room for: what is forgotten reads as fresh, never as another's. */
    for (int i = 0; i < 30000; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        set_int(fd, IPPROTO_TCP, USER_TIMEOUT, 1000000 + i);
        expect_value(fd, USER_TIMEOUT, 1000000 + i);
        close(fd);
    }
    for (int i = 0; i < COUNT; i++) {
        int got = get_int(fds[i], IPPROTO_TCP, USER_TIMEOUT);
        if (got != i && got != 0 && wrong++ < 5)
            printf("wrong: fd %d is %d, neither %d nor fresh\n", fds[i], got, i);
    }
}

static void reuse(void) {
    for (int i = 1; i < 2000; i++) {
        int fd = socket(AF_INET6, SOCK_STREAM, 0);
        expect_value(fd, USER_TIMEOUT, 0);
        expect_value(fd, SYNCNT, FRESH_SYNCNT);
        set_int(fd, IPPROTO_TCP, USER_TIMEOUT, i);
        set_int(fd, SOL_SOCKET, SO_RCVBUF, 4096);
        close(fd);
    }
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (get_int(fd, SOL_SOCKET, SO_RCVBUF) != kernel_int(fd, SOL_SOCKET, SO_RCVBUF) && wrong++ < 5)
        printf("wrong: SO_RCVBUF of a socket that had it\n");
    /* An fd number that goes to another kind of socket. */
    set_int(fd, IPPROTO_TCP, USER_TIMEOUT, 5);
    int plain = kernel_socket(AF_INET, IPPROTO_TCP);
    dup2(plain, fd);
    expect_value(fd, USER_TIMEOUT, 0);
    set_int(fd, IPPROTO_TCP, USER_TIMEOUT, 7);
    if (kernel_int(plain, IPPROTO_TCP, USER_TIMEOUT) != 7 && wrong++ < 5)
        printf("wrong: TCP_USER_TIMEOUT of a TCP socket was not set\n");
    /* As many as the kernel's: neither of these is MPTCP's. */
    int unix_socket = socket(AF_UNIX, SOCK_STREAM, 0);
    if (set_int(unix_socket, IPPROTO_TCP, USER_TIMEOUT, 5) != -1 || errno != EOPNOTSUPP)
        wrong++;
    if (set_int(0x7ffffff, IPPROTO_TCP, USER_TIMEOUT, 5) != -1 || errno != EBADF)
        wrong++;
}

/* The handler and what it interrupts use the same socket and option, and each its own as well. */
static int shared, its_own;
static volatile long handled;
static void on_alarm(int number) {
    (void)number;
    int error = errno, got = get_int(shared, IPPROTO_TCP, USER_TIMEOUT);
    if (got != 0 && got / 1000 != 4 && got / 1000 != 5 && wrong++ < 5)
        printf("wrong: in the handler it is %d\n", got);
    set_int(shared, IPPROTO_TCP, USER_TIMEOUT, 5000 + (int)(handled % 1000));
    set_int(its_own, IPPROTO_TCP, USER_TIMEOUT, (int)handled);
    expect_value(its_own, USER_TIMEOUT, (int)handled);
    handled++;
    errno = error;
}

static void signals(void) {
    struct itimerval often = {{0, 50}, {0, 50}}, never = {{0, 0}, {0, 0}};
    struct timeval start, now;
    shared = socket(AF_INET, SOCK_STREAM, 0);
    its_own = socket(AF_INET, SOCK_STREAM, 0);
    int mine = socket(AF_INET, SOCK_STREAM, 0);
    signal(SIGALRM, on_alarm);
    setitimer(ITIMER_REAL, &often, NULL);
    gettimeofday(&start, NULL);
    do {
        for (int i = 0; i < 1000; i++) {
            set_int(mine, IPPROTO_TCP, USER_TIMEOUT, i);
            set_int(shared, IPPROTO_TCP, USER_TIMEOUT, 4000 + i);
            expect_value(mine, USER_TIMEOUT, i);
            int got = get_int(shared, IPPROTO_TCP, USER_TIMEOUT);
            if (got / 1000 != 4 && got / 1000 != 5 && wrong++ < 5)
                printf("wrong: outside the handler it is %d\n", got);
        }
        gettimeofday(&now, NULL);
    } while ((now.tv_sec - start.tv_sec) * 1000000 + now.tv_usec - start.tv_usec < 1000000);
    setitimer(ITIMER_REAL, &never, NULL);
    if (handled < 100)
        printf("only %ld signals\n", handled);
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "many") == 0)
        many();
    else if (strcmp(what, "reuse") == 0)
        reuse();
    else if (strcmp(what, "signals") == 0)
        signals();
    printf("wrong %ld\n", wrong);
    return 0;
}
