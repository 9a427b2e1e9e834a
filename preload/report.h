/*
 * The switches that the environment gives, and the lines that MPTCPIZE_DEBUG asks for.
 */
#ifndef MPTCPIZE_REPORT_H
#define MPTCPIZE_REPORT_H

#include "kernel.h"

/* What the library of `run --report` does more (reporting.c); nothing in this one. */
#ifndef NOTE_MADE
#define NOTE_MADE(fd, refusal)
#define NOTE_RETURNED()
#define NOTE_SOCKET(fd)
#endif

enum { SWITCHES_READ = 1, SWITCH_DEBUG = 2, SWITCH_STRICT = 4 };

static int switches;
/* Which file fd 2 was at the start: what the program opens there later is its own. */
static u64 report_device, report_inode;

extern char **__environ __attribute__((weak));

static int is_on(const char *entry, const char *name) {
    while (*name != 0 && *entry == *name) {
        entry++;
        name++;
    }
    if (*name != 0 || *entry != '=')
        return 0;
    return entry[1] != 0 && !(entry[1] == '0' && entry[2] == 0);
}

/* Whoever comes first reads them, and each reader writes the same: no lock is needed. */
static void read_switches(char **environment) {
    int found = SWITCHES_READ;
    for (; *environment != 0; environment++) {
        if (is_on(*environment, "MPTCPIZE_DEBUG"))
            found |= SWITCH_DEBUG;
        if (is_on(*environment, "MPTCPIZE_STRICT"))
            found |= SWITCH_STRICT;
    }
    if (found & SWITCH_DEBUG) {
        struct stat file;
        if (system_call(SYS_fstat, 2, (long)&file, 0, 0, 0) < 0)
            found &= ~SWITCH_DEBUG;
        report_device = file.st_dev;
        report_inode = file.st_ino;
    }
    __atomic_store_n(&switches, found, __ATOMIC_RELEASE);
}

/*
 * glibc may run this before its own start-up has set __environ, and hands the environment over;
 * musl hands nothing over (the arguments are whatever the registers hold), and has set __environ.
 */
__attribute__((constructor)) static void start(int argc, char **argv, char **environment) {
    (void)argc;
    (void)argv;
    if (__atomic_load_n(&switches, __ATOMIC_ACQUIRE) & SWITCHES_READ)
        return;
    read_switches(&__environ != 0 && __environ != 0 ? __environ : environment);
}

/* Another library's constructor may call before ours has run. */
static int is_switched_on(int wanted) {
    int known = __atomic_load_n(&switches, __ATOMIC_ACQUIRE);
    if (!(known & SWITCHES_READ) && &__environ != 0 && __environ != 0) {
        read_switches(__environ);
        known = __atomic_load_n(&switches, __ATOMIC_ACQUIRE);
    }
    return known & wanted;
}

struct line {
    u64 length;
    char text[200];
};

static void add_text(struct line *line, const char *text) {
    while (*text != 0 && line->length < sizeof(line->text))
        line->text[line->length++] = *text++;
}

static void add_number(struct line *line, long number) {
    char digits[21];
    u64 at = sizeof(digits) - 1, rest = number < 0 ? -(u64)number : (u64)number;
    digits[at] = 0;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (number < 0)
        digits[--at] = '-';
    add_text(line, digits + at);
}

/* The errors that socket() is known to give; include/uapi/asm-generic/errno*.h @ v6.12. */
static void add_errno(struct line *line, long error) {
    static const struct {
        u8 number;
        char name[16];
    } names[] = {
        {1, "EPERM"},         {12, "ENOMEM"},          {13, "EACCES"},          {22, "EINVAL"},
        {23, "ENFILE"},       {24, "EMFILE"},          {38, "ENOSYS"},          {91, "EPROTOTYPE"},
        {92, "ENOPROTOOPT"},  {93, "EPROTONOSUPPORT"}, {94, "ESOCKTNOSUPPORT"}, {95, "EOPNOTSUPP"},
        {97, "EAFNOSUPPORT"}, {105, "ENOBUFS"},
    };
    for (u64 i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].number == error) {
            add_text(line, names[i].name);
            return;
        }
    }
    add_text(line, "errno ");
    add_number(line, error);
}

/* `mptcpize[PID]: fd N: `: the process is asked for each time, since a fork copies this memory. */
static void begin_line(struct line *line, int fd) {
    line->length = 0;
    add_text(line, "mptcpize[");
    add_number(line, system_call(SYS_getpid, 0, 0, 0, 0, 0));
    add_text(line, "]: ");
    if (fd >= 0) {
        add_text(line, "fd ");
        add_number(line, fd);
        add_text(line, ": ");
    }
}

/*
 * Written only where it is the user's: not once fd 2 is another file, not to a network peer, and
 * not where nobody reads any more, since SIGPIPE would end the program.
 */
static void end_line(struct line *line) {
    struct stat file;
    struct pollfd readers = {.fd = 2, .events = POLLOUT};
    long no_time[2] = {0, 0};
    add_text(line, "\n");
    if (system_call(SYS_fstat, 2, (long)&file, 0, 0, 0) < 0 || file.st_dev != report_device ||
        file.st_ino != report_inode)
        return;
    long family = socket_int(2, SO_DOMAIN);
    if (family == AF_INET || family == AF_INET6)
        return;
    if (system_call(SYS_ppoll, (long)&readers, 1, (long)no_time, 0, 0) < 0 ||
        (readers.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0)
        return;
    system_call(SYS_write, 2, (long)line->text, (long)line->length, 0, 0);
}

static void report_socket(long fd, long refusal) {
    struct line line;
    if (!is_switched_on(SWITCH_DEBUG))
        return;
    begin_line(&line, (int)fd);
    if (refusal == 0) {
        add_text(&line, "MPTCP socket");
    } else {
        add_text(&line, fd < 0 ? "no socket (" : "TCP socket, MPTCP refused (");
        add_errno(&line, -refusal);
        add_text(&line, ")");
    }
    end_line(&line);
}

static void report_option(int fd, const char *name, const char *what, long value) {
    struct line line;
    if (!is_switched_on(SWITCH_DEBUG))
        return;
    begin_line(&line, fd);
    add_text(&line, name);
    add_text(&line, what);
    if (value != -1)
        add_number(&line, value);
    end_line(&line);
}

#endif
