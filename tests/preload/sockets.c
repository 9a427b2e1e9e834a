/* Prints what each kind of socket becomes: one line each, the same kinds in the same order. */
#include "snippet.h"
#include <sys/resource.h>

static void show(int family, int type, int protocol) {
    errno = 77;
    int fd = socket(family, type, protocol);
    int error = errno;
    printf("family %d type %#o protocol %d: ", family, (unsigned)type, protocol);
    if (fd < 0) {
        printf("errno %d\n", error);
        return;
    }
    printf("protocol %d cloexec %d nonblock %d errno %d\n", protocol_of(fd),
           (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0, (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0, error);
    close(fd);
}

int main(void) {
    static const int flags[] = {0, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_CLOEXEC | SOCK_NONBLOCK};
    static const int families[] = {AF_INET, AF_INET6};
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 4; j++) {
            show(families[i], SOCK_STREAM | flags[j], 0);
            show(families[i], SOCK_STREAM | flags[j], IPPROTO_TCP);
        }
        show(families[i], SOCK_STREAM, IPPROTO_MPTCP);
        show(families[i], SOCK_STREAM, IPPROTO_SCTP);
        show(families[i], SOCK_STREAM, IPPROTO_UDP);
        show(families[i], SOCK_STREAM, -1);
        show(families[i], SOCK_STREAM | 0x40, 0); /* no such flag */
        show(families[i], SOCK_DGRAM, 0);
        show(families[i], SOCK_DGRAM, IPPROTO_UDP);
        show(families[i], SOCK_RAW, IPPROTO_ICMP);
        show(families[i], SOCK_RAW, IPPROTO_TCP);
        show(families[i], SOCK_SEQPACKET, 0);
        show(families[i], 15, 0);
    }
    show(AF_UNIX, SOCK_STREAM, 0);
    show(AF_UNIX, SOCK_DGRAM, 0);
    show(AF_NETLINK, SOCK_RAW, 0);
    show(AF_UNSPEC, SOCK_STREAM, 0);
    show(999, SOCK_STREAM, 0);
    show(-1, SOCK_STREAM, 0);
    struct rlimit few = {3, 3};
    setrlimit(RLIMIT_NOFILE, &few);
    show(AF_INET, SOCK_STREAM, 0);
    show(AF_INET6, SOCK_STREAM, IPPROTO_TCP);
    return 0;
}
