/* Serves a file to each client, or fetches one, by IPv4 on loopback:
   transfer serve PORT FILE | transfer fetch PORT > FILE */

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void copy(int from, int to) {
    char buffer[65536];
    ssize_t length;

    while ((length = read(from, buffer, sizeof(buffer))) > 0)
        for (ssize_t done = 0, part; done < length; done += part)
            if ((part = write(to, buffer + done, length - done)) < 0)
                die("write");
    if (length < 0)
        die("read");
}

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

    if (argc < 3)
        return 2;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(atoi(argv[2]));
    if (fd < 0)
        die("socket");
    if (!strcmp(argv[1], "fetch")) {
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
            die("connect");
        copy(fd, STDOUT_FILENO);
        return 0;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)))
        die("setsockopt");
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 16))
        die("bind");
    for (;;) {
        int peer = accept(fd, NULL, NULL);
        FILE *file = fopen(argv[3], "r");

        if (peer < 0 || !file)
            die("accept");
        copy(fileno(file), peer);
        fclose(file);
        close(peer);
    }
}
