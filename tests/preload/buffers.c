/* Explicit buffer sizes on a forced socket, beside a TCP socket that nobody forced. */
#include "snippet.h"

static long wrong;

static void expect(int is_right, const char *what, int size, int got) {
    if (!is_right && wrong++ < 10)
        printf("wrong: %s at %d is %d\n", what, size, got);
}

int main(void) {
    static const int sizes[] = {0,     1,     1000,  2303,  4096,   16384,
                                65536, 98303, 98304, 98305, 131072, 200000};
    static const int floor = 2 * 98304;
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        int size = sizes[i];
        int forced = socket(AF_INET, SOCK_STREAM, 0), plain = kernel_socket(AF_INET, IPPROTO_TCP);
        int tuned = kernel_int(forced, SOL_SOCKET, SO_RCVBUF);
        expect(set_int(forced, SOL_SOCKET, SO_RCVBUF, size) == 0, "set SO_RCVBUF", size, errno);
        expect(set_int(forced, SOL_SOCKET, SO_SNDBUF, size) == 0, "set SO_SNDBUF", size, errno);
        kernel_set(plain, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
        kernel_set(plain, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
        for (int name = SO_SNDBUF; name <= SO_RCVBUF; name++) {
            int got = get_int(forced, SOL_SOCKET, name), tcp = kernel_int(plain, SOL_SOCKET, name);
            expect(got == tcp, "read back", size, got);
        }
        int real = kernel_int(forced, SOL_SOCKET, SO_RCVBUF);
        expect(real == tuned, "SO_RCVBUF of the kernel", size, real);
        real = kernel_int(forced, SOL_SOCKET, SO_SNDBUF);
        expect(real == (2 * size > floor ? 2 * size : floor), "SO_SNDBUF of the kernel", size,
               real);
        /* Another family is none of ours. */
        int other = socket(AF_UNIX, SOCK_STREAM, 0);
        set_int(other, SOL_SOCKET, SO_SNDBUF, 8192);
        expect(kernel_int(other, SOL_SOCKET, SO_SNDBUF) == 16384, "SO_SNDBUF of AF_UNIX", size, 0);
        close(forced);
        close(plain);
        close(other);
    }
    int fd = socket(AF_INET, SOCK_STREAM, 0), size = 4096;
    expect(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, 3) < 0 && errno == EINVAL, "short", 3,
           errno);
    expect(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, (void *)8, 4) < 0 && errno == EFAULT, "pointer", 4,
           errno);
    expect(set_int(-1, SOL_SOCKET, SO_RCVBUF, 4096) < 0 && errno == EBADF, "fd", 4, errno);
    /* Taken back: the kernel's answer counts again. */
    set_int(fd, SOL_SOCKET, SO_SNDBUF, 4096);
    set_int(fd, SOL_SOCKET, SO_SNDBUF, 100000);
    expect(get_int(fd, SOL_SOCKET, SO_SNDBUF) == 200000, "SO_SNDBUF again", 100000,
           get_int(fd, SOL_SOCKET, SO_SNDBUF));
    set_int(fd, SOL_SOCKET, SO_RCVBUF, 4096);
    if (set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, 300000) == 0) { /* needs CAP_NET_ADMIN */
        int got = get_int(fd, SOL_SOCKET, SO_RCVBUF);
        expect(got == 600000, "SO_RCVBUF after SO_RCVBUFFORCE", 300000, got);
    }
    printf("wrong %ld\n", wrong);
    return 0;
}
