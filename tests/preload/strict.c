/* What MPTCPIZE_STRICT leaves: the kernel's own answers on a forced socket. */
#include "snippet.h"

int main(void) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), protocol = protocol_of(fd);
    int timeout = set_int(fd, IPPROTO_TCP, 18 /* TCP_USER_TIMEOUT */, 5) < 0 ? -errno : 0;
    int zerocopy = set_int(fd, SOL_SOCKET, 60 /* SO_ZEROCOPY */, 1) < 0 ? -errno : 0;
    set_int(fd, SOL_SOCKET, SO_SNDBUF, 8192);
    set_int(fd, SOL_SOCKET, SO_RCVBUF, 8192);
    printf("protocol %d user_timeout %d zerocopy %d sndbuf %s rcvbuf %s\n", protocol, timeout,
           zerocopy, kernel_int(fd, SOL_SOCKET, SO_SNDBUF) == 16384 ? "kernel" : "ours",
           kernel_int(fd, SOL_SOCKET, SO_RCVBUF) == 16384 ? "kernel" : "ours");
    return 0;
}
