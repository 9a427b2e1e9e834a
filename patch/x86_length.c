/* The lengths of x86-64 instructions, as x86_length.ts: see there for what the letters mean. */
#include "opcodes.h"
#include "patch.h"

enum { MAX_LENGTH = 15, ESCAPED = 0x10000 };

static u8 byte_at(const u8 *code, u64 size, u64 at) {
    return at < size ? code[at] : 0;
}

static u32 address_length(u32 modrm, u32 sib) {
    u32 mod = modrm >> 6;
    u32 rm = modrm & 7;
    u32 length = rm == 4 ? 2 : 1;

    if (mod == 3)
        return 1;
    if (mod == 1)
        return length + 1;
    if (mod == 2 || rm == 5)
        return length + 4;
    return rm == 4 && (sib & 7) == 5 ? length + 4 : length;
}

static u32 immediate_length(char form, bool narrow, u32 rex, int modrm) {
    bool has = ((modrm >> 3) & 7) < 2;

    switch (form) {
    case 'b':
    case 'B':
    case 'r':
        return 1;
    case 'w':
        return 2;
    case 'i':
        return 3;
    case 'z':
    case 'Z':
        return narrow ? 2 : 4;
    case 'R':
        return 4;
    case 'q':
        return (rex & 8) != 0 ? 8 : narrow ? 2 : 4;
    case 'o':
        return 8;
    case 'g':
        return has ? 1 : 0;
    case 'G':
        return has ? (narrow ? 2 : 4) : 0;
    default:
        return 0;
    }
}

struct instruction decode_instruction(const u8 *code, u64 size, u64 at) {
    struct instruction none = {0, 0, 0, -1, false};
    struct instruction result = none;
    bool narrow = false;
    u64 next = at;
    char form;

    for (;; next++) {
        u8 prefix;

        if (next - at >= MAX_LENGTH)
            return none;
        prefix = byte_at(code, size, next);
        if (ONE_BYTE[prefix] != 'p')
            break;
        result.rex = 0;
        if ((prefix & 0xf0) == 0x40) {
            result.rex = prefix;
        } else {
            result.prefixed = true;
            narrow |= prefix == 0x66;
        }
    }
    result.opcode = byte_at(code, size, next++);
    form = ONE_BYTE[result.opcode];
    if (result.opcode == 0x0f) {
        u8 second = byte_at(code, size, next++);

        result.opcode = 0x0f00 | second;
        form = TWO_BYTE[second];
        if (form == 'e') {
            next++;
            result.opcode = ESCAPED;
            form = second == 0x3a ? 'B' : 'm';
        }
    } else if (form == 'e') {
        u32 escape = result.opcode;
        u32 map = 1;
        u8 second;

        if (escape != 0xc5)
            map = byte_at(code, size, next) & (escape == 0xc4 ? 31 : 7);
        next += escape == 0xc5 ? 1 : escape == 0xc4 ? 2 : 3;
        second = byte_at(code, size, next++);
        result.opcode = ESCAPED;
        if (map == 1)
            form = TWO_BYTE[second] == 'B' ? 'B' : second == 0x77 ? '.' : 'm';
        else if (map == 3)
            form = 'B';
        else
            form = map == 2 || map == 5 || map == 6 ? 'm' : 'x';
    }
    if (form == 'x')
        return none;
    if (form == 'm' || form == 'B' || form == 'Z' || form == 'g' || form == 'G') {
        result.modrm = byte_at(code, size, next);
        next += address_length((u32)result.modrm, byte_at(code, size, next + 1));
    }
    next += immediate_length(form, narrow, result.rex, result.modrm);
    if (next - at > MAX_LENGTH || next > size)
        return none;
    result.length = (u32)(next - at);
    return result;
}

/* What a system call overwrites: rcx and r11. */
static bool is_scratch(u32 number) {
    return number == 1 || number == 11;
}

bool is_movable(const struct instruction *instruction, bool keep_rax) {
    u32 group, rm, reg, written;

    if (instruction->prefixed || instruction->modrm < 0xc0)
        return !instruction->prefixed && instruction->modrm == -1 && instruction->opcode == 0x3d;
    group = ((u32)instruction->modrm >> 3) & 7;
    rm = ((u32)instruction->modrm & 7) | ((instruction->rex & 1) << 3);
    reg = group | ((instruction->rex & 4) << 1);
    switch (instruction->opcode) {
    case 0x85:
    case 0x39:
    case 0x3b:
        return !is_scratch(rm) && !is_scratch(reg);
    case 0x89:
    case 0x31:
        if (is_scratch(reg))
            return false;
        written = rm;
        break;
    case 0x8b:
    case 0x63:
        if (is_scratch(rm))
            return false;
        written = reg;
        break;
    case 0x81:
    case 0x83:
        if (group == 7)
            return !is_scratch(rm);
        if (group == 2 || group == 3)
            return false;
        written = rm;
        break;
    case 0xc7:
        if (group != 0)
            return false;
        written = rm;
        break;
    default:
        return false;
    }
    return !is_scratch(written) && !(keep_rax && written == 0);
}

bool ends_line(const struct instruction *instruction) {
    switch (instruction->opcode) {
    case 0xc2:
    case 0xc3:
    case 0xcc:
    case 0xe8:
    case 0xe9:
    case 0xeb:
    case 0xf4:
    case 0xff:
    case 0x0f05:
    case 0x0f0b:
        return true;
    default:
        return false;
    }
}
