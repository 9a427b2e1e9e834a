/* Byte strings: what is needed of a C library, and no more. */
#include "launcher.h"

u64 text_length(const char *text) {
    u64 length = 0;

    while (text[length] != 0)
        length++;
    return length;
}

bool text_equal(const char *left, const char *right) {
    while (*left != 0 && *left == *right)
        left++, right++;
    return *left == *right;
}

bool starts_with(const char *text, const char *start) {
    while (*start != 0 && *text == *start)
        text++, start++;
    return *start == 0;
}

/* Whether a text stands anywhere in some bytes, which may hold NULs. */
bool bytes_contain(const char *bytes, u64 size, const char *what) {
    u64 length = text_length(what);

    for (u64 at = 0; at + length <= size; at++) {
        u64 same = 0;

        while (same < length && bytes[at + same] == what[same])
            same++;
        if (same == length)
            return true;
    }
    return false;
}

void copy_bytes(void *to, const void *from, u64 size) {
    for (u64 at = 0; at < size; at++)
        ((char *)to)[at] = ((const char *)from)[at];
}

/* The append functions give the new end, and put a NUL there. */
char *append_bytes(char *to, const char *bytes, u64 size) {
    copy_bytes(to, bytes, size);
    to[size] = 0;
    return to + size;
}

char *append(char *to, const char *text) {
    return append_bytes(to, text, text_length(text));
}

char *append_number(char *to, u64 number) {
    char digits[20];
    u64 at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    return append_bytes(to, digits + at, sizeof(digits) - at);
}
