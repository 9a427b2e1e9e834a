/*
 * One TCP or MPTCP transfer at explicit buffer sizes; what bench/buffer_floor.ts runs.
 *
 *   transfer receive ADDRESS PORT PROTOCOL RECEIVE_BUFFER SEND_BUFFER
 *       prints `ready`, takes one connection, prints bytes per second and the protocol it was
 *   transfer send    ADDRESS PORT PROTOCOL RECEIVE_BUFFER SEND_BUFFER MILLISECONDS
 *
 * A buffer of 0 is left alone.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char block[131072]; /* as iperf3 writes */

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void set_buffer(int fd, int name, int size) {
    if (size > 0 && setsockopt(fd, SOL_SOCKET, name, &size, sizeof(size)) < 0)
        err(1, "setsockopt");
}

int main(int argc, char **argv) {
    if (argc < 7)
        errx(2, "receive|send ADDRESS PORT PROTOCOL RECEIVE_BUFFER SEND_BUFFER [MILLISECONDS]");
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(argv[3]))};
    int on = 1, protocol = atoi(argv[4]);
    inet_pton(AF_INET, argv[2], &address.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM, protocol);
    if (fd < 0)
        err(1, "socket");
    set_buffer(fd, SO_RCVBUF, atoi(argv[5]));
    set_buffer(fd, SO_SNDBUF, atoi(argv[6]));
    if (strcmp(argv[1], "receive") == 0) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1) < 0)
            err(1, "listen");
        puts("ready");
        fflush(stdout);
        int peer = accept(fd, NULL, NULL), used = 0;
        socklen_t length = sizeof(used);
        getsockopt(peer, SOL_SOCKET, SO_PROTOCOL, &used, &length);
        /* A stall that outlasts the sender is the end. */
        struct timeval patience = {.tv_sec = 1};
        setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        double start = now(), last = start, total = 0;
        for (ssize_t got; (got = read(peer, block, sizeof(block))) > 0; last = now())
            total += (double)got;
        printf("%.0f %d\n", last > start ? total / (last - start) : 0, used);
    } else {
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
            err(1, "connect");
        double end = now() + atof(argv[7]) / 1000;
        struct timeval patience = {.tv_usec = 50000};
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
        while (now() < end)
            if (write(fd, block, sizeof(block)) < 0)
                continue; /* nothing went out within the patience: a stall, which is what is
                             measured */
        /* What is still in the buffers is not to be waited for: a stall would take minutes. */
        struct linger none = {.l_onoff = 1};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    }
    return 0;
}
