/* A library whose constructor makes a socket, before or after that of a preload library. */
#include "snippet.h"

int early_protocol;

__attribute__((constructor)) static void start(void) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    early_protocol = protocol_of(fd);
    close(fd);
}
