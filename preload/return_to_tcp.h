/*
 * Essential options: a program that asks for one gets a TCP socket that has it, under the same fd
 * number, where that is sound; otherwise it keeps its MPTCP socket and the kernel's error.
 *
 * Sound means that the socket is still as socket() made it, but for options, and that nothing else
 * of this process holds it: docs/adr/0003-back-to-tcp-in-place.md.
 */
#ifndef MPTCPIZE_RETURN_TO_TCP_H
#define MPTCPIZE_RETURN_TO_TCP_H

#include "advisory.h"
#include "kernel.h"
#include "memory.h"
#include "options.h"
#include "report.h"

/* Neither bound nor connected, connecting or listening, and no signal is to be sent for it. */
static int is_fresh(int fd) {
    u8 address[28] = {0}, state = 0;
    socklen_t length = sizeof(address), state_length = sizeof(state);
    if (system_call(SYS_getsockname, fd, (long)address, (long)&length, 0, 0) < 0)
        return 0;
    for (u64 i = 2; i < sizeof(address); i++) /* all but the family */
        if (address[i] != 0)
            return 0;
    length = sizeof(address);
    return system_call(SYS_getpeername, fd, (long)address, (long)&length, 0, 0) == -ENOTCONN &&
           socket_int(fd, SO_ACCEPTCONN) == 0 &&
           sys_getsockopt(fd, SOL_TCP, TCP_INFO, &state, &state_length) == 0 &&
           state == TCP_STATE_CLOSE && sys_fcntl(fd, F_GETOWN, 0) == 0 &&
           sys_fcntl(fd, F_GETSIG, 0) == 0;
}

static long open_proc(const char *folder, const char *name, int flags) {
    struct line path;
    path.length = 0; /* no initialiser: it would clear all of it, by memset() */
    add_text(&path, "/proc/thread-self/");
    add_text(&path, folder);
    add_text(&path, name);
    path.text[path.length] = 0;
    return system_call(SYS_openat, AT_FDCWD, (long)path.text, O_RDONLY | O_CLOEXEC | flags, 0, 0);
}

/*
 * Whether an epoll instance watches the inode: its fdinfo has `tfd: … ino:HEX` for each file
 * (ep_show_fdinfo, fs/eventpoll.c @ v6.12). 1 also if it cannot be read.
 */
static int is_watching(const char *epoll, u64 inode) {
    static const char label[] = "ino:";
    char text[256];
    u64 number = 0, matched = 0, digits = 0;
    int found = 0;
    long length, file = open_proc("fdinfo/", epoll, 0);
    if (file < 0)
        return 1;
    while ((length = system_call(SYS_read, file, (long)text, sizeof(text), 0, 0)) > 0) {
        for (long i = 0; i < length; i++) {
            char c = text[i];
            int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
            if (matched == sizeof(label) - 1 && digit >= 0) {
                number = number << 4 | (u64)digit;
                digits++;
                continue;
            }
            found |= digits > 0 && number == inode;
            matched =
                matched < sizeof(label) - 1 && c == label[matched] ? matched + 1 : c == label[0];
            number = digits = 0;
        }
    }
    sys_close((int)file);
    return found || length < 0;
}

static int starts_with(const char *text, u64 length, const char *start) {
    u64 i = 0;
    while (start[i] != 0 && i < length && text[i] == start[i])
        i++;
    return start[i] == 0;
}

/* Whether no other fd of this process is the same socket, and no epoll instance of it watches it.
 */
static int is_held_once(int fd) {
    struct stat file;
    struct line target, own;
    _Alignas(struct dirent64) char entries[512];
    int once = 1;
    long length, folder;
    if (system_call(SYS_fstat, fd, (long)&file, 0, 0, 0) < 0)
        return 0;
    if ((folder = open_proc("fd", "", O_DIRECTORY)) < 0)
        return 0;
    target.length = own.length = 0;
    add_text(&target, "socket:[");
    add_number(&target, (long)file.st_ino);
    add_text(&target, "]");
    target.text[target.length] = 0;
    add_number(&own, fd);
    own.text[own.length] = 0;
    while (once && (length = system_call(SYS_getdents64, folder, (long)entries, sizeof(entries), 0,
                                         0)) > 0) {
        for (long at = 0; once && at < length;) {
            struct dirent64 *entry = (struct dirent64 *)(entries + at);
            char link[64];
            at += entry->reclen;
            long size =
                system_call(SYS_readlinkat, folder, (long)entry->name, (long)link, sizeof(link), 0);
            if (size < 0 || equal_bytes(entry->name, own.text, own.length + 1))
                continue;
            if (starts_with(link, (u64)size, target.text))
                once = 0;
            if (starts_with(link, (u64)size, "anon_inode:[eventpoll]") &&
                is_watching(entry->name, file.st_ino))
                once = 0;
        }
    }
    sys_close((int)folder);
    return once && length >= 0;
}

/* Makes one option of `to` what it is on `from`; 0 if that cannot be done, or not be known. */
static int replay_option(const struct option *option, int from, int to) {
    u8 wanted[32] = {0}, present[32] = {0};
    socklen_t wanted_length = option->replay, present_length = option->replay;
    long read_from = sys_getsockopt(from, option->level, option->number, wanted, &wanted_length);
    long read_to = sys_getsockopt(to, option->level, option->number, present, &present_length);
    if (read_from < 0)
        /* What only newer kernels take on MPTCP was not set; what neither kind reads does not
         * exist. */
        return option->kind != KIND_REPLAY || read_to < 0;
    if (read_to < 0)
        return 0;
    if (wanted_length == present_length && equal_bytes(wanted, present, wanted_length))
        return 1;
    sys_setsockopt(to, option->level, option->number, wanted, wanted_length);
    return 1;
}

static int is_replayed(const struct option *option, int from, int to) {
    u8 wanted[32] = {0}, present[32] = {0};
    socklen_t wanted_length = option->replay, present_length = option->replay;
    if (sys_getsockopt(from, option->level, option->number, wanted, &wanted_length) < 0)
        return 1;
    return sys_getsockopt(to, option->level, option->number, present, &present_length) == 0 &&
           wanted_length == present_length && equal_bytes(wanted, present, wanted_length);
}

/* A buffer that the program has set: half of what is read, since the kernel doubles it. */
static int replay_buffer(int from, int to, int name, int force, int locked) {
    u64 asked;
    int value;
    if (recall(key_of(from, SOL_SOCKET, name), &asked))
        value = (int)asked / 2; /* what the program asked for, before it was raised */
    else if (locked)
        value = (int)socket_int(from, name) / 2;
    else
        return 1;
    if (sys_setsockopt(to, SOL_SOCKET, name, &value, sizeof(value)) < 0)
        return 0;
    if (socket_int(to, name) / 2 < value)
        sys_setsockopt(to, SOL_SOCKET, force, &value, sizeof(value));
    return socket_int(to, name) / 2 >= value;
}

/* An IPv4 socket answers for IPv6 options on MPTCP, and not on TCP. */
static int is_carried(const struct option *option, long family) {
    return option->replay != 0 && (option->level != SOL_IPV6 || family == AF_INET6);
}

static int replay_options(int from, int to, long family) {
    long locks = socket_int(from, SO_BUF_LOCK); /* bit 0: SO_SNDBUF was set, bit 1: SO_RCVBUF */
    if (locks < 0)
        locks = 3;
    for (int i = 0; i < OPTION_COUNT; i++)
        if (is_carried(&options[i], family) && !replay_option(&options[i], from, to))
            return 0;
    /* One option may change another: SO_PRIORITY follows IP_TOS. */
    for (int i = 0; i < OPTION_COUNT; i++)
        if (is_carried(&options[i], family) && !is_replayed(&options[i], from, to))
            return 0;
    for (int i = 0; i < OPTION_COUNT; i++) {
        u64 kept;
        if (options[i].kind != KIND_ADVISORY ||
            !recall(key_of(from, options[i].level, options[i].number), &kept))
            continue;
        socklen_t length = options[i].length == LENGTH_RATE ? sizeof(kept) : sizeof(int);
        if (sys_setsockopt(to, options[i].level, options[i].number, &kept, length) < 0)
            return 0;
    }
    return replay_buffer(from, to, SO_SNDBUF, SO_SNDBUFFORCE, locks & 1) &&
           replay_buffer(from, to, SO_RCVBUF, SO_RCVBUFFORCE, locks & 2);
}

static long set_essential(int fd, const struct option *option, const void *value, socklen_t length,
                          long refusal) {
    long family = socket_int(fd, SO_DOMAIN);
    long flags = sys_fcntl(fd, F_GETFL, 0), fd_flags = sys_fcntl(fd, F_GETFD, 0);
    /* Of the file's flags only O_NONBLOCK can be carried over: O_ASYNC has an owner. */
    if (family < 0 || flags < 0 || (flags & ~(3 | O_NONBLOCK)) != 0 || fd_flags < 0 ||
        !is_fresh(fd))
        return refusal;
    int type = SOCK_STREAM | SOCK_CLOEXEC | (flags & O_NONBLOCK ? SOCK_NONBLOCK : 0);
    int tcp = (int)sys_socket((int)family, type, IPPROTO_TCP);
    if (tcp < 0)
        return refusal;
    /* The option comes last: TCP_REPAIR changes what others read. */
    if (replay_options(fd, tcp, family) &&
        sys_setsockopt(tcp, option->level, option->number, value, length) == 0 &&
        is_held_once(fd) &&
        system_call(SYS_dup3, tcp, fd, fd_flags & FD_CLOEXEC ? O_CLOEXEC : 0, 0, 0) >= 0) {
        refusal = 0;
        NOTE_RETURNED();
        report_option(fd, "back to TCP for ", option->name, -1);
    }
    sys_close(tcp);
    return refusal;
}

#endif
