/*
 * listen PORT COMMAND…: gives nginx a listening MPTCP socket as descriptor 3, in the way that an
 * nginx gives its sockets to a newer one, and becomes the command. So nginx, which does not know of
 * MPTCP, has it without any library.
 */
#include <err.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);

    if (argc < 3)
        errx(2, "see the comment at the top of the source");
    address.sin_port = htons((unsigned short)atoi(argv[1]));
    if (fd == -1 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 511) ||
        (fd != 3 && (dup2(fd, 3) == -1 || close(fd))))
        err(1, "listen");
    setenv("NGINX", "3;", 1);
    execv(argv[2], argv + 2);
    err(1, "%s", argv[2]);
}
