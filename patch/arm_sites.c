/* Where aarch64 code calls socket(2): the same search as arm_sites.ts, result for result. */
#include "patch.h"

enum { NR_ARM_SOCKET = 198, REACH = 16 };
static const u32 SVC = 0xd4000001;

static u32 word_at(const u8 *code, u64 index) {
    u32 word;

    __builtin_memcpy(&word, code + 4 * index, 4);
    return word;
}

/* Whether x8 holds a number before a place that is not that of socket(2). */
static bool is_other_call(const u8 *code, u64 call) {
    for (u64 back = 1; back <= REACH && back <= call; back++) {
        u32 word = word_at(code, call - back);

        if ((word & 0x7fe0001f) == 0x52800008) /* movz x8 or w8, #number */
            return ((word >> 5) & 0xffff) != NR_ARM_SOCKET;
        if ((word & 0x7c000000) == 0x14000000 || (word & 0xfe000000) == 0xd6000000 ||
            (word & 0xffe0001f) == SVC || (word & 0x1f) == 8)
            return false;
    }
    return false;
}

u32 find_arm_sites(const u8 *code, u64 size, struct site *sites, u32 room) {
    u32 count = 0;

    for (u64 index = 0; 4 * index + 4 <= size; index++) {
        if (word_at(code, index) != SVC || is_other_call(code, index))
            continue;
        if (count < room)
            sites[count] = (struct site){4 * index, 4 * index, 4 * index + 4, false};
        count++;
    }
    return count;
}
