/*
 * The parent of a command, as good as not there: signals go on to the command, it stops and
 * continues with it, and ends as it did. Loaded into mptcpize itself by `run --report`.
 *
 * In C since a handler may run at any time in any thread, and since only the handler is told where
 * a signal comes from: what the terminal sends, the whole process group has got already, and
 * passing it on would make one ^C two.
 */
#include "kernel.h"

#define EXPORTED __attribute__((visibility("default")))

/* include/uapi/asm-generic/signal.h, siginfo.h, linux/wait.h @ v6.12 */
enum {
    SIGQUIT = 3,
    SIGKILL = 9,
    SIGCHLD = 17,
    SIGSTOP = 19,
    SIGTSTP = 20,
    SIGTTIN = 21,
    SIGTTOU = 22,
    SIGNALS = 64,
    SA_SIGINFO = 4,
    SA_RESTORER = 0x04000000,
    SA_RESTART = 0x10000000,
    SIG_UNBLOCK = 1,
    P_PID = 1,
    WSTOPPED = 2,
    WEXITED = 4,
    CLD_STOPPED = 5,
    RLIMIT_CORE = 4,
};
#define SIG_DFL ((void *)0)
#define SIG_IGN ((void *)1)

struct action {
    void *handler;
    u64 flags;
    void *restorer;
    u64 mask;
};
struct info {
    int number;
    int error;
    int code;
    int padding;
    int pid;
    u32 uid;
    int status;
    int rest[25];
};
_Static_assert(sizeof(struct info) == 128, "siginfo_t");

#if defined(__x86_64__)
/* How a handler returns; arm64 has this in its vDSO. */
void restore(void);
__asm__(".hidden restore\n"
        "restore:\n"
        "	movl $15, %eax\n"
        "	syscall\n");
#define RESTORER SA_RESTORER, restore
#else
#define RESTORER 0, 0
#endif

/* Not those that a fault of our own raises, that nobody can catch, or that the runtime needs. */
static const u64 PASSED =
    ~(1ul << 3 | 1ul << 4 | 1ul << 5 | 1ul << 6 | 1ul << 7 | 1ul << 8 | 1ul << 10 | 1ul << 12 |
      1ul << 16 | 1ul << 18 | 1ul << 30 | 1ul << 31 | 1ul << 32);

static int child;
static u64 early;

static long action(int number, const struct action *new, struct action *old) {
    return system_call(SYS_rt_sigaction, number, (long)new, (long)old, sizeof(u64), 0);
}

static long own_pid(void) {
    return system_call(SYS_getpid, 0, 0, 0, 0, 0);
}

static void set_default(int number, struct action *old) {
    struct action new = {SIG_DFL, 0, 0, 0};
    action(number, &new, old);
}

/* To this very thread: it is dealt with before the call returns. */
static void raise_here(int number) {
    system_call(SYS_tgkill, own_pid(), system_call(SYS_gettid, 0, 0, 0, 0, 0), number, 0, 0);
}

static void pass(int number, const struct info *info, void *context) {
    (void)context;
    if (info->code > 0) /* the kernel's own: of a terminal, to the whole group */
        return;
    int to = __atomic_load_n(&child, __ATOMIC_ACQUIRE);
    if (to > 0)
        system_call(SYS_kill, to, number, 0, 0, 0);
    else if (to == 0)
        __atomic_fetch_or(&early, 1ul << (number - 1), __ATOMIC_RELEASE);
}

static void install(int number) {
    static const struct {
        u64 flags;
        void (*restorer)(void);
    } back = {RESTORER};
    struct action new = {(void *)pass, SA_SIGINFO | SA_RESTART | back.flags, (void *)back.restorer,
                         0};
    action(number, &new, 0);
}

/*
 * From now on signals wait for the command, or go to it. `ignored` are those that it is to find
 * ignored, as bits of a mask: the runtime has handlers of its own by now.
 */
EXPORTED void pass_signals(u64 ignored) {
    static const struct action ignore = {SIG_IGN, 0, 0, 0};
    for (int number = 1; number <= SIGNALS; number++) {
        u64 bit = 1ul << (number - 1);
        if ((PASSED & bit) == 0)
            continue;
        if (ignored & bit)
            action(number, &ignore, 0);
        else
            install(number);
    }
    /* Ignored, it would leave us without the command's status. */
    set_default(SIGCHLD, 0);
}

/* Tells which process the command is. */
EXPORTED void child_is(int pid) {
    __atomic_store_n(&child, pid, __ATOMIC_RELEASE);
    u64 waiting = __atomic_exchange_n(&early, 0, __ATOMIC_ACQ_REL);
    for (int number = 1; number <= SIGNALS; number++)
        if (waiting >> (number - 1) & 1)
            system_call(SYS_kill, pid, number, 0, 0, 0);
}

/* What is left to be written can be stopped, and ended by ^\\. An ^C may be late: it was the
 * command's. */
static void become_usual(void) {
    static const int numbers[] = {SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU};
    for (u64 i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct action old;
        if (action(numbers[i], 0, &old) == 0 && old.handler != SIG_IGN)
            set_default(numbers[i], 0);
    }
}

/* Waits until the command ends; fills in how (CLD_*) and its status. 0, or a negative errno. */
EXPORTED int wait_for_child(int *end) {
    for (;;) {
        struct info info;
        long result = system_call(SYS_waitid, P_PID, child, (long)&info, WEXITED | WSTOPPED, 0);
        if (result == -EINTR)
            continue;
        if (result < 0)
            return (int)result;
        if (info.code == CLD_STOPPED) {
            /* So that a shell sees its job stop. Not by the command's own signal: the terminal's
               may wait for us too, and would stop us a second time once it is no longer caught. */
            raise_here(SIGSTOP);
            continue;
        }
        __atomic_store_n(&child, -1, __ATOMIC_RELEASE);
        become_usual();
        end[0] = info.code;
        end[1] = info.status;
        return 0;
    }
}

/* Ends by the signal that ended the command, without a second core file. */
EXPORTED void end_as(int number) {
    u64 none[2] = {0, 0}, mask = 1ul << (number - 1);
    system_call(SYS_prlimit64, 0, RLIMIT_CORE, (long)none, 0, 0);
    if (number != SIGKILL)
        set_default(number, 0);
    system_call(SYS_rt_sigprocmask, SIG_UNBLOCK, (long)&mask, 0, sizeof(mask), 0);
    raise_here(number);
}
