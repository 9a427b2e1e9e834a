/* One static program with all that is asked of a patched one: matrix WHAT [ARG…]. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int protocol(int fd) {
    int value = -1;
    socklen_t length = sizeof(value);

    getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &value, &length);
    return value;
}

static void show(const char *name, int family, int type, int number) {
    int fd = socket(family, type, number);

    if (fd < 0)
        printf("%s errno %d\n", name, errno);
    else
        printf("%s fd %d protocol %d cloexec %d nonblock %d\n", name, fd, protocol(fd),
               fcntl(fd, F_GETFD), (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    if (fd > 2)
        close(fd);
}

static void kinds(void) {
    const int flags = SOCK_CLOEXEC | SOCK_NONBLOCK;
    int fd;

    show("tcp", AF_INET, SOCK_STREAM, 0);
    show("tcp 6", AF_INET, SOCK_STREAM, 6);
    show("tcp flags", AF_INET, SOCK_STREAM | flags, 0);
    show("tcp6", AF_INET6, SOCK_STREAM, 0);
    show("tcp6 6", AF_INET6, SOCK_STREAM | flags, 6);
    show("mptcp", AF_INET, SOCK_STREAM, 262);
    show("udp", AF_INET, SOCK_DGRAM, 0);
    show("udp 17", AF_INET6, SOCK_DGRAM | flags, 17);
    show("raw", AF_INET, SOCK_RAW, 1);
    show("unix", AF_UNIX, SOCK_STREAM, 0);
    show("sctp", AF_INET, SOCK_STREAM, 132);
    show("bad type", AF_INET, 77, 0);
    show("bad flags", AF_INET, SOCK_STREAM | 0x10, 0);
    show("bad flag", AF_INET, SOCK_STREAM | 0x40000000, 0);
    show("bad family", 99, SOCK_STREAM, 0);
    show("no family", -1, SOCK_STREAM, 0);
    show("bad protocol", AF_INET, SOCK_STREAM, -1);
    fd = (int)syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
    printf("syscall %d\n", protocol(fd));
    close(fd);
    printf("syscall errno %ld %d\n", syscall(SYS_socket, AF_INET, 77, 0), errno);
    close(0);
    show("lowest", AF_INET, SOCK_STREAM, 0);
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){3, 3});
    show("no room", AF_INET, SOCK_STREAM, 0);
}

static void *make_sockets(void *wrong) {
    for (int index = 0; index < 500; index++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        if (protocol(fd) != 262)
            ++*(int *)wrong;
        close(fd);
    }
    return NULL;
}

static void threads(void) {
    pthread_t all[8];
    int wrong[8] = {0}, sum = 0;

    for (int index = 0; index < 8; index++)
        pthread_create(all + index, NULL, make_sockets, wrong + index);
    for (int index = 0; index < 8; index++) {
        pthread_join(all[index], NULL);
        sum += wrong[index];
    }
    printf("wrong %d\n", sum);
}

static void forks(void) {
    int status;

    if (fork() == 0)
        _exit(protocol(socket(AF_INET, SOCK_STREAM, 0)) == 262 ? 42 : 1);
    printf("own %d\n", wait(&status) > 0 && WEXITSTATUS(status) == 42);
    printf("none left %d\n", wait(&status) == -1 && errno == ECHILD);
}

/* A is closed while B, made before, waits for its port. */
static void rebind(int rounds) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof(address);
    int taken = 0, wrong = 0;
    int held = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(held, (void *)&address, length) || getsockname(held, (void *)&address, &length))
        exit(1);
    for (int round = 0; round < rounds; round++) {
        int next = socket(AF_INET, SOCK_STREAM, 0);

        if (round == 0)
            wrong += protocol(next) != 262;
        close(held);
        if (bind(next, (void *)&address, length) != 0)
            taken++;
        held = next;
    }
    printf("taken %d wrong %d\n", taken, wrong);
}

static void on_signal(int number) {
    (void)number;
}

static void interrupted(void) {
    struct itimerval every = {{0, 100}, {0, 100}};
    int failed = 0, wrong = 0;

    /* Without SA_RESTART. */
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_signal}, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
    for (int index = 0; index < 20000; index++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        failed += fd < 0;
        wrong += fd >= 0 && protocol(fd) != 262;
        close(fd);
    }
    printf("failed %d wrong %d\n", failed, wrong);
}

/* All that a program can see of how it was started. */
static void state(void) {
    sigset_t set;
    char line[256];
    FILE *file = fopen("/proc/self/status", "r");
    DIR *folder = opendir("/proc/self/fd");
    int fds = 0, status;
    struct sigaction action;
    struct rusage usage;

    while (fgets(line, sizeof(line), file)) {
        const char *names[] = {"TracerPid", "Sig", "Shd",     "NoNewPrivs", "Seccomp",
                               "Cap",       "Uid", "Threads", "NSpid"};

        for (unsigned index = 0; index < sizeof(names) / sizeof(*names); index++)
            if (strncmp(line, names[index], strlen(names[index])) == 0 &&
                strncmp(line, "SigQ", 4) != 0 && strncmp(line, "NSpid", 5) != 0)
                fputs(line, stdout);
    }
    while (readdir(folder))
        fds++;
    printf("fds %d\n", fds);
    sigpending(&set);
    printf("pending %d\n", sigismember(&set, SIGCHLD));
    sigaction(SIGCHLD, NULL, &action);
    printf("sigchld %d %x\n", action.sa_handler == SIG_IGN, (unsigned)action.sa_flags);
    printf("child %d", wait(&status));
    printf(" errno %d\n", errno);
    printf("parent %d group %d\n", getppid(), getpgrp());
    getrusage(RUSAGE_CHILDREN, &usage);
    if (getenv("SHOW_PID"))
        printf("pid %d\n", getpid());
}

static void *other(void *unused) {
    (void)unused;
    return NULL;
}

#if defined(__x86_64__)
/* The registers before and after a call whose number stands in the code, and one where it does not.
 */
void probe_number(unsigned long *out);
void probe_register(unsigned long *out);
unsigned long probe_call = SYS_socket;
#define PROBE(name, load, behind)                                                                  \
    ".globl " name "\n" name ":\n"                                                                 \
    "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %rdi\n"                \
    "mov $0x1111111111111111, %rbx; mov $0x2222222222222222, %rbp\n"                               \
    "mov $0x3333333333333333, %r8; mov $0x4444444444444444, %r9\n"                                 \
    "mov $0x5555555555555555, %r10; mov $0x6666666666666666, %r12\n"                               \
    "mov $0x7777777777777777, %r13; mov $0x1888888888888888, %r14\n"                               \
    "mov $0x1999999999999999, %r15; mov $2, %edi; mov $1, %esi; mov $6, %edx\n"                    \
    "mov $0x7b, %ecx; mov %rcx, -8(%rsp); mov %rcx, -128(%rsp); stc\n" load "syscall\n" behind     \
    "mov (%rsp), %rcx; setc 104(%rcx); mov %rax, (%rcx); mov %rbx, 8(%rcx)\n"                      \
    "mov %rbp, 16(%rcx); mov %r8, 24(%rcx); mov %r9, 32(%rcx); mov %r10, 40(%rcx)\n"               \
    "mov %r12, 48(%rcx); mov %r13, 56(%rcx); mov %r14, 64(%rcx); mov %r15, 72(%rcx)\n"             \
    "mov %rdi, 80(%rcx); mov %rsi, 88(%rcx); mov %rdx, 96(%rcx)\n"                                 \
    "mov -8(%rsp), %rax; mov %rax, 112(%rcx); mov -128(%rsp), %rax; mov %rax, 120(%rcx)\n"         \
    "pop %rdi; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret\n"
__asm__(".text\n" PROBE("probe_number", "mov $41, %eax\n", "")
            PROBE("probe_register", "mov probe_call(%rip), %rax\n",
                  "mov %rax, %rax; mov %rbx, %rbx\n"));

static void registers(void) {
    void (*const probes[])(unsigned long *) = {probe_number, probe_register};

    for (int index = 0; index < 2; index++) {
        unsigned long out[16] = {0};

        probes[index](out);
        printf("protocol %d\n", protocol((int)out[0]));
        for (int at = 1; at < 16; at++)
            printf(" %lx", out[at]);
        printf("\n");
        close((int)out[0]);
    }
}
#else
static void registers(void) {
}
#endif

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    pthread_t thread;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (strcmp(what, "kinds") == 0)
        kinds();
    else if (strcmp(what, "threads") == 0)
        threads();
    else if (strcmp(what, "fork") == 0)
        forks();
    else if (strcmp(what, "rebind") == 0)
        rebind(atoi(argv[2]));
    else if (strcmp(what, "interrupted") == 0)
        interrupted();
    else if (strcmp(what, "state") == 0)
        state();
    else if (strcmp(what, "registers") == 0)
        registers();
    else if (strcmp(what, "protocol") == 0)
        printf("%d\n", protocol(socket(AF_INET, SOCK_STREAM, 0)));
    else if (strcmp(what, "exit") == 0)
        return atoi(argv[2]);
    else if (strcmp(what, "crash") == 0)
        *(volatile int *)0 = 1;
    else if (strcmp(what, "exec") == 0)
        return execv(argv[2], argv + 2), 1;
    else if (strcmp(what, "wait") == 0) {
        pthread_create(&thread, NULL, other, NULL);
        printf("%d\n", protocol(socket(AF_INET, SOCK_STREAM, 0)));
        pause();
    } else
        return 2;
    return 0;
}
