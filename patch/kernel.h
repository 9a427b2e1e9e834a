/* What patching needs of the kernel's interface beyond what the launcher needs. */
#ifndef PATCH_KERNEL_H
#define PATCH_KERNEL_H

#include "../launcher/kernel.h"

/* include/uapi/linux/ptrace.h, sched.h, wait.h, prctl.h, futex.h, asm-generic/signal.h @ v6.12 */
enum {
    PTRACE_PEEKDATA = 2,
    PTRACE_POKEDATA = 5,
    PTRACE_CONT = 7,
    PTRACE_DETACH = 17,
    PTRACE_SYSCALL = 24,
    PTRACE_SETOPTIONS = 0x4200,
    PTRACE_GETREGSET = 0x4204,
    PTRACE_SETREGSET = 0x4205,
    PTRACE_SEIZE = 0x4206,
    PTRACE_LISTEN = 0x4208,
    PTRACE_O_TRACESYSGOOD = 1,
    PTRACE_O_TRACEEXEC = 0x10,
    PTRACE_O_EXITKILL = 0x100000,
    PTRACE_EVENT_EXEC = 4,
    PTRACE_EVENT_STOP = 128,
    NT_PRSTATUS = 1,
    CLONE_VM = 0x100,
    CLONE_CHILD_CLEARTID = 0x200000,
    WALL = 0x40000000,
    PR_SET_PDEATHSIG = 1,
    PR_SET_PTRACER = 0x59616d61,
    FUTEX_WAIT = 0,
    FUTEX_WAKE = 1,
    SIG_BLOCK = 0,
    SIG_SETMASK = 2,
    SIGKILL = 9,
    SIGTRAP = 5,
    SIGCHLD = 17,
    SIGCONT = 18,
    PROT_EXEC = 4,
    MAP_FIXED_NOREPLACE = 0x100000,
    AT_EMPTY_PATH = 0x1000,
    AT_PHDR = 3,
    AT_PHNUM = 5,
    AT_BASE = 7,
    AT_ENTRY = 9,
    AT_RANDOM = 25,
};

/* struct iovec */
struct iovec {
    void *base;
    u64 size;
};

/* arch/x86/include/asm/user_64.h (user_regs_struct), arch/arm64 user_pt_regs @ v6.12 */
#if defined(__x86_64__)
enum {
    REG_R10 = 7,
    REG_R9 = 8,
    REG_R8 = 9,
    REG_RESULT = 10,
    REG_DX = 12,
    REG_SI = 13,
    REG_DI = 14,
    REG_ORIGINAL = 15,
    REG_PC = 16,
    REG_SP = 19,
    REG_COUNT = 27,
};
#else
enum {
    REG_RESULT = 0,
    REG_SP = 31,
    REG_PC = 32,
    REG_COUNT = 34,
};
#endif

static inline _Bool is_error(long result) {
    return result < 0 && result >= -4095;
}

#endif
