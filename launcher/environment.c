/* The environment of a forced program: preload/environment.ts says why each rule is as it is. */
#include "launcher.h"

#define PRELOAD "LD_PRELOAD="
#define GODEBUG "GODEBUG="
#define GO_SETTING "multipathtcp="
#define GO_FORCED "multipathtcp=1"
#define PEER "libmptcpwrap.so"

/* The value behind the first entry that begins with NAME=; null if there is none. */
const char *get_variable(const char *const *entries, const char *start) {
    for (; *entries != 0; entries++) {
        if (starts_with(*entries, start))
            return *entries + text_length(start);
    }
    return 0;
}

/* The dynamic loader takes the last one. */
static const char *get_last(const char *const *entries, const char *start) {
    const char *value = 0;

    for (; *entries != 0; entries++) {
        if (starts_with(*entries, start))
            value = *entries + text_length(start);
    }
    return value;
}

/* Puts an entry where its name stood first, or at the end; the name is there once afterwards. */
static void set_variable(struct forced_environment *forced, const char *start, const char *entry) {
    u64 count = 0;
    bool placed = false;

    for (u64 at = 0; at < forced->count; at++) {
        const char *own = forced->entries[at];

        if (starts_with(own, start)) {
            if (placed)
                continue;
            placed = true;
            own = entry;
        }
        forced->entries[count++] = own;
    }
    if (!placed)
        forced->entries[count++] = entry;
    forced->entries[count] = 0;
    forced->count = count;
}

/* A part of a list in one string. */
struct part {
    const char *at;
    u64 size;
};

/* The next part that is not empty, behind `from`; false at the end. */
static bool next_part(const char **from, const char *separators, struct part *part) {
    const char *at = *from;

    while (*at != 0 && (*at == separators[0] || *at == separators[1]))
        at++;
    part->at = at;
    while (*at != 0 && *at != separators[0] && *at != separators[1])
        at++;
    part->size = (u64)(at - part->at);
    *from = at;
    return part->size != 0;
}

static bool part_equals(struct part part, const char *text) {
    return part.size == text_length(text) && bytes_contain(part.at, part.size, text);
}

/* Our library, or another copy of it in whatever folder. */
static bool is_ours(struct part part, const char *library) {
    u64 size = sizeof("/" LIBRARY_NAME) - 1;

    return part_equals(part, library) ||
           (part.size >= size && bytes_contain(part.at + part.size - size, size, "/" LIBRARY_NAME));
}

/* The library of the C tool, at the beginning of the part or behind a slash. */
static bool is_peer(struct part part) {
    return bytes_contain(part.at, part.size, "/" PEER) ||
           (part.size >= sizeof(PEER) - 1 && starts_with(part.at, PEER));
}

/* LD_PRELOAD=… with our library at its place; the entry as it is where that is so already. */
static const char *merge_preload(char *room, const char *value, const char *library) {
    struct part part;
    const char *from = value;
    u32 ours = 0, place = 0, others = 0, peer = ~0U;
    bool exact = false, placed = false;
    char *to;

    while (next_part(&from, " :", &part)) {
        if (is_ours(part, library)) {
            ours++;
            place = others;
            exact = part_equals(part, library);
            continue;
        }
        if (peer == ~0U && is_peer(part))
            peer = others;
        others++;
    }
    if (ours == 1 && exact && place == (peer == ~0U ? others : peer))
        return value - (sizeof(PRELOAD) - 1);

    to = append(room, PRELOAD);
    from = value;
    others = 0;
    while (next_part(&from, " :", &part)) {
        if (is_ours(part, library))
            continue;
        if (others == peer) {
            to = append(append(to, library), ":");
            placed = true;
        }
        to = append(append_bytes(to, part.at, part.size), ":");
        others++;
    }
    if (placed)
        to[-1] = 0; /* the last colon */
    else
        append(to, library);
    return room;
}

/* GODEBUG=… with our setting last; the entry as it is where that is so already. */
static const char *merge_godebug(char *room, const char *value) {
    struct part part;
    const char *from = value;
    u32 own = 0;
    bool exact = false;
    char *to;

    while (next_part(&from, ",,", &part)) {
        if (!starts_with(part.at, GO_SETTING))
            continue;
        own++;
        exact = part_equals(part, GO_FORCED);
    }
    if (own == 1 && exact)
        return value - (sizeof(GODEBUG) - 1);

    to = append(room, GODEBUG);
    from = value;
    while (next_part(&from, ",,", &part)) {
        if (!starts_with(part.at, GO_SETTING))
            to = append(append_bytes(to, part.at, part.size), ",");
    }
    append(to, GO_FORCED);
    return room;
}

/* How much room the environment takes: on the stack as little as it needs, since each page costs.
 */
u64 measure_environment(struct forced_environment *forced, const char *const *envp,
                        const char *library) {
    /* Beyond the old value: the name, our part, a separator and the NUL. */
    u64 more = sizeof(PRELOAD) + sizeof(GO_FORCED) + 2;

    forced->count = 0;
    while (envp[forced->count] != 0)
        forced->count++;
    forced->old_preload = get_last(envp, PRELOAD);
    forced->old_godebug = get_variable(envp, GODEBUG);
    if (forced->old_preload == 0)
        forced->old_preload = "";
    if (forced->old_godebug == 0)
        forced->old_godebug = "";
    forced->preload_size = text_length(forced->old_preload) + text_length(library) + more;
    forced->godebug_size = text_length(forced->old_godebug) + more;
    return (forced->count + 5) * sizeof(char *) + forced->preload_size + forced->godebug_size;
}

/* Composes the environment in a room of the size that was measured; for patch without a library.
 */
void force_environment(struct forced_environment *forced, void *room, const char *const *envp,
                       const char *library, bool debug, bool strict) {
    forced->entries = room;
    forced->preload = (char *)(forced->entries + forced->count + 5);
    forced->godebug = forced->preload + forced->preload_size;
    for (u64 at = 0; at <= forced->count; at++)
        forced->entries[at] = envp[at];
    if (library != 0) {
        set_variable(forced, PRELOAD, merge_preload(forced->preload, forced->old_preload, library));
        set_variable(forced, GODEBUG, merge_godebug(forced->godebug, forced->old_godebug));
    }
    if (debug)
        set_variable(forced, "MPTCPIZE_DEBUG=", "MPTCPIZE_DEBUG=1");
    if (strict)
        set_variable(forced, "MPTCPIZE_STRICT=", "MPTCPIZE_STRICT=1");
}
