/*
 * What the BPF programs and their loader share: the maps' keys and values. bpf/layout.ts reads and
 * writes them; a change here is a new LAYOUT_VERSION there and here. Keys stay as they are, and
 * values grow at their ends alone: so a newer loader reads an older layout, with 0 for what it
 * lacks.
 */
#ifndef MPTCPIFY_H
#define MPTCPIFY_H

#include "kernel.h"

/* A test builds an older layout with a shorter one. */
#ifndef PATH_SIZE
#define PATH_SIZE 1024
#endif

enum {
    LAYOUT_VERSION = 2,
    MAX_TARGETS = 8192,
    MAX_NAMES = 256,
    /* Levels of cgroups that are looked at: the bits of settings.levels. */
    LEVELS = 64,
    /* Cgroups of which it is remembered that no target is at or above them. */
    PASSED = 1024,
    /* A socket so marked asks what the kernel itself says of an option ("mptc"). */
    ASKING_MARK = 0x6d707463,
};

/* One target: what is asked of it, and what was done for it. */
struct target {
    u64 seen;     /* TCP sockets that were asked for */
    u64 forced;   /* of these, the ones that were made MPTCP */
    u64 softened; /* socket options that were answered in the kernel's place */
    u64 since_ms; /* when it was attached, in milliseconds since 1970 */
    u32 strict;   /* no option is softened */
    u32 level;    /* of the cgroup; 255 where it could not be told */
    char path[PATH_SIZE];
};

/* One for all; written by the loader alone. */
struct settings {
    u64 version;   /* LAYOUT_VERSION */
    u64 levels;    /* bit n: there are targets at level n */
    u64 refused;   /* bit n: TCP takes advisory option n and MPTCP does not */
    u64 pernet_id; /* address of mptcp_pernet_id; 0 where it is not known */
    u64 names;     /* bit n: there are names whose first bytes give n, see may_be_name() */
    u64 digest;    /* the start of the SHA-256 of the object that is loaded */
    u64 token;     /* another random number after each change; 0 where there is no target */
    u64 device;    /* that of the bpffs of its pins */
};

#endif
