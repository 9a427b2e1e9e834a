/**
 * The symbols of the C library that this code uses, as data, each with its C type.
 *
 * @module
 */

import { NotFoundError } from "../errors.ts";

const SYMBOLS = {
  /** `int *__errno_location(void)` */
  __errno_location: { parameters: [], result: "pointer" },
  /** `int socket(int domain, int type, int protocol)` */
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  /** `int getsockopt(int fd, int level, int name, void *value, socklen_t *length)` */
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  /** `int getsockname(int fd, struct sockaddr *address, socklen_t *length)` */
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  /** `int getpeername(int fd, struct sockaddr *address, socklen_t *length)` */
  getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  /** `int bind(int fd, const struct sockaddr *address, socklen_t length)` */
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  /** `int listen(int fd, int backlog)` */
  listen: { parameters: ["i32", "i32"], result: "i32" },
  /** `int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)` */
  accept4: { parameters: ["i32", "pointer", "pointer", "i32"], result: "i32" },
  /** `int connect(int fd, const struct sockaddr *address, socklen_t length)` */
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  /** `int shutdown(int fd, int how)` */
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
  /** `int poll(struct pollfd *fds, nfds_t count, int timeout)` */
  poll: { parameters: ["buffer", "usize", "i32"], result: "i32" },
  /** The same in a thread of its own, for waits; its errno is not to be had. */
  poll_beside: {
    name: "poll",
    parameters: ["buffer", "usize", "i32"],
    result: "i32",
    nonblocking: true,
  },
  /** `ssize_t send(int fd, const void *data, size_t length, int flags)` */
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  /** `ssize_t recv(int fd, void *data, size_t length, int flags)` */
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  /** `int setsockopt(int fd, int level, int name, const void *value, socklen_t length)` */
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  /** `int open(const char *path, int flags, ...)`, without O_CREAT */
  open: { parameters: ["buffer", "i32"], result: "i32" },
  /** `unsigned if_nametoindex(const char *name)`; 0 for no such interface. */
  if_nametoindex: { parameters: ["buffer"], result: "u32" },
  /** `int setns(int fd, int type)` */
  setns: { parameters: ["i32", "i32"], result: "i32" },
  /** `int close(int fd)` */
  close: { parameters: ["i32"], result: "i32" },
  /** `int access(const char *path, int mode)` */
  access: { parameters: ["buffer", "i32"], result: "i32" },
  /** `ssize_t readlink(const char *path, char *target, size_t size)` */
  readlink: { parameters: ["buffer", "buffer", "usize"], result: "isize" },
  /** `ssize_t getxattr(const char *path, const char *name, void *value, size_t size)` */
  getxattr: { parameters: ["buffer", "buffer", "buffer", "usize"], result: "isize" },
  /** `int execve(const char *path, char *const argv[], char *const envp[])` */
  execve: { parameters: ["buffer", "buffer", "buffer"], result: "i32" },
  /** `int posix_spawn(pid_t *pid, const char *path, …actions, …attributes, char *const argv[], envp[])` */
  posix_spawn: {
    parameters: ["buffer", "buffer", "pointer", "pointer", "buffer", "buffer"],
    result: "i32",
  },
  /** `int memfd_create(const char *name, unsigned flags)` */
  memfd_create: { parameters: ["buffer", "u32"], result: "i32" },
  /** `sighandler_t signal(int number, sighandler_t handler)`; SIG_ERR is -1, SIG_DFL 0. */
  signal: { parameters: ["i32", "isize"], result: "isize" },
  /** `int getrlimit(int resource, struct rlimit *limit)` */
  getrlimit: { parameters: ["i32", "buffer"], result: "i32" },
  /** `int setrlimit(int resource, const struct rlimit *limit)` */
  setrlimit: { parameters: ["i32", "buffer"], result: "i32" },
  /** `int flock(int fd, int operation)` */
  flock: { parameters: ["i32", "i32"], result: "i32" },
  /** `int renameat2(int from, const char *path, int to, const char *path, unsigned flags)` */
  renameat2: { parameters: ["i32", "buffer", "i32", "buffer", "u32"], result: "i32" },
  /** `int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data)` */
  mount: { parameters: ["buffer", "buffer", "buffer", "usize", "buffer"], result: "i32" },
  /** `int umount2(const char *target, int flags)` */
  umount2: { parameters: ["buffer", "i32"], result: "i32" },
  /** `long syscall(long number, ...)`: for calls without a wrapper in older C libraries. */
  syscall: { parameters: ["isize", "isize", "isize", "isize"], result: "isize" },
} as const satisfies Deno.ForeignLibraryInterface;

/** The open C library. */
export type Libc = Deno.DynamicLibrary<typeof SYMBOLS>;

let opened: Libc | undefined;

/**
 * The C library, opened on first use and never at import.
 *
 * @throws {NotFoundError} where there is no glibc under its usual name
 */
export function libc(): Libc {
  if (opened) return opened;
  try {
    return opened = Deno.dlopen("libc.so.6", SYMBOLS);
  } catch (cause) {
    throw new NotFoundError("Cannot open the C library: no libc.so.6 could be loaded", {
      cause,
      tried: ["libc.so.6"],
      hint: "run on Linux with the GNU C library, which Deno itself needs",
    });
  }
}
