/* Asks for what a connection must really have, and must never only seem to have; IPv4 on loopback:

   essential ulp PORT             asks for kernel TLS once connected, tells the answer, reads to the
   end essential md5-serve PORT KEY   serves "signed" to each client that signs with the key
   essential md5-fetch PORT KEY   prints what the server sends

   Exit status: 1 if something else failed, 3 if TCP_MD5SIG was refused, 4 if connecting failed. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

static struct sockaddr_in address = {.sin_family = AF_INET};

static int sign(int fd, const char *key) {
    struct tcp_md5sig md5 = {.tcpm_keylen = strlen(key)};

    memcpy(&md5.tcpm_addr, &address, sizeof(address));
    memcpy(md5.tcpm_key, key, md5.tcpm_keylen);
    return setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &md5, sizeof(md5));
}

/* The kernel's own word, past every library. */
static int has_tls(int fd) {
    char name[16] = "";
    socklen_t length = sizeof(name);

    return !syscall(SYS_getsockopt, fd, IPPROTO_TCP, TCP_ULP, name, &length) &&
           !strcmp(name, "tls");
}

static int ask_for_tls(int fd) {
    char buffer[65536];
    ssize_t length;
    long total = 0;

    if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
        return 4;
    if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", 3))
        printf("refused: %s\n", strerror(errno));
    else
        printf("set: %s\n", has_tls(fd) ? "really" : "not really");
    while ((length = read(fd, buffer, sizeof(buffer))) > 0)
        total += length;
    printf("%ld bytes\n", total);
    return length < 0;
}

static int fetch(int fd) {
    /* A segment without the right signature is dropped in silence: do not wait for long. */
    struct timeval limit = {.tv_usec = 300000};
    char buffer[64];
    ssize_t length;

    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)))
        return 1;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
        return 4;
    length = read(fd, buffer, sizeof(buffer));
    if (length > 0)
        printf("%.*s", (int)length, buffer);
    return length < 0;
}

static int serve(int fd) {
    int one = 1;

    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 16))
        return 1;
    for (;;) {
        int peer = accept(fd, NULL, NULL);

        if (peer < 0 || write(peer, "signed", 6) != 6)
            return 1;
        close(peer);
    }
}

int main(int argc, char **argv) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || argc < 3)
        return 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(atoi(argv[2]));
    if (!strcmp(argv[1], "ulp"))
        return ask_for_tls(fd);
    if (argc > 3 && sign(fd, argv[3])) {
        perror("TCP_MD5SIG");
        return 3;
    }
    return strcmp(argv[1], "md5-serve") ? fetch(fd) : serve(fd);
}
