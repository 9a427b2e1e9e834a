/*
 * Becomes a static program, patched: a process beside this one changes it once it is executed. Two
 * programs begin here, the patcher and the launcher, and neither has memory of its own to write to.
 */
#include "become.h"
#include "patch.h"

enum { FAILED = 125, CANNOT_EXECUTE = 126, NOT_FOUND = 127, TRACER_STACK = 1 << 16 };

/* What both processes see until the exec; the kernel sets `state` to 0 when the tracer ends. */
enum state { ENDED, MADE, ALLOWED, ATTACHED, REFUSED };
struct shared {
    volatile int state;
    long error;
    struct job job;
    struct image image;
    u8 tracer_stack[TRACER_STACK] __attribute__((aligned(16)));
};

static _Noreturn void end(int status) {
    for (;;)
        system_call(SYS_exit_group, status, 0, 0, 0, 0);
}

static void wait_while(struct shared *shared, int state) {
    while (shared->state == state)
        system_call(SYS_futex, (long)&shared->state, FUTEX_WAIT, state, 0, 0);
}

/*
 * The same for the tracer, which may have been stopped with the group of the two before it left it,
 * while this process alone was continued.
 */
static void wait_for_tracer(struct shared *shared, long tracer) {
    const struct { long seconds, nanoseconds; } timeout = {0, 10000000};

    while (shared->state == ALLOWED) {
        if (system_call(SYS_futex, (long)&shared->state, FUTEX_WAIT, ALLOWED, (long)&timeout, 0) ==
            -ETIMEDOUT)
            system_call(SYS_kill, tracer, SIGCONT, 0, 0, 0);
    }
}

static void set_state(struct shared *shared, int state) {
    shared->state = state;
    system_call(SYS_futex, (long)&shared->state, FUTEX_WAKE, 1, 0, 0);
}

/* Lets the tracer go on, unless it has been killed already. */
static void allow(struct shared *shared) {
    int made = MADE;

    if (__atomic_compare_exchange_n(&shared->state, &made, ALLOWED, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST))
        system_call(SYS_futex, (long)&shared->state, FUTEX_WAKE, 1, 0, 0);
}

__attribute__((used)) _Noreturn void tracer_main(struct shared *shared) {
    long result;

    /*
     * Who stops the program's group, or its terminal, means the program alone. Its signals are
     * blocked, so the terminal lets it write all the same (tty_check_change()).
     */
    system_call(SYS_setpgid, 0, 0, 0, 0, 0);
    /* Killed before its next step, it would be waited for in vain. */
    system_call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (system_call(SYS_getppid, 0, 0, 0, 0, 0) != shared->job.pid)
        end(0);
    wait_while(shared, MADE);
    result = system_call(SYS_ptrace, PTRACE_SEIZE, shared->job.pid, 0,
                         PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC, 0);
    shared->error = result;
    set_state(shared, is_error(result) ? REFUSED : ATTACHED);
    if (!is_error(result))
        trace(&shared->job);
    end(0);
}

/* A process that shares this one's memory and runs tracer_main() on a stack of its own. */
static long start_tracer(struct shared *shared) {
    const long flags = CLONE_VM | CLONE_CHILD_CLEARTID;
    u64 *top = (u64 *)(shared->tracer_stack + TRACER_STACK);

    *--top = (u64)shared; /* what it begins with */
#if defined(__x86_64__)
    register long result __asm__("rax") = SYS_clone;
    register long r10 __asm__("r10") = (long)&shared->state;
    register long r8 __asm__("r8") = 0;

    __asm__ volatile("syscall\n"
                     "	testq %%rax, %%rax\n"
                     "	jnz 1f\n"
                     "	xorl %%ebp, %%ebp\n"
                     "	popq %%rdi\n"
                     "	call tracer_main\n"
                     "1:\n"
                     : "+r"(result)
                     : "D"(flags), "S"(top), "d"(0L), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory", "cc");
    return result;
#else
    register long result __asm__("x0") = flags;
    register u64 *x1 __asm__("x1") = top - 1; /* aligned to 16 bytes */
    register long x2 __asm__("x2") = 0;
    register long x3 __asm__("x3") = 0;
    register long x4 __asm__("x4") = (long)&shared->state;
    register long x8 __asm__("x8") = SYS_clone;

    __asm__ volatile("svc #0\n"
                     "	cbnz x0, 1f\n"
                     "	mov x29, #0\n"
                     "	ldr x0, [sp, #8]\n"
                     "	bl tracer_main\n"
                     "1:\n"
                     : "+r"(result)
                     : "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x8)
                     : "x30", "memory", "cc");
    return result;
#endif
}

/*
 * Whether a child of this process is in the namespace of this one. After unshare(CLONE_NEWPID) the
 * first child is the init of the new one, and with its end nothing can be forked there any more.
 */
static bool has_plain_children(void) {
    struct stat own, children;

    return kernel_stat("/proc/self/ns/pid", &own, 0) == 0 &&
           kernel_stat("/proc/self/ns/pid_for_children", &children, 0) == 0 &&
           own.st_ino == children.st_ino;
}

/* Whether memory can be had that is executable: SELinux may refuse it, or a limit. */
static bool has_executable_memory(void) {
    long mapped = system_call6(SYS_mmap, 0, STUB_ROOM, PROT_READ | PROT_EXEC,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (is_error(mapped))
        return false;
    system_call(SYS_munmap, mapped, STUB_ROOM, 0, 0, 0);
    return true;
}

/* Starts the tracer, which attaches itself; gives the reason why not, or null. Signals are blocked.
 */
static const char *begin(struct shared *shared, long *tracer, u64 *blocked) {
    const u64 all = ~0UL, sigchld = 1UL << (SIGCHLD - 1);
    u64 pending = 0;

    if (!has_plain_children())
        return "its children would be in another PID namespace, or /proc is missing";
    system_call(SYS_rt_sigprocmask, SIG_BLOCK, (long)&all, (long)blocked, 8, 0);
    system_call(SYS_rt_sigpending, (long)&pending, 8, 0, 0, 0);
    shared->state = MADE;
    shared->job.pid = (u32)system_call(SYS_getpid, 0, 0, 0, 0, 0);
    *tracer = start_tracer(shared);
    if (is_error(*tracer)) {
        system_call(SYS_rt_sigprocmask, SIG_SETMASK, (long)blocked, 0, 8, 0);
        return "no process can be started beside it (clone)";
    }
    shared->job.farewell.pid = (u32)*tracer;
    /*
     * The exec makes the tracer's end send SIGCHLD (do_notify_parent, kernel/signal.c @ v6.12),
     * which is dropped unless it is blocked.
     */
    shared->job.farewell.take_sigchld = (*blocked & sigchld) != 0 && (pending & sigchld) == 0;
    /* Where there is Yama; forgotten with the tracer's end. */
    system_call(SYS_prctl, PR_SET_PTRACER, *tracer, 0, 0, 0);
    allow(shared);
    return 0;
}

/* Waits until the tracer is attached; gives the reason why it is not, or null. */
static const char *await(struct shared *shared, long tracer) {
    wait_for_tracer(shared, tracer);
    if (shared->state == ATTACHED)
        return 0;
    return shared->error == -EPERM || shared->error == -EACCES
               ? "the kernel does not let it be traced (ptrace: EPERM)"
               : "it could not be traced (ptrace)";
}

static void dismiss(long tracer) {
    system_call(SYS_kill, tracer, SIGKILL, 0, 0, 0);
    system_call(SYS_wait4, tracer, 0, WALL, 0, 0);
}

/* Searches the program while the tracer starts; gives the reason why it stays as it is, or null. */
static const char *prepare(struct shared *shared, const char *path, long *tracer) {
    struct image *image = &shared->image;
    u64 blocked = 0;
    const char *reason = read_image(image, path);

    if (reason == 0)
        reason = begin(shared, tracer, &blocked);
    if (reason != 0)
        return reason;
    reason = find_sites(image);
    if (reason == 0 && !fits_behind_code(image) && !has_executable_memory())
        reason = "there is no executable memory for it (mmap)";
    if (reason == 0)
        reason = await(shared, *tracer);
    if (reason != 0)
        dismiss(*tracer);
    system_call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&blocked, 0, 8, 0);
    return reason;
}

/* All that is written to; null if there is no memory. Gone with the exec. */
static struct shared *make_shared(const struct patched_command *command) {
    long mapped = system_call6(SYS_mmap, 0, sizeof(struct shared), PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct shared *shared = (struct shared *)mapped;

    if (is_error(mapped))
        return 0;
    shared->job.image = &shared->image;
    shared->job.program = command->path;
    shared->job.debug = command->debug;
    shared->job.strict = command->strict;
    return shared;
}

_Noreturn void become_patched(const struct patched_command *command) {
    struct shared *shared = make_shared(command);
    long tracer = 0, result;
    const char *reason =
        shared == 0 ? "there is no memory for it (mmap)" : prepare(shared, command->image, &tracer);

    if (reason != 0) {
        say_stays(command->path, reason);
        if (command->strict)
            end(FAILED);
    }
    result = kernel_execve(command->path, command->argv, command->envp);
    if (reason == 0)
        dismiss(tracer);
    say("mptcpize: Cannot run ");
    say(command->path);
    say(": the kernel refuses to execute it (execve: ");
    say_error(result);
    say(")\n");
    end(result == -ENOENT ? NOT_FOUND : CANNOT_EXECUTE);
}
