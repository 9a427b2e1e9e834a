/*
 * What all C of ours needs of the kernel's interface. No C library and none of its headers: one
 * source for both machines, for glibc and musl, and nothing that runs before the first line of
 * ours.
 */
#ifndef FFI_KERNEL_H
#define FFI_KERNEL_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64; /* LP64: both machines that this is built for */

/* arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h @ v6.12 */
#if defined(__x86_64__)
enum {
    SYS_read = 0,
    SYS_write = 1,
    SYS_close = 3,
    SYS_fstat = 5,
    SYS_mmap = 9,
    SYS_munmap = 11,
    SYS_rt_sigaction = 13,
    SYS_rt_sigprocmask = 14,
    SYS_pread64 = 17,
    SYS_pwrite64 = 18,
    SYS_getpid = 39,
    SYS_socket = 41,
    SYS_shutdown = 48,
    SYS_getsockname = 51,
    SYS_getpeername = 52,
    SYS_setsockopt = 54,
    SYS_getsockopt = 55,
    SYS_clone = 56,
    SYS_execve = 59,
    SYS_wait4 = 61,
    SYS_kill = 62,
    SYS_uname = 63,
    SYS_fcntl = 72,
    SYS_ptrace = 101,
    SYS_setpgid = 109,
    SYS_getppid = 110,
    SYS_rt_sigpending = 127,
    SYS_prctl = 157,
    SYS_gettid = 186,
    SYS_fgetxattr = 193,
    SYS_futex = 202,
    SYS_getdents64 = 217,
    SYS_exit_group = 231,
    SYS_tgkill = 234,
    SYS_waitid = 247,
    SYS_openat = 257,
    SYS_newfstatat = 262,
    SYS_readlinkat = 267,
    SYS_ppoll = 271,
    SYS_dup3 = 292,
    SYS_prlimit64 = 302,
    SYS_process_vm_readv = 310,
};
#elif defined(__aarch64__)
enum {
    SYS_fgetxattr = 10,
    SYS_dup3 = 24,
    SYS_fcntl = 25,
    SYS_openat = 56,
    SYS_close = 57,
    SYS_getdents64 = 61,
    SYS_read = 63,
    SYS_write = 64,
    SYS_pread64 = 67,
    SYS_pwrite64 = 68,
    SYS_ppoll = 73,
    SYS_readlinkat = 78,
    SYS_newfstatat = 79,
    SYS_fstat = 80,
    SYS_exit_group = 94,
    SYS_waitid = 95,
    SYS_futex = 98,
    SYS_ptrace = 117,
    SYS_kill = 129,
    SYS_tgkill = 131,
    SYS_rt_sigaction = 134,
    SYS_rt_sigprocmask = 135,
    SYS_rt_sigpending = 136,
    SYS_setpgid = 154,
    SYS_uname = 160,
    SYS_prctl = 167,
    SYS_getpid = 172,
    SYS_getppid = 173,
    SYS_gettid = 178,
    SYS_socket = 198,
    SYS_getsockname = 204,
    SYS_getpeername = 205,
    SYS_setsockopt = 208,
    SYS_getsockopt = 209,
    SYS_shutdown = 210,
    SYS_munmap = 215,
    SYS_clone = 220,
    SYS_execve = 221,
    SYS_mmap = 222,
    SYS_wait4 = 260,
    SYS_prlimit64 = 261,
    SYS_process_vm_readv = 270,
};
#else
#error "no such machine is known here"
#endif

/* include/uapi/asm-generic/errno-base.h, errno.h @ v6.12 */
enum {
    EPERM = 1,
    ENOENT = 2,
    EINTR = 4,
    E2BIG = 7,
    ENOMEM = 12,
    EACCES = 13,
    EFAULT = 14,
    ENODEV = 19,
    ENOTDIR = 20,
    EINVAL = 22,
    ENODATA = 61,
    ENOPROTOOPT = 92,
    EOPNOTSUPP = 95,
    ENOTCONN = 107,
    ETIMEDOUT = 110,
    ESTALE = 116,
};

/* include/linux/net.h, include/uapi/linux/in.h, fcntl.h, stat.h, asm-generic/mman.h @ v6.12 */
enum {
    AF_INET = 2,
    SOCK_STREAM = 1,
    SOCK_CLOEXEC = 02000000,
    IPPROTO_MPTCP = 262,
    AT_FDCWD = -100,
    O_RDONLY = 0,
    O_RDWR = 2,
    O_CLOEXEC = 02000000,
    S_IFMT = 0170000,
    S_IFDIR = 0040000,
    S_IFREG = 0100000,
    S_IFSOCK = 0140000,
    PROT_READ = 1,
    PROT_WRITE = 2,
    MAP_SHARED = 1,
    MAP_PRIVATE = 2,
    MAP_ANONYMOUS = 0x20,
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

/* Calls the kernel; a result from -4095 to -1 is an error number with its sign changed. */
static inline long system_call6(long number, long a, long b, long c, long d, long e, long f) {
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
    __asm__ volatile("svc #0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory", "cc");
    return x0;
#endif
}

/* The same without a sixth argument, which would be an instruction more each time. */
static inline long system_call(long number, long a, long b, long c, long d, long e) {
#if defined(__x86_64__)
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return result;
#else
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    __asm__ volatile("svc #0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
                     : "memory", "cc");
    return x0;
#endif
}

#endif
