/*
 * What the benchmark times, in one small program, so that the same instructions run under each
 * library: `sockets CASE PROTOCOL THREADS COUNT` prints the nanoseconds for one round of the case
 * (with threads: the time of all, divided by the rounds of all) and the protocol of a socket made
 * this way; `sockets spawn COUNT COMMAND…` prints those from posix_spawn() to the end of the
 * command.
 */
#define _GNU_SOURCE
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

extern char **environ;

static int protocol;
static int count;

static double now(void) {
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e9 + time.tv_nsec;
}

static int open_socket(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, protocol);

    if (fd == -1)
        err(1, "socket");
    return fd;
}

/* Asked from the kernel itself, since a preloaded library may answer as it likes. */
static int read_protocol(void) {
    int fd = open_socket(), value = -1;
    socklen_t size = sizeof(value);

    if (syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_PROTOCOL, &value, &size))
        err(1, "getsockopt");
    close(fd);
    return value;
}

static void *run_socket(void *unused) {
    for (int i = 0; i < count; i++)
        close(open_socket());
    return unused;
}

static void *run_option(void *unused) {
    int fd = open_socket();

    for (int i = 0; i < count; i++) {
        int value = i & 1;
        socklen_t size = sizeof(value);

        if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, size))
            err(1, "setsockopt");
        if (getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &size))
            err(1, "getsockopt");
    }
    close(fd);
    return unused;
}

static void *run_connect(void *unused) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int listener = open_socket();

    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 16) ||
        getsockname(listener, (struct sockaddr *)&address, &size))
        err(1, "listen");
    for (int i = 0; i < count; i++) {
        int client = open_socket(), server;

        if (connect(client, (struct sockaddr *)&address, size))
            err(1, "connect");
        server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (server == -1)
            err(1, "accept");
        close(client);
        close(server);
    }
    close(listener);
    return unused;
}

static void time_threads(void *(*run)(void *), int threads) {
    pthread_t others[64];
    double start;

    if (threads < 1 || threads > 64)
        errx(2, "1 to 64 threads");
    start = now();
    for (int i = 0; i < threads; i++)
        if (pthread_create(&others[i], NULL, run, NULL))
            errx(1, "pthread_create");
    for (int i = 0; i < threads; i++)
        pthread_join(others[i], NULL);
    printf("%.1f %d\n", (now() - start) / count / threads, read_protocol());
}

static void time_spawn(char **command) {
    double start = now();

    for (int i = 0; i < count; i++) {
        pid_t pid;
        int status;

        if (posix_spawnp(&pid, command[0], NULL, NULL, command, environ))
            errx(1, "cannot start %s", command[0]);
        if (waitpid(pid, &status, 0) != pid || status != 0)
            errx(1, "%s ended with %d", command[0], status);
    }
    printf("%.1f\n", (now() - start) / count);
}

int main(int argc, char **argv) {
    if (argc >= 4 && !strcmp(argv[1], "spawn")) {
        count = atoi(argv[2]);
        time_spawn(argv + 3);
        return 0;
    }
    if (argc != 5)
        errx(2, "see the comment at the top of the source");
    protocol = strcmp(argv[2], "mptcp") ? 0 : IPPROTO_MPTCP;
    count = atoi(argv[4]);
    if (!strcmp(argv[1], "socket"))
        time_threads(run_socket, atoi(argv[3]));
    else if (!strcmp(argv[1], "option"))
        time_threads(run_option, atoi(argv[3]));
    else if (!strcmp(argv[1], "connect"))
        time_threads(run_connect, atoi(argv[3]));
    else
        errx(2, "no such case");
    return 0;
}
