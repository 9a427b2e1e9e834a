/*
 * What a forced program may do to itself before it makes a socket: surroundings WHAT [ARG…]. Linked
 * dynamically for preload and statically for patch.
 */
#define _GNU_SOURCE
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SIOCGSKNS
#define SIOCGSKNS 0x894C
#endif

static int protocol(int fd) {
    int value = -1;
    socklen_t length = sizeof(value);

    getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &value, &length);
    return value;
}

static int make(void) {
    return socket(AF_INET, SOCK_STREAM, 0);
}

/* Whether a socket is in the network namespace that this process is in. */
static int is_own(int fd) {
    struct stat own, of;
    int space = ioctl(fd, SIOCGSKNS);

    return stat("/proc/self/ns/net", &own) == 0 && fstat(space, &of) == 0 &&
           own.st_ino == of.st_ino;
}

static void in_namespace(int flags) {
    int fd, status;

    if (unshare(flags) != 0) {
        perror("unshare");
        exit(1);
    }
    fflush(stdout);
    if (fork() != 0) {
        wait(&status);
        exit(WEXITSTATUS(status));
    }
    fd = make();
    printf("protocol %d own %d\n", protocol(fd), is_own(fd));
}

/* As other users' sockets are told from each other: by the socket's inode. */
static void drop_rights(void) {
    struct stat stat;
    int fd;

    if (setgroups(0, NULL) != 0 || setresgid(1000, 1000, 1000) != 0 ||
        setresuid(1000, 1000, 1000) != 0)
        exit(1);
    fd = make();
    fstat(fd, &stat);
    printf("protocol %d uid %d\n", protocol(fd), (int)stat.st_uid);
}

/*
 * socket(2) in code that is packed in the file, and unpacked into memory of its own while the
 * program runs: as packers and compilers at run time do it.
 */
#if defined(__x86_64__)
static const unsigned char packed[] = {0xe2, 0x73, 0x5a, 0x5a, 0x5a, 0x55, 0x5f, 0x99};
#else
static const unsigned char packed[] = {0x92, 0x42, 0xda, 0x88, 0x5b, 0x5a,
                                       0x5a, 0x8e, 0x9a, 0x59, 0x05, 0x8c};
#endif
static volatile unsigned char key = 0x5a;

static void made_at_run_time(void) {
    unsigned char *code =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    for (unsigned at = 0; at < sizeof(packed); at++)
        code[at] = packed[at] ^ key;
    mprotect(code, 4096, PROT_READ | PROT_EXEC);
    __builtin___clear_cache((char *)code, (char *)code + sizeof(packed));
    printf("protocol %d, and of the code %d\n", protocol(make()),
           protocol(((int (*)(long, long, long))code)(AF_INET, SOCK_STREAM, 0)));
}

#if defined(__x86_64__)
/* The call of 32-bit programs, which a 64-bit one may make as well. */
static void by_interrupt(void) {
    long fd = 359;

    __asm__ volatile("int $0x80"
                     : "+a"(fd)
                     : "b"((long)AF_INET), "c"((long)SOCK_STREAM), "d"(0L)
                     : "memory", "r8", "r9", "r10", "r11");
    printf("protocol %d, and of int 0x80 %d\n", protocol(make()), protocol((int)fd));
}
#else
static void by_interrupt(void) {
}
#endif

/* A child that goes on, for whoever wants to look at it. */
static void leave_child(void) {
    pid_t child = fork();

    if (child == 0) {
        printf("%d %d\n", (int)getpid(), protocol(make()));
        fflush(stdout);
    }
    pause();
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";

    if (strcmp(what, "protocol") == 0)
        printf("%d\n", protocol(make()));
    else if (strcmp(what, "ids") == 0)
        printf("uid %d euid %d protocol %d\n", (int)getuid(), (int)geteuid(), protocol(make()));
    else if (strcmp(what, "net") == 0)
        in_namespace(CLONE_NEWNET);
    else if (strcmp(what, "user") == 0)
        in_namespace(CLONE_NEWUSER);
    else if (strcmp(what, "user-net") == 0)
        in_namespace(CLONE_NEWUSER | CLONE_NEWNET);
    else if (strcmp(what, "pid") == 0)
        in_namespace(CLONE_NEWPID);
    else if (strcmp(what, "drop") == 0)
        drop_rights();
    else if (strcmp(what, "code") == 0)
        made_at_run_time();
    else if (strcmp(what, "int80") == 0)
        by_interrupt();
    else if (strcmp(what, "child") == 0)
        leave_child();
    else if (strcmp(what, "spawn") == 0 && argc > 2) {
        int status = 0;

        if (fork() == 0) {
            execv(argv[2], argv + 2);
            _exit(127);
        }
        wait(&status);
        return WEXITSTATUS(status);
    } else
        return 2;
    return 0;
}
