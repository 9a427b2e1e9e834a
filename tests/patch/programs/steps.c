/*
 * steps PATCHER PROGRAM [EVERY]: starts the program patched, once for each system call of the
 * tracer (of the same ones in a row, the first; of those, each one or every so many) and each thing
 * that may befall the two, and holds the tracer at that call while it happens. Prints what came out
 * other than without the patcher, and "held N".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef PTRACE_EVENT_STOP
#define PTRACE_EVENT_STOP 128
#endif

/* What happens, and what is to come out: the program's end as wait(2) has it, and its protocol. */
struct event {
    const char *name;
    int signal;     /* sent to the program */
    bool group;     /* or to its process group */
    bool to_tracer; /* or to the tracer */
    bool is_seen;   /* SIGCONT follows only when the program's parent has seen it stop */
    int ignored;    /* a signal that the program ignores from its start */
    int end;        /* -1: either the program's own end, or SIGKILL */
};
static const struct event events[] = {
    {"is stopped, and continued at once", SIGSTOP, .end = 0},
    {"is stopped, and continued later", SIGSTOP, .is_seen = true, .end = 0},
    {"is stopped by the terminal, and continued later", SIGTSTP, .is_seen = true, .end = 0},
    {"is stopped with its group, and continued alone", SIGSTOP, .group = true, .is_seen = true,
     .end = 0},
    {"is ended", SIGTERM, .end = SIGTERM},
    {"is killed", SIGKILL, .end = SIGKILL},
    {"ignores a signal", SIGINT, .ignored = SIGINT, .end = 0},
    {"ignores what nobody handles", SIGWINCH, .end = 0},
    {"gets a signal that its group gets", SIGTERM, .group = true, .end = SIGTERM},
    {"loses its tracer", SIGKILL, .to_tracer = true, .end = -1},
};
static pid_t program, tracer;
static const char *what;
static int step;

static void check(bool holds, const char *words) {
    if (!holds) {
        fprintf(stderr, "steps: %s: %s\n", words, strerror(errno));
        exit(2);
    }
}

static void hangs(int number) {
    (void)number;
    printf("hangs when it %s before call %d of the tracer\n", what, step);
    fflush(stdout);
    kill(program, SIGKILL);
    kill(tracer, SIGKILL);
    _exit(1);
}

static void become(const struct event *event, int output, char **words) {
    setpgid(0, 0);
    if (event->ignored)
        signal(event->ignored, SIG_IGN);
    dup2(output, 1);
    dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), 2);
    raise(SIGSTOP);
    execv(words[0], words);
    _exit(99);
}

/* Waits for the clone of the tracer, and leaves the program. */
static void take_tracer(void) {
    unsigned long child = 0;
    int status;

    check(waitpid(program, &status, WUNTRACED) == program && WIFSTOPPED(status), "start");
    check(ptrace(PTRACE_SEIZE, program, 0, PTRACE_O_TRACECLONE) == 0, "seize");
    kill(program, SIGCONT);
    do {
        check(waitpid(program, &status, __WALL) == program && WIFSTOPPED(status), "clone");
        if (status >> 16 == PTRACE_EVENT_CLONE)
            break;
        ptrace(PTRACE_CONT, program, 0,
               status >> 16 || WSTOPSIG(status) == SIGSTOP ? 0 : WSTOPSIG(status));
    } while (true);
    check(ptrace(PTRACE_GETEVENTMSG, program, 0, &child) == 0, "message");
    tracer = (pid_t)child;
    check(waitpid(tracer, &status, __WALL) == tracer, "tracer");
    check(ptrace(PTRACE_SETOPTIONS, tracer, 0, PTRACE_O_TRACESYSGOOD) == 0, "options");
    check(ptrace(PTRACE_DETACH, program, 0, 0) == 0, "leave");
}

static void happen(const struct event *event) {
    kill(event->to_tracer ? tracer : event->group ? -program : program, event->signal);
    if ((event->signal == SIGSTOP || event->signal == SIGTSTP) && !event->is_seen)
        kill(program, SIGCONT);
}

/* Whether the call that the tracer is about to make is another than the one before. */
static bool is_new(unsigned long *last) {
    struct __ptrace_syscall_info info = {0};
    unsigned long call;

    /* It may have been killed, with the program. */
    if (ptrace(PTRACE_GET_SYSCALL_INFO, tracer, sizeof(info), &info) <= 0)
        return false;
    call = info.entry.nr << 32 | (unsigned)info.entry.args[0];
    if (call == *last)
        return false;
    *last = call;
    return true;
}

/* One start; false if the tracer was through before the step. */
static bool start(const struct event *event, char **words) {
    int pipes[2], status, end = -1, calls = 0, length;
    bool entered = false, happened = false, traced = true;
    unsigned long last = 0;
    char output[64];

    check(pipe2(pipes, O_CLOEXEC) == 0, "pipe");
    what = event->name;
    program = fork();
    if (program == 0)
        become(event, pipes[1], words);
    close(pipes[1]);
    alarm(60);
    take_tracer();
    ptrace(PTRACE_SYSCALL, tracer, 0, 0);
    while (end == -1 || traced) {
        pid_t pid = waitpid(-1, &status, __WALL | WUNTRACED);
        int number = WSTOPSIG(status), onwards;

        check(pid > 0, "wait");
        if (pid == program) {
            if (WIFSTOPPED(status))
                kill(program, SIGCONT);
            else
                end = status;
            continue;
        }
        if (!WIFSTOPPED(status)) {
            traced = false;
        } else if (number == (SIGTRAP | 0x80)) {
            entered = !entered;
            if (entered && is_new(&last) && calls++ == step) {
                happened = true;
                happen(event);
            }
            ptrace(happened ? PTRACE_CONT : PTRACE_SYSCALL, tracer, 0, 0);
        } else if (status >> 16 == PTRACE_EVENT_STOP && number != SIGTRAP) {
            ptrace(PTRACE_LISTEN, tracer, 0, 0);
        } else {
            onwards = status >> 16 ? 0 : number;
            ptrace(happened ? PTRACE_CONT : PTRACE_SYSCALL, tracer, 0, onwards);
        }
    }
    alarm(0);
    length = (int)read(pipes[0], output, sizeof(output) - 1);
    output[length < 0 ? 0 : length] = 0;
    close(pipes[0]);
    if (happened && (event->end == -1 ? end != SIGKILL && (end != 0 || length == 0)
                                      : (end & 0x7f) != event->end ||
                                            strcmp(output, event->end == 0 ? "262\n" : "") != 0))
        printf("ends with %x and '%s' when it %s before call %d of the tracer\n", (unsigned)end,
               output, event->name, step);
    return happened;
}

int main(int argc, char **argv) {
    char *words[] = {argv[1], argv[2], argv[2], argv[2], "protocol", NULL};
    int held = 0, every = argc == 4 ? atoi(argv[3]) : 1;

    check((argc == 3 || argc == 4) && every > 0, "usage");
    signal(SIGALRM, hangs);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (unsigned index = 0; index < sizeof(events) / sizeof(*events); index++)
        for (step = 0; start(events + index, words); step += every)
            held++;
    printf("held %d\n", held);
    return 0;
}
