/*
 * The values of softened options, so that getsockopt() can give them back.
 *
 * A fixed table without locks: a signal handler may come between any two instructions of a writer,
 * and a vfork child shares it. Each entry is sealed: `sealed` is key XOR value, so that an entry
 * that is half written belongs to no key, and nobody ever reads a value that was not set for that
 * very socket and option. It may forget, when it is full; it cannot lie.
 *
 * The key holds the socket's cookie (SO_COOKIE), which the kernel never gives to a second socket.
 */
#ifndef MPTCPIZE_MEMORY_H
#define MPTCPIZE_MEMORY_H

#include "kernel.h"

/* Untouched pages cost nothing; an entry is looked for in one window of them. */
enum { REMEMBERED = 32768, WINDOW = 8, TRIES = 3 };

static struct { u64 sealed, value; } remembered[REMEMBERED];

/* Whether anything was ever remembered: most programs never need to look. */
static int has_remembered;

/* The key of an option of a socket; 0 if it cannot be known. */
static u64 key_of(int fd, int level, int name) {
    u64 cookie = 0;
    socklen_t length = sizeof(cookie);
    /* Levels of the table are below 64, names below 256, and cookies are counted from 1. */
    if (sys_getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length) < 0 || cookie >> 50 != 0)
        return 0;
    u64 key = cookie << 14 | (u64)(level & 0x3f) << 8 | (u64)(name & 0xff);
    /* splitmix64's last steps: one to one, and they spread neighbours over the table. */
    key = (key ^ key >> 30) * 0xbf58476d1ce4e5b9ul;
    key = (key ^ key >> 27) * 0x94d049bb133111ebul;
    return key ^ key >> 31;
}

static u64 key_at(u64 at, u64 *value) {
    *value = __atomic_load_n(&remembered[at].value, __ATOMIC_RELAXED);
    return __atomic_load_n(&remembered[at].sealed, __ATOMIC_RELAXED) ^ *value;
}

static void put_at(u64 at, u64 key, u64 value) {
    __atomic_store_n(&remembered[at].sealed, key ^ value, __ATOMIC_RELAXED);
    __atomic_store_n(&remembered[at].value, value, __ATOMIC_RELAXED);
}

/*
 * Leaves the value alone where nothing is remembered. More than one try: a signal handler may have
 * written between the reading of the two halves, or to a place that was already passed.
 */
static int recall(u64 key, u64 *value) {
    u64 window = key & (REMEMBERED - WINDOW), found;
    for (int i = 0; key != 0 && i < TRIES; i++) {
        for (u64 at = window; at < window + WINDOW; at++) {
            if (key_at(at, &found) == key) {
                *value = found;
                return 1;
            }
        }
    }
    return 0;
}

/* Forgets every entry of the key but `kept`: a race of two writers may have left two. */
static void forget(u64 key, u64 kept) {
    u64 window = key & (REMEMBERED - WINDOW), value;
    for (u64 at = window; key != 0 && at < window + WINDOW; at++)
        if (at != kept && key_at(at, &value) == key)
            put_at(at, 0, 0);
}

static void remember(u64 key, u64 value) {
    u64 window = key & (REMEMBERED - WINDOW), chosen = REMEMBERED, other;
    if (key == 0)
        return;
    for (u64 at = window; at < window + WINDOW; at++) {
        u64 found = key_at(at, &other);
        if (found == key) {
            chosen = at;
            break;
        }
        if (found == 0 && chosen == REMEMBERED)
            chosen = at;
    }
    if (chosen == REMEMBERED)
        chosen = window + (key >> 32) % WINDOW;
    for (int i = 0; i < TRIES; i++) {
        put_at(chosen, key, value);
        forget(key, chosen);
        if (key_at(chosen, &other) == key)
            break; /* else a signal handler has written in between, here or elsewhere */
    }
    __atomic_store_n(&has_remembered, 1, __ATOMIC_RELAXED);
}

#endif
