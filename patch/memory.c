/* Reading and writing the memory of a process that is traced and stopped. */
#include "patch.h"

long trace_call(long request, const struct tracee *tracee, u64 address, u64 data) {
    return system_call(SYS_ptrace, request, tracee->pid, (long)address, (long)data, 0);
}

bool peek(const struct tracee *tracee, u64 address, u64 *word) {
    /* The system call, other than the C library's, writes the word through its last argument.
     */
    return !is_error(trace_call(PTRACE_PEEKDATA, tracee, address, (u64)word));
}

static bool poke(const struct tracee *tracee, u64 address, u64 word) {
    return !is_error(trace_call(PTRACE_POKEDATA, tracee, address, word));
}

/*
 * Opens its memory as a file: one call for any number of bytes, and pages that the program may not
 * write can be written too, by its tracer (mem_rw(), fs/proc/base.c @ v6.12). Where that may not
 * be, words do. Whether it is the memory of this process at all is for the caller to see: /proc may
 * be that of another PID namespace.
 */
void open_memory(struct tracee *tracee) {
    char path[32] = "/proc/", digits[12];
    u32 at = 6, count = 0;

    for (u32 left = tracee->pid; left != 0; left /= 10)
        digits[count++] = (char)('0' + left % 10);
    while (count != 0)
        path[at++] = digits[--count];
    __builtin_memcpy(path + at, "/mem", 5);
    tracee->memory = system_call(SYS_openat, AT_FDCWD, (long)path, O_RDWR | O_CLOEXEC, 0, 0);
}

/* Reads the words from an address on, as many as there are and as there is room for. */
u64 read_words(const struct tracee *tracee, u64 address, u64 *words, u64 room) {
    if (!is_error(tracee->memory)) {
        long size = system_call(SYS_pread64, tracee->memory, (long)words, (long)(8 * room),
                                (long)address, 0);

        return is_error(size) ? 0 : (u64)size / 8;
    }
    return peek(tracee, address, words) ? 1 : 0;
}

/* Reads or writes bytes; without a file by whole words, which never cross a page. */
bool transfer(const struct tracee *tracee, u64 address, u8 *bytes, u64 size, bool writes) {
    if (!is_error(tracee->memory) &&
        system_call(writes ? SYS_pwrite64 : SYS_pread64, tracee->memory, (long)bytes, (long)size,
                    (long)address, 0) == (long)size)
        return true;
    for (u64 done = 0; done < size;) {
        u64 into = (address + done) & 7, base = address + done - into;
        u64 length = size - done < 8 - into ? size - done : 8 - into;
        bool whole = writes && length == 8;
        u64 word = 0;

        if (!whole && !peek(tracee, base, &word))
            return false;
        if (writes)
            __builtin_memcpy((u8 *)&word + into, bytes + done, length);
        else
            __builtin_memcpy(bytes + done, (u8 *)&word + into, length);
        if (writes && !poke(tracee, base, word))
            return false;
        done += length;
    }
    return true;
}

/* Writes bytes and reads them back. */
bool write_verified(const struct tracee *tracee, u64 address, const u8 *bytes, u64 size) {
    u8 back[512];

    if (!transfer(tracee, address, (u8 *)bytes, size, true))
        return false;
    for (u64 at = 0; at < size; at += sizeof(back)) {
        u64 length = size - at < sizeof(back) ? size - at : sizeof(back);

        if (!transfer(tracee, address + at, back, length, false) ||
            !same_bytes(back, bytes + at, length))
            return false;
    }
    return true;
}

/* Whether stretches of memory, as many as there may be sites, are as they are to be: in one call.
 */
bool is_as(const struct tracee *tracee, const struct range *ranges, u32 count) {
    struct iovec here[MAX_SITES], there[MAX_SITES];
    u8 found[MAX_SITES][MAX_SITE];
    u64 size = 0;
    bool is_read;

    for (u32 index = 0; index < count; index++) {
        here[index] = (struct iovec){found[index], ranges[index].size};
        there[index] = (struct iovec){(void *)ranges[index].address, ranges[index].size};
        size += ranges[index].size;
    }
    is_read = system_call6(SYS_process_vm_readv, tracee->pid, (long)here, count, (long)there, count,
                           0) == (long)size;
    for (u32 index = 0; index < count; index++) {
        const struct range *range = ranges + index;

        if (!is_read && !transfer(tracee, range->address, found[index], range->size, false))
            return false;
        if (!same_bytes(found[index], range->bytes, range->size))
            return false;
    }
    return true;
}
