/* Whether a process that was just executed is what is in a file. */
#include "patch.h"

/* The words from an address on, read as many at a time as can be. */
struct words {
    u64 address;
    u64 at, count;
    u64 read[128];
};

static bool next_word(const struct tracee *tracee, struct words *words, u64 *word) {
    if (words->at == words->count) {
        words->at = 0;
        words->count = read_words(tracee, words->address, words->read,
                                  sizeof(words->read) / sizeof(*words->read));
        words->address += 8 * words->count;
        if (words->count == 0)
            return false;
    }
    *word = words->read[words->at++];
    return true;
}

/* Reads the auxiliary vector, behind argc, argv and envp. */
static bool read_vector(const struct tracee *tracee, u64 stack, u64 *values) {
    struct words words = {stack, 0, 0, {0}};
    u64 count, word, value;

    if (!next_word(tracee, &words, &count))
        return false;
    for (u64 at = 0; at <= count; at++) {
        if (!next_word(tracee, &words, &word))
            return false;
    }
    do {
        if (!next_word(tracee, &words, &word))
            return false;
    } while (word != 0);
    do {
        if (!next_word(tracee, &words, &word) || !next_word(tracee, &words, &value))
            return false;
        if (word <= AT_RANDOM)
            values[word] = value;
    } while (word != AT_NULL);
    return true;
}

/* Whether the open file is its memory: the bytes that each program is given at random tell it. */
static bool is_its_memory(const struct tracee *tracee, u64 random) {
    u64 here[2], there[2];

    return read_words(tracee, random, here, 2) == 2 && peek(tracee, random, there) &&
           peek(tracee, random + 8, there + 1) && here[0] == there[0] && here[1] == there[1];
}

/* By how much the program was moved, from the auxiliary vector; false if it is not the image. */
static bool find_bias(struct tracee *tracee, const struct image *image, u64 entry, u64 stack,
                      u64 *bias) {
    u64 values[AT_RANDOM + 1] = {0};
    bool read = read_vector(tracee, stack, values);

    if (!is_error(tracee->memory) && (!read || !is_its_memory(tracee, values[AT_RANDOM]))) {
        tracee->memory = -EPERM;
        read = read_vector(tracee, stack, values);
    }
    *bias = values[AT_ENTRY] - image->entry;
    return read && values[AT_ENTRY] == entry && values[AT_BASE] == 0 && values[AT_SECURE] == 0 &&
           values[AT_PHNUM] == image->header_count && values[AT_PHDR] == image->headers + *bias &&
           (*bias & 4095) == 0;
}

/* Whether memory is as the file at each site. */
static bool is_image(const struct tracee *tracee, const struct image *image, u64 bias) {
    struct range ranges[MAX_SITES];

    for (u32 index = 0; index < image->site_count; index++) {
        const struct site *site = image->sites + index;
        u64 size = site->end - site->at;
        const u8 *bytes = image_bytes(image, site->at, size);

        if (bytes == 0 || size > MAX_SITE)
            return false;
        ranges[index] = (struct range){site->at + bias, bytes, size};
    }
    return is_as(tracee, ranges, image->site_count);
}

/* Opens its memory, and tells by how much the program was moved; false if it is another one. */
bool recognize(struct tracee *tracee, const struct image *image, u64 entry, u64 stack, u64 *bias) {
    open_memory(tracee);
    return find_bias(tracee, image, entry, stack, bias) && is_image(tracee, image, *bias);
}
