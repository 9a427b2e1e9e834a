/*
 * The ledger of `run --report`: memory that the programs of a run share with mptcpize, in which
 * each socket is written down as it is last seen. preload/ledger.ts reads it,
 * docs/adr/0016-run-report.md says why it is so.
 *
 * Nothing here may be noticed by the program: no descriptor stays open, no lock is taken, no memory
 * is allocated, and where the ledger is not to be had nothing happens.
 */
#ifndef MPTCPIZE_LEDGER_H
#define MPTCPIZE_LEDGER_H

#include "kernel.h"

enum {
    LEDGER_SLOTS = 1024,
    SLOT_SIZE = 4096,
    SUBFLOWS = 7, /* of the 8 that there may be; the kernel says how many there are */
    ADDRESSES_SIZE = 256,
    TCP_INFO_SIZE = 208,
    SUBFLOW_HEADER = 16,
    TRIED_SLOTS = 64,
};
#define LEDGER_MAGIC 0x317265676465 /* "edger1" */

/* Each is written by whoever counts, and read by mptcpize alone. */
struct ledger {
    u64 magic;
    u64 processes; /* that wrote here; a fork is the same one */
    u64 made;      /* sockets that were asked for as TCP */
    u64 forced;    /* of these, made as MPTCP */
    u64 returned;  /* of these, put back to TCP for an option */
    u64 refusal;   /* why the kernel last refused MPTCP, an errno */
    u64 written;   /* slots that were filled */
    u64 lost;      /* sockets for which there was no free slot */
    u64 cursor;
    u64 unused[503];
    u32 states[LEDGER_SLOTS]; /* enum slot_state */
};
enum slot_state { SLOT_FREE, SLOT_CLAIMED, SLOT_FILLED };

/* What one socket answered, as it did; lengths of 0 where it did not. */
struct slot {
    u64 inode;
    u32 pid;
    u32 family;
    u32 protocol;
    u32 listens;
    int info_errno;
    int user_timeout_errno;
    u32 local_length;
    u32 remote_length;
    u32 info_length;
    u32 tcp_length;
    u32 addresses_length;
    u32 tcps_length;
    u64 unused;
    u8 local[32];
    u8 remote[32];
    u8 info[128];
    u8 tcp[256];
    u8 addresses[SUBFLOW_HEADER + SUBFLOWS * ADDRESSES_SIZE];
    u8 tcps[SUBFLOW_HEADER + SUBFLOWS * TCP_INFO_SIZE];
};
_Static_assert(sizeof(struct ledger) == 8192, "as ledger.ts has it");
_Static_assert(sizeof(struct slot) == 3792, "as ledger.ts has it");

/* include/uapi/linux/mptcp.h, include/linux/socket.h @ v6.12 */
enum {
    SOL_MPTCP = 284,
    MPTCP_INFO = 1,
    MPTCP_TCPINFO = 2,
    MPTCP_SUBFLOW_ADDRS = 3,
    TCP_USER_TIMEOUT = 18,
};
enum { O_NOCTTY = 0400 };

static struct ledger *ledger;
static int ledger_sought;
/* Set once the program asks for a sandbox, which may end it for a system call that it does not make
   itself. */
static int is_silent;

static struct ledger *open_ledger(void);

/* Counts, if there is a ledger. */
static void count(u64 *of) {
    __atomic_fetch_add(of, 1, __ATOMIC_RELAXED);
}

static struct slot *claim_slot(u32 *number) {
    u64 start = __atomic_fetch_add(&ledger->cursor, 1, __ATOMIC_RELAXED);
    for (u64 i = 0; i < TRIED_SLOTS; i++) {
        u32 at = (u32)((start + i) % LEDGER_SLOTS), expected = SLOT_FREE;
        if (__atomic_compare_exchange_n(&ledger->states[at], &expected, SLOT_CLAIMED, 0,
                                        __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
            *number = at;
            return (struct slot *)((u8 *)(ledger + 1) + (u64)at * SLOT_SIZE);
        }
    }
    count(&ledger->lost);
    return 0;
}

static u32 read_option(int fd, int level, int name, void *value, u32 room, int *refusal) {
    socklen_t length = room;
    long result = sys_getsockopt(fd, level, name, value, &length);
    *refusal = result < 0 ? (int)-result : 0;
    return result < 0 ? 0 : length;
}

/* One of the arrays with an element for each subflow: `struct mptcp_subflow_data`, then room. */
static u32 read_subflows(int fd, int name, u8 *to, u32 element) {
    u32 *header = (u32 *)to;
    int refusal;
    header[0] = SUBFLOW_HEADER;
    header[1] = header[2] = 0;
    header[3] = element;
    return read_option(fd, SOL_MPTCP, name, to, SUBFLOW_HEADER + SUBFLOWS * element, &refusal);
}

static u32 read_end(int fd, long call, u8 *to) {
    socklen_t length = 32;
    return system_call(call, fd, (long)to, (long)&length, 0, 0) < 0 ? 0 : length;
}

/* Whether the socket was ever more than made: a request that failed tells nothing. */
static int fill_slot(struct slot *slot, int fd) {
    int unused;
    u32 token = 0;
    slot->pid = (u32)system_call(SYS_getpid, 0, 0, 0, 0, 0);
    slot->family = (u32)socket_int(fd, SO_DOMAIN);
    slot->listens = socket_int(fd, SO_ACCEPTCONN) == 1;
    slot->local_length = read_end(fd, SYS_getsockname, slot->local);
    slot->remote_length = read_end(fd, SYS_getpeername, slot->remote);
    slot->info_errno = slot->user_timeout_errno = 0;
    slot->info_length = slot->tcp_length = slot->addresses_length = slot->tcps_length = 0;
    if (slot->protocol == IPPROTO_MPTCP) {
        slot->info_length = read_option(fd, SOL_MPTCP, MPTCP_INFO, slot->info, sizeof(slot->info),
                                        &slot->info_errno);
        if (slot->info_length >= 16)
            copy_bytes(&token, slot->info + 12, sizeof(token));
        if (slot->info_errno != 0)
            read_option(fd, SOL_TCP, TCP_USER_TIMEOUT, &unused, sizeof(unused),
                        &slot->user_timeout_errno);
        if (token != 0 && !slot->listens) {
            slot->addresses_length =
                read_subflows(fd, MPTCP_SUBFLOW_ADDRS, slot->addresses, ADDRESSES_SIZE);
            slot->tcps_length = read_subflows(fd, MPTCP_TCPINFO, slot->tcps, TCP_INFO_SIZE);
        }
    }
    /* A connection that could still be MPTCP is not asked: that would make it a subflow. */
    if (slot->protocol == IPPROTO_TCP || slot->info_errno != 0)
        slot->tcp_length =
            read_option(fd, SOL_TCP, TCP_INFO, slot->tcp, sizeof(slot->tcp), &unused);
    return slot->listens || slot->remote_length != 0 || token != 0;
}

/* Writes a socket down as it is now. */
static void note_socket(int fd) {
    struct stat file;
    struct slot *slot;
    u32 number;
    int filled;
    if (is_silent || open_ledger() == 0)
        return;
    /* fstat() first: a descriptor that is no socket is asked nothing that a sandbox may forbid. */
    if (system_call(SYS_fstat, fd, (long)&file, 0, 0, 0) < 0 || (file.st_mode & S_IFMT) != S_IFSOCK)
        return;
    long protocol = socket_int(fd, SO_PROTOCOL);
    if ((protocol != IPPROTO_TCP && protocol != IPPROTO_MPTCP) ||
        socket_int(fd, SO_TYPE) != SOCK_STREAM || (slot = claim_slot(&number)) == 0)
        return;
    slot->inode = file.st_ino;
    slot->protocol = (u32)protocol;
    filled = fill_slot(slot, fd);
    __atomic_store_n(&ledger->states[number], filled ? SLOT_FILLED : SLOT_FREE, __ATOMIC_RELEASE);
    if (filled)
        count(&ledger->written);
}

static void note_made(long fd, long refusal) {
    if (is_silent || fd < 0 || open_ledger() == 0)
        return;
    count(&ledger->made);
    if (refusal == 0)
        count(&ledger->forced);
    else
        __atomic_store_n(&ledger->refusal, (u64)-refusal, __ATOMIC_RELAXED);
}

static void note_returned(void) {
    if (!is_silent && open_ledger() != 0)
        count(&ledger->returned);
}

#endif
