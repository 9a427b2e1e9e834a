/*
 * Whether a file lies so that whoever the command becomes can read it, and nobody else can replace
 * it: unsafeBecause of preload/library.ts says why. A symbolic link on the way counts as unsafe:
 * the path was resolved when it was written down.
 */
#include "launcher.h"

enum { STICKY = 01000, GROUP_OR_OTHER_WRITE = 022 };

/* Looks at each component of an absolute path, from / down to the file. */
static bool all_components(const char *path, bool (*judge)(const struct stat *stat, u32 uid),
                           u32 uid) {
    char part[FOLDER_ROOM + 64];
    u64 length = text_length(path);
    struct stat stat;

    if (path[0] != '/' || length >= sizeof(part))
        return false;
    for (u64 at = 0; at <= length; at++) {
        u32 wanted = at == length ? S_IFREG : S_IFDIR;

        if (path[at] == '/' || path[at] == 0) {
            append_bytes(part, path, at == 0 ? 1 : at);
            if (kernel_stat(part, &stat, AT_SYMLINK_NOFOLLOW) != 0 ||
                (stat.st_mode & S_IFMT) != wanted || !judge(&stat, uid))
                return false;
        }
    }
    return true;
}

static bool only_owner_writes(const struct stat *stat, u32 uid) {
    (void)uid;
    return (stat->st_mode & GROUP_OR_OTHER_WRITE) == 0 ||
           ((stat->st_mode & S_IFMT) == S_IFDIR && (stat->st_mode & STICKY) != 0);
}

static bool is_safe(const struct stat *stat, u32 uid) {
    u32 wanted = (stat->st_mode & S_IFMT) == S_IFDIR ? 001 : 004;

    return (stat->st_uid == 0 || stat->st_uid == uid) && only_owner_writes(stat, uid) &&
           (uid != 0 || (stat->st_mode & wanted) != 0);
}

bool library_is_safe(const char *path, u32 uid) {
    return all_components(path, is_safe, uid);
}

bool others_may_write(const char *path) {
    return !all_components(path, only_owner_writes, 0);
}
