/* Reading and writing the memory of a process that is traced and stopped. */
#include "patch.h"

long trace_call(long request, const struct tracee *tracee, u64 address, u64 data) {
    return syscall4(SYS_ptrace, request, tracee->pid, (long)address, (long)data);
}

bool peek(const struct tracee *tracee, u64 address, u64 *word) {
    /* The system call, other than the C library's, writes the word through its last argument.
     */
    return !is_error(trace_call(PTRACE_PEEKDATA, tracee, address, (u64)word));
}

static bool poke(const struct tracee *tracee, u64 address, u64 word) {
    return !is_error(trace_call(PTRACE_POKEDATA, tracee, address, word));
}

/* Reads or writes bytes by whole words, which never cross a page. */
bool transfer(const struct tracee *tracee, u64 address, u8 *bytes, u64 size, bool writes) {
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
    u8 back[64];

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
