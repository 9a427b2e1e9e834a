/*
 * Calls socket() where a library that overrides it may go wrong; prints the protocol that it got.
 *   contexts threads|fork|vfork|handler|clearenv|late|closed|inet|lines
 */
#include "snippet.h"
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

static void *make_many(void *unused) {
    (void)unused;
    long wrong = 0;
    for (int i = 0; i < 500; i++) {
        errno = 77;
        int fd = socket(AF_INET6, SOCK_STREAM, 0);
        wrong += errno != 77 || protocol_of(fd) != IPPROTO_MPTCP;
        errno = 77;
        wrong += socket(AF_INET, 15, 0) != -1 || errno == 77; /* each thread has its own errno */
        set_int(fd, IPPROTO_TCP, 18 /* TCP_USER_TIMEOUT */, i);
        wrong += get_int(fd, IPPROTO_TCP, 18) != i;
        close(fd);
    }
    return (void *)wrong;
}

static volatile int handled;
static void on_signal(int number) {
    (void)number;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    handled = protocol_of(fd);
    close(fd);
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "threads") == 0) {
        pthread_t threads[8];
        long wrong = 0;
        for (int i = 0; i < 8; i++)
            pthread_create(&threads[i], NULL, make_many, NULL);
        for (int i = 0; i < 8; i++) {
            void *result;
            pthread_join(threads[i], &result);
            wrong += (long)result;
        }
        printf("wrong %ld\n", wrong);
    } else if (strcmp(what, "fork") == 0 || strcmp(what, "vfork") == 0) {
        volatile int inner = 0;
        int before = socket(AF_INET, SOCK_STREAM, 0), status;
        set_int(before, IPPROTO_TCP, 18, 5);
        pid_t child = what[0] == 'v' ? vfork() : fork();
        if (child == 0) {
            int fd = socket(AF_INET, SOCK_STREAM, 0);
            inner = protocol_of(fd);
            /* The socket is the parent's too: its value is known here, and may be changed. */
            if (get_int(before, IPPROTO_TCP, 18) == 5)
                set_int(before, IPPROTO_TCP, 18, 6);
            _exit(inner == IPPROTO_MPTCP ? 0 : 1);
        }
        waitpid(child, &status, 0);
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        printf("child %d parent %d\n", WEXITSTATUS(status), protocol_of(fd));
    } else if (strcmp(what, "handler") == 0) {
        struct sigaction action = {.sa_handler = on_signal};
        stack_t small = {.ss_sp = malloc(16384), .ss_size = 16384};
        action.sa_flags = SA_ONSTACK;
        sigaltstack(&small, NULL);
        sigaction(SIGUSR1, &action, NULL);
        raise(SIGUSR1);
        printf("protocol %d\n", handled);
    } else if (strcmp(what, "clearenv") == 0) {
        clearenv();
        printf("protocol %d\n", protocol_of(socket(AF_INET, SOCK_STREAM, 0)));
    } else if (strcmp(what, "inet") == 0) {
        /* fd 2 becomes one end of a connection: nothing but "payload" may come out of the other. */
        char got[4096] = "";
        int listener = kernel_socket(AF_INET, IPPROTO_TCP),
            peer = kernel_socket(AF_INET, IPPROTO_TCP);
        listen_on(listener, AF_INET);
        connect_to(peer, listener);
        dup2(accept(listener, NULL, NULL), 2);
        close(socket(AF_INET, SOCK_STREAM, 0));
        if (write(2, "payload", 7) != 7)
            return 1;
        read(peer, got, sizeof(got) - 1);
        printf("got %s\n", got);
    } else if (strcmp(what, "late") == 0) {
        /* fd 2 becomes a file of the program's own. */
        char got[4096] = "";
        int file = open(argv[2], O_CREAT | O_TRUNC | O_RDWR, 0600);
        dup2(file, 2);
        close(socket(AF_INET, SOCK_STREAM, 0));
        printf("got %zd\n", pread(file, got, sizeof(got), 0));
    } else if (strcmp(what, "closed") == 0) {
        /* Nobody reads fd 2 any more: SIGPIPE would end this program. */
        usleep(200000);
        close(socket(AF_INET, SOCK_STREAM, 0));
        printf("alive\n");
    } else if (strcmp(what, "lines") == 0) {
        int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
        set_int(fd, IPPROTO_TCP, 18, 5000);
        set_int(fd, SOL_SOCKET, SO_RCVBUF, 4096);
        set_int(fd, SOL_SOCKET, SO_SNDBUF, 4096);
        setsockopt(fd, SOL_SOCKET, 60 /* SO_ZEROCOPY */, &one, sizeof(one));
        printf("pid %d fd %d\n", getpid(), fd);
    }
    return 0;
}
