/* Words for stderr, and the little that a C library would bring. */
#include "patch.h"

void say(const char *text) {
    u64 length = 0;

    while (text[length] != 0)
        length++;
    system_call(SYS_write, 2, (long)text, (long)length, 0, 0);
}

void say_number(u64 number) {
    char digits[24];
    u64 at = sizeof(digits) - 1;

    digits[at] = 0;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    say(digits + at);
}

void say_error(long result) {
    switch (-result) {
    case EPERM:
        say("EPERM");
        break;
    case ENOENT:
        say("ENOENT");
        break;
    case E2BIG:
        say("E2BIG");
        break;
    case EACCES:
        say("EACCES");
        break;
    case ENOMEM:
        say("ENOMEM");
        break;
    default:
        say("errno ");
        say_number((u64)-result);
    }
}

void say_stays(const char *program, const char *reason) {
    say("mptcpize: ");
    say(program);
    say(" stays TCP: ");
    say(reason);
    say("\n");
}

bool same_bytes(const u8 *left, const u8 *right, u64 size) {
    for (u64 at = 0; at < size; at++) {
        if (left[at] != right[at])
            return false;
    }
    return true;
}

/* The compiler makes calls of these. */
void *memcpy(void *restrict to, const void *restrict from, u64 size) {
    for (u64 at = 0; at < size; at++) {
        ((u8 *)to)[at] = ((const u8 *)from)[at];
        __asm__ volatile("" ::: "memory"); /* or this became a call of itself */
    }
    return to;
}

void *memset(void *to, int byte, u64 size) {
    for (u64 at = 0; at < size; at++) {
        ((u8 *)to)[at] = (u8)byte;
        __asm__ volatile("" ::: "memory");
    }
    return to;
}
