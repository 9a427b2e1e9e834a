/* What the launcher and the patcher need of the kernel's interface beyond what all C of ours needs.
 */
#ifndef LAUNCHER_KERNEL_H
#define LAUNCHER_KERNEL_H

#include "../ffi/kernel.h"

/* include/uapi/linux/elf-em.h @ v6.12 */
#if defined(__x86_64__)
enum { EM_THIS_MACHINE = 62 };
#define MACHINE "x86_64"
#else
enum { EM_THIS_MACHINE = 183 };
#define MACHINE "aarch64"
#endif

/* include/uapi/linux/auxvec.h, fcntl.h, resource.h, limits.h, asm-generic/signal.h @ v6.12 */
enum {
    AT_NULL = 0,
    AT_UID = 11,
    AT_EUID = 12,
    AT_GID = 13,
    AT_EGID = 14,
    AT_SECURE = 23,
    AT_SYMLINK_NOFOLLOW = 0x100,
    RLIMIT_NOFILE = 7,
    SIGPIPE = 13,
    SIG_IGN = 1,
    PATH_MAX = 4096,
};

/* The beginning of struct sigaction as the kernel has it; 32 bytes at most. */
struct kernel_sigaction {
    u64 handler;
    u64 rest[3];
};

struct rlimit64 {
    u64 soft;
    u64 hard;
};

static inline long kernel_stat(const char *path, struct stat *stat, int flags) {
    return system_call(SYS_newfstatat, AT_FDCWD, (long)path, (long)stat, flags, 0);
}

static inline long kernel_open(const char *path) {
    return system_call(SYS_openat, AT_FDCWD, (long)path, O_CLOEXEC, 0, 0);
}

static inline long kernel_execve(const char *path, const char *const *argv,
                                 const char *const *envp) {
    return system_call(SYS_execve, (long)path, (long)argv, (long)envp, 0, 0);
}

#endif
