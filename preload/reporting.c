/*
 * The preload library as `run --report` loads it: the same one, and it writes down what becomes of
 * each socket. Without --report none of this is there.
 */
#include "ledger.h"

#define NOTE_MADE(fd, refusal) note_made(fd, refusal)
#define NOTE_RETURNED() note_returned()
#define NOTE_SOCKET(fd) note_socket(fd)
#include "socket.c"

/* `1234` and what stands behind it; -1 for no number. */
static long parse_number(const char **text) {
    long number = 0;
    const char *at = *text;
    if (*at < '0' || *at > '9')
        return -1;
    for (; *at >= '0' && *at <= '9'; at++)
        number = number * 10 + (*at - '0');
    *text = *at == ':' ? at + 1 : at;
    return number;
}

static const char *find_variable(char **environment, const char *name) {
    for (; *environment != 0; environment++) {
        const char *entry = *environment;
        u64 i = 0;
        while (name[i] != 0 && entry[i] == name[i])
            i++;
        if (name[i] == 0 && entry[i] == '=')
            return entry + i + 1;
    }
    return 0;
}

/*
 * Opens PID:FD:INODE: memory behind a descriptor of mptcpize's. That process may be gone and its
 * number be another's, so only the very file is opened, and nothing else is touched.
 */
static void *map_ledger(const char *place) {
    struct line path;
    struct stat file;
    long pid = parse_number(&place), fd = parse_number(&place), inode = parse_number(&place);
    if (pid < 0 || fd < 0 || inode < 0)
        return 0;
    path.length = 0;
    add_text(&path, "/proc/");
    add_number(&path, pid);
    add_text(&path, "/fd/");
    add_number(&path, fd);
    path.text[path.length] = 0;
    if (system_call(SYS_newfstatat, AT_FDCWD, (long)path.text, (long)&file, 0, 0) < 0 ||
        file.st_ino != (u64)inode || (file.st_mode & S_IFMT) != S_IFREG)
        return 0;
    long opened = system_call(SYS_openat, AT_FDCWD, (long)path.text,
                              O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0, 0);
    if (opened < 0)
        return 0;
    long mapped = system_call6(SYS_mmap, 0, sizeof(struct ledger) + LEDGER_SLOTS * SLOT_SIZE,
                               PROT_READ | PROT_WRITE, MAP_SHARED, opened, 0);
    sys_close((int)opened);
    if (mapped < 0 || ((struct ledger *)mapped)->magic != LEDGER_MAGIC)
        return 0;
    return (void *)mapped;
}

/* A handler or a thread that comes at the same time does without; the first one wins. */
static struct ledger *open_ledger_of(char **environment) {
    if (!__atomic_exchange_n(&ledger_sought, 1, __ATOMIC_ACQ_REL)) {
        const char *place = find_variable(environment, "MPTCPIZE_REPORT");
        struct ledger *found = place == 0 ? 0 : map_ledger(place);
        if (found != 0)
            count(&found->processes);
        __atomic_store_n(&ledger, found, __ATOMIC_RELEASE);
    }
    return __atomic_load_n(&ledger, __ATOMIC_ACQUIRE);
}

static struct ledger *open_ledger(void) {
    if (__atomic_load_n(&ledger_sought, __ATOMIC_ACQUIRE))
        return __atomic_load_n(&ledger, __ATOMIC_ACQUIRE);
    return &__environ != 0 && __environ != 0 ? open_ledger_of(__environ) : 0;
}

/* While the environment is as it was at the start: the program may change it. */
__attribute__((constructor)) static void start_ledger(int argc, char **argv, char **environment) {
    (void)argc;
    (void)argv;
    open_ledger_of(&__environ != 0 && __environ != 0 ? __environ : environment);
}

/* Writes down all open sockets with descriptors in a range. */
static void note_range(u32 first, u32 last) {
    _Alignas(struct dirent64) char entries[512];
    long length, folder;
    if (is_silent || open_ledger() == 0 || (folder = open_proc("fd", "", O_DIRECTORY)) < 0)
        return;
    while ((length = system_call(SYS_getdents64, folder, (long)entries, sizeof(entries), 0, 0)) >
           0) {
        for (long at = 0; at < length;) {
            struct dirent64 *entry = (struct dirent64 *)(entries + at);
            const char *name = entry->name;
            long fd = parse_number(&name);
            at += entry->reclen;
            if (fd >= (long)first && fd <= (long)last && fd != folder)
                note_socket((int)fd);
        }
    }
    sys_close((int)folder);
}

/* Those that are open when the program ends: nobody closes them but the kernel. */
__attribute__((destructor)) static void note_open_sockets(void) {
    note_range(0, ~0u);
}

EXPORTED int close(int fd) {
    note_socket(fd);
    return finish(sys_close(fd));
}

EXPORTED int close_range(unsigned int first, unsigned int last, int flags) {
    enum { SYS_close_range = 436, CLOSE_RANGE_CLOEXEC = 4 };
    if (!(flags & CLOSE_RANGE_CLOEXEC))
        note_range(first, last);
    return finish(system_call(SYS_close_range, first, last, flags, 0, 0));
}

/* Who sends an end and then closes by a system call of its own is seen here (libuv does). */
EXPORTED int shutdown(int fd, int how) {
    note_socket(fd);
    return finish(system_call(SYS_shutdown, fd, how, 0, 0, 0));
}

EXPORTED _Noreturn void _exit(int status) {
    note_open_sockets();
    for (;;)
        system_call(SYS_exit_group, status, 0, 0, 0, 0);
}

EXPORTED _Noreturn void _Exit(int status) {
    _exit(status);
}

EXPORTED int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d) {
    enum { PR_SET_SECCOMP = 22, PR_SET_NO_NEW_PRIVS = 38 };
    if (option == PR_SET_SECCOMP || option == PR_SET_NO_NEW_PRIVS)
        is_silent = 1;
    return finish(system_call(SYS_prctl, option, (long)a, (long)b, (long)c, (long)d));
}
