/*
 * What the launcher needs of the kernel's interface. No C library and none of its headers: one
 * source for both machines, and nothing that runs before the first line of ours.
 */
#ifndef LAUNCHER_KERNEL_H
#define LAUNCHER_KERNEL_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64; /* LP64: both machines that this is built for */

/* arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h @ v6.12 */
#if defined(__x86_64__)
enum {
    SYS_read = 0,
    SYS_write = 1,
    SYS_mmap = 9,
    SYS_rt_sigaction = 13,
    SYS_pread64 = 17,
    SYS_socket = 41,
    SYS_execve = 59,
    SYS_fgetxattr = 193,
    SYS_exit_group = 231,
    SYS_openat = 257,
    SYS_newfstatat = 262,
    SYS_prlimit64 = 302,
    EM_THIS_MACHINE = 62,
};
#define MACHINE "x86_64"
#elif defined(__aarch64__)
enum {
    SYS_fgetxattr = 10,
    SYS_openat = 56,
    SYS_read = 63,
    SYS_write = 64,
    SYS_pread64 = 67,
    SYS_newfstatat = 79,
    SYS_exit_group = 94,
    SYS_rt_sigaction = 134,
    SYS_socket = 198,
    SYS_execve = 221,
    SYS_mmap = 222,
    SYS_prlimit64 = 261,
    EM_THIS_MACHINE = 183,
};
#define MACHINE "aarch64"
#else
#error "no launcher for this machine"
#endif

/* include/uapi/asm-generic/errno-base.h, errno.h @ v6.12 */
enum {
    ENOENT = 2,
    E2BIG = 7,
    EACCES = 13,
    ENODEV = 19,
    ENOTDIR = 20,
    ENODATA = 61,
    EOPNOTSUPP = 95,
    ETIMEDOUT = 110,
    ESTALE = 116,
};

/* include/uapi/linux/auxvec.h, fcntl.h, stat.h, net.h, in.h, resource.h, mman.h @ v6.12 */
enum {
    AT_NULL = 0,
    AT_UID = 11,
    AT_EUID = 12,
    AT_GID = 13,
    AT_EGID = 14,
    AT_SECURE = 23,
    AT_FDCWD = -100,
    AT_SYMLINK_NOFOLLOW = 0x100,
    O_CLOEXEC = 02000000,
    S_IFMT = 0170000,
    S_IFDIR = 0040000,
    S_IFREG = 0100000,
    AF_INET = 2,
    SOCK_STREAM = 1,
    SOCK_CLOEXEC = 02000000,
    IPPROTO_MPTCP = 262,
    RLIMIT_NOFILE = 7,
    PROT_READ = 1,
    PROT_WRITE = 2,
    MAP_PRIVATE = 2,
    MAP_ANONYMOUS = 0x20,
    SIGPIPE = 13,
    SIG_IGN = 1,
    PATH_MAX = 4096,
};

/* arch/x86/include/uapi/asm/stat.h, include/uapi/asm-generic/stat.h @ v6.12 */
struct stat {
    u64 st_dev;
    u64 st_ino;
#if defined(__x86_64__)
    u64 st_nlink;
    u32 st_mode;
#else
    u32 st_mode;
    u32 st_nlink;
#endif
    u32 st_uid;
    u32 st_gid;
#if defined(__x86_64__)
    u32 pad;
#endif
    u64 st_rdev;
#if defined(__aarch64__)
    u64 pad;
#endif
    u64 st_size;
    u64 rest[11];
};
_Static_assert(__builtin_offsetof(struct stat, st_size) == 48, "the same place on both machines");
_Static_assert(sizeof(struct stat) >= 144, "room for what the kernel writes");

/* The beginning of struct sigaction as the kernel has it; 32 bytes at most. */
struct kernel_sigaction {
    u64 handler;
    u64 rest[3];
};

struct rlimit64 {
    u64 soft;
    u64 hard;
};

/* Calls the kernel; a result from -4095 to -1 is an error number with its sign changed. */
static inline long syscall6(long number, long a, long b, long c, long d, long e, long f) {
#if defined(__x86_64__)
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
#else
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
#endif
}

static inline long syscall4(long number, long a, long b, long c, long d) {
    return syscall6(number, a, b, c, d, 0, 0);
}

static inline long kernel_stat(const char *path, struct stat *stat, int flags) {
    return syscall4(SYS_newfstatat, AT_FDCWD, (long)path, (long)stat, flags);
}

static inline long kernel_open(const char *path) {
    return syscall4(SYS_openat, AT_FDCWD, (long)path, O_CLOEXEC, 0);
}

static inline long kernel_execve(const char *path, const char *const *argv,
                                 const char *const *envp) {
    return syscall4(SYS_execve, (long)path, (long)argv, (long)envp, 0);
}

#endif
