/* Where x86-64 code calls socket(2): the same search as x86_sites.ts, result for result. */
#include "opcodes.h"
#include "patch.h"

enum {
    NR_X86_SOCKET = 41,
    SYSCALL_LENGTH = 2,
    JUMP_LENGTH = 5,
    MAX_GAP = 16,
    FAR = 64,
    NEAR = 16,
    MIN_HITS = 12,
    SHORT_REACH = 144,
    LINE = 64,
    MAX_FOUND = 256,
};
static const u64 NOTHING = ~0UL;

/* Where decoding comes to or past the goal; NOTHING if it comes to nothing valid. */
static u64 decode_up_to(const u8 *code, u64 size, u64 at, u64 goal) {
    while (at < goal) {
        u32 length = decode_instruction(code, size, at).length;

        if (length == 0)
            return NOTHING;
        at += length;
    }
    return at;
}

static u64 before(u64 at, u64 reach) {
    return at > reach ? at - reach : 0;
}

/* From how many of the places before one decoding comes to it, and from how many past it. */
static bool is_boundary(const u8 *code, u64 size, u64 at) {
    enum { NOWHERE, ONTO, PAST } leads[FAR + 1];
    u32 hits = 0, misses = 0;

    leads[0] = ONTO;
    /* From the nearest place on, so that each instruction is decoded once. */
    for (u64 back = 1; back <= FAR && back <= at; back++) {
        u32 length = decode_instruction(code, size, at - back).length;

        leads[back] = length == 0 ? NOWHERE : length > back ? PAST : leads[back - length];
        hits += back > NEAR && leads[back] == ONTO;
        misses += back > NEAR && leads[back] == PAST;
    }
    return hits >= MIN_HITS && misses * 4 <= hits;
}

static bool decodes_on(const u8 *code, u64 size, u64 from) {
    for (u64 at = from; at < from + LINE;) {
        struct instruction instruction = decode_instruction(code, size, at);

        if (instruction.length == 0)
            return false;
        if (ends_line(&instruction))
            return true;
        at += instruction.length;
    }
    return true;
}

/* Where the line begins from which decoding is in step with a place. */
static u64 line_before(const u8 *code, u64 size, u64 at, u64 reach) {
    u64 from = before(at, reach);

    while (from < at && decode_up_to(code, size, from, at) != at)
        from++;
    return from;
}

static s32 int32(const u8 *code, u64 at) {
    s32 value;

    __builtin_memcpy(&value, code + at, 4);
    return value;
}

/* What is known of the 16 registers while code is followed in a straight line. */
struct constants {
    u32 known; /* a bit for each */
    s32 values[16];
};

static void forget(struct constants *constants, u32 number) {
    constants->known &= ~(1U << number);
}

static void learn(struct constants *constants, u32 number, s32 value) {
    constants->known |= 1U << number;
    constants->values[number] = value;
}

static void copy_register(struct constants *constants, u32 to, u32 from) {
    if ((constants->known >> from & 1) != 0)
        learn(constants, to, constants->values[from]);
    else
        forget(constants, to);
}

static void follow(struct constants *constants, const u8 *code, u64 at,
                   const struct instruction *instruction) {
    u32 opcode = instruction->opcode;
    u32 base = (instruction->rex & 1) << 3;
    u32 modrm = (u32)instruction->modrm;
    u32 reg = ((modrm >> 3) & 7) | ((instruction->rex & 4) << 1);
    u32 rm = (modrm & 7) | base;
    bool direct = instruction->modrm >= 0xc0;
    u64 constant = at + instruction->length - 4;
    char effect = opcode < 0x100 ? EFFECTS[opcode] : EFFECTS_0F[opcode & 0xff];

    if (ends_line(instruction))
        constants->known = 0;
    else if (opcode >= 0xb8 && opcode < 0xc0 && instruction->length < 9)
        learn(constants, (opcode & 7) | base, int32(code, constant));
    else if (opcode >= 0xb8 && opcode < 0xc0)
        forget(constants, (opcode & 7) | base);
    else if (opcode == 0xc7 && direct)
        learn(constants, rm, int32(code, constant));
    else if ((opcode == 0x31 || opcode == 0x33) && direct && rm == reg)
        learn(constants, rm, 0);
    else if (opcode == 0x89 && direct)
        copy_register(constants, rm, reg);
    else if (opcode == 0x8b && direct)
        copy_register(constants, reg, rm);
    else if (effect == 'm' && direct) {
        forget(constants, rm);
        if (instruction->rex == 0)
            forget(constants, rm & 3);
    } else if (effect == 'r')
        forget(constants, reg);
    else if (effect == '*')
        constants->known = 0;
}

static bool is_other_call(const u8 *code, u64 size, u64 call) {
    struct constants constants = {0, {0}};

    for (u64 at = line_before(code, size, call, FAR); at < call;) {
        struct instruction instruction = decode_instruction(code, size, at);

        follow(&constants, code, at, &instruction);
        at += instruction.length;
    }
    return (constants.known & 1) != 0 && constants.values[0] != NR_X86_SOCKET;
}

static bool is_short_jump(u32 opcode) {
    return (opcode >= 0x70 && opcode < 0x80) || (opcode >= 0xe0 && opcode < 0xe4) || opcode == 0xeb;
}

static bool is_short_jump_into(const u8 *code, u64 next, u32 opcode, const struct site *site) {
    u64 target = next + (u64)(s64)(s8)code[next - 1];

    return is_short_jump(opcode) && target > site->at && target < site->end;
}

static bool is_jumped_into(const u8 *code, u64 size, const struct site *site) {
    for (u64 at = line_before(code, size, site->at, SHORT_REACH); at < site->at;) {
        struct instruction instruction = decode_instruction(code, size, at);

        at += instruction.length;
        if (is_short_jump_into(code, at, instruction.opcode, site))
            return true;
    }
    for (u64 at = site->end; at < site->end + SHORT_REACH;) {
        struct instruction instruction = decode_instruction(code, size, at);

        if (instruction.length == 0)
            break;
        at += instruction.length;
        if (is_short_jump_into(code, at, instruction.opcode, site))
            return true;
    }
    return false;
}

static bool number_site(const u8 *code, u64 size, u64 call, struct site *site) {
    for (u64 gap = 0; gap <= MAX_GAP; gap++) {
        u64 at, next;

        if (call < gap + JUMP_LENGTH)
            return false;
        at = call - gap - JUMP_LENGTH;
        if (code[at] != 0xb8 || int32(code, at + 1) != NR_X86_SOCKET)
            continue;
        for (next = at + JUMP_LENGTH; next < call;) {
            struct instruction instruction = decode_instruction(code, size, next);

            if (instruction.length == 0 || !is_movable(&instruction, true))
                break;
            next += instruction.length;
        }
        if (next != call || !is_boundary(code, size, at) || !decodes_on(code, size, call))
            continue;
        *site = (struct site){at, call, call + SYSCALL_LENGTH, true};
        return true;
    }
    return false;
}

static bool register_site(const u8 *code, u64 size, u64 call, struct site *site) {
    u64 end = call + SYSCALL_LENGTH;

    while (end < call + JUMP_LENGTH) {
        struct instruction instruction = decode_instruction(code, size, end);

        if (instruction.length == 0 || !is_movable(&instruction, false))
            return false;
        end += instruction.length;
    }
    *site = (struct site){call, call, end, false};
    return !is_other_call(code, size, call) && is_boundary(code, size, call) &&
           decodes_on(code, size, end) && !is_jumped_into(code, size, site);
}

u32 find_x86_sites(const u8 *code, u64 size, struct site *sites, u32 room) {
    struct site found[MAX_FOUND];
    u64 unused = 0;
    u32 found_count = 0, count = 0;

    for (u64 call = next_x86_call(code, size, 0); call < size;
         call = next_x86_call(code, size, call + 1)) {
        struct site site;

        if (!number_site(code, size, call, &site) && !register_site(code, size, call, &site))
            continue;
        if (found_count == MAX_FOUND)
            return 0;
        found[found_count++] = site;
    }
    for (u32 index = 0; index < found_count; index++) {
        if (!found[index].is_number) {
            mark_jumped_into(code, size, found, found_count);
            break;
        }
    }
    for (u32 index = 0; index < found_count; index++) {
        if (found[index].end == 0 || found[index].at < unused)
            continue;
        if (count < room)
            sites[count] = found[index];
        count++;
        unused = found[index].end;
    }
    return count;
}
