/* What is asked of each byte of x86-64 code, and so is asked of many at a time. */
#include "patch.h"

typedef u8 block __attribute__((vector_size(16)));
enum { GROUP = 4 * sizeof(block) };

static block load(const u8 *at) {
    block bytes;

    __builtin_memcpy(&bytes, at, sizeof(bytes));
    return bytes;
}

/* A bit for each byte that is 0xff; the others are 0. */
static u64 to_bits(block bytes) {
#if defined(__x86_64__)
    typedef char chars __attribute__((vector_size(16)));

    return (u32)__builtin_ia32_pmovmskb128((chars)bytes);
#else
    u64 bits = 0;

    for (u32 index = 0; index < sizeof(block); index++)
        bits |= (u64)(bytes[index] & 1) << index;
    return bits;
#endif
}

/* Where a `syscall` may begin in a block. */
static block calls_in(const u8 *at) {
    return (block)(load(at) == 0x0f) & (block)(load(at + 1) == 0x05);
}

/* The next `syscall` from an offset on; the size if there is none. */
u64 next_x86_call(const u8 *code, u64 size, u64 at) {
    for (; at + GROUP < size; at += GROUP) {
        const block found = calls_in(code + at) | calls_in(code + at + 16) |
                            calls_in(code + at + 32) | calls_in(code + at + 48);

        if (to_bits(found) != 0)
            break;
    }
    for (; at + 1 < size; at++) {
        if (code[at] == 0x0f && code[at + 1] == 0x05)
            return at;
    }
    return size;
}

/* Places in sites that a jump must not lead to, a bit for each, by the last bits of the place. */
struct targets {
    u64 bits[64];
};

static void mark_jump(const u8 *code, u64 at, const struct targets *targets, struct site *found,
                      u32 count) {
    s32 distance;
    u64 target;

    __builtin_memcpy(&distance, code + at + 1, sizeof(distance));
    target = at + 5 + (u64)(s64)distance;
    if ((targets->bits[target >> 6 & 63] >> (target & 63) & 1) == 0)
        return;
    for (u32 index = 0; index < count; index++) {
        struct site *site = found + index;

        if (!site->is_number && target > site->at && target < site->end)
            site->end = 0;
    }
}

/* Where a call or a jump of five bytes may begin in a block, or the latter part of a conditional.
 */
static u64 jumps_in(const u8 *at) {
    const block bytes = load(at);

    return to_bits((block)((bytes & 0xfe) == 0xe8) |
                   ((block)((bytes & 0xf0) == 0x80) & (block)(load(at - 1) == 0x0f)));
}

/* Marks the sites that long jumps lead into, from wherever they are, by taking their room away. */
void mark_jumped_into(const u8 *code, u64 size, struct site *found, u32 count) {
    struct targets targets = {{0}};
    u64 at = 1;

    for (u32 index = 0; index < count; index++) {
        const struct site *site = found + index;

        for (u64 into = site->at + 1; !site->is_number && into < site->end; into++)
            targets.bits[into >> 6 & 63] |= 1UL << (into & 63);
    }
    if (size > 4 && (code[0] & 0xfe) == 0xe8)
        mark_jump(code, 0, &targets, found, count);
    for (; at + GROUP + 4 <= size; at += GROUP) {
        u64 left = jumps_in(code + at) | jumps_in(code + at + 16) << 16 |
                   jumps_in(code + at + 32) << 32 | jumps_in(code + at + 48) << 48;

        for (; left != 0; left &= left - 1)
            mark_jump(code, at + (u64)__builtin_ctzl(left), &targets, found, count);
    }
    for (; at + 4 < size; at++) {
        if ((code[at] & 0xfe) == 0xe8 || ((code[at] & 0xf0) == 0x80 && code[at - 1] == 0x0f))
            mark_jump(code, at, &targets, found, count);
    }
}
