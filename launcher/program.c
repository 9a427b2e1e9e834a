/*
 * Whether a file is a dynamic program of this machine that the loader lets us into, or a script of
 * one. program/read.ts, elf.ts, go.ts and script.ts are the reference; what they would decide after
 * a closer look is UNSURE here.
 */
#include "launcher.h"
#include "new_environment.h"

enum {
    HEAD_SIZE = 4096,
    SCRIPT_LINE_SIZE = 256, /* BINPRM_BUF_SIZE */
    MAX_INTERPRETERS = 5,
    MAX_SECTIONS = 8192,
    MAX_PROGRAM_HEADERS_SIZE = 65536,
    ET_EXEC = 2,
    ET_DYN = 3,
    PT_INTERP = 3,
};

/* elf(5) */
struct elf_header {
    u8 ident[16];
    u16 type, machine;
    u32 version;
    u64 entry, program_headers, section_headers;
    u32 flags;
    u16 header_size, program_header_size, program_header_count;
    u16 section_header_size, section_header_count, section_names_index;
};
struct program_header {
    u32 type, flags;
    u64 offset, address, physical, file_size, memory_size, alignment;
};
struct section_header {
    u32 name, type;
    u64 flags, address, offset, size;
    u32 link, info;
    u64 alignment, entry_size;
};

/* An open file with its first bytes. */
struct file {
    long fd;
    u64 size;
    u64 filled;
    char head[HEAD_SIZE] __attribute__((aligned(8)));
};

static bool read_at(const struct file *file, void *to, u64 size, u64 offset) {
    if (offset > file->size || size > file->size - offset)
        return false;
    if (offset + size <= file->filled) {
        copy_bytes(to, file->head + offset, size);
        return true;
    }
    return system_call(SYS_pread64, file->fd, (long)to, (long)size, (long)offset, 0) == (long)size;
}

/*
 * Whether a section bears a name that the Go linker gives, of its record or its table of lines.
 * Sought in the names alone: found there it may be Go, and not found there the reference finds no
 * such section either. Overwrites the head, to touch no more memory than that.
 */
static bool may_be_go(struct file *file, u64 sections, u64 count, u64 names_index) {
    u64 names_at, size, end, start;
    struct section_header names;

    if (count == 0 || count > MAX_SECTIONS || names_index >= count || sections == 0 ||
        sections > file->size || count * sizeof(names) > file->size - sections)
        return true;
    /* Linkers put the names right before the headers, so one call mostly reads both. */
    end = sections + (names_index + 1) * sizeof(names);
    start = end > HEAD_SIZE ? end - HEAD_SIZE : 0;
    file->filled = 0;
    if (!read_at(file, file->head, end - start, start))
        return true;
    copy_bytes(&names, file->head + (end - start) - sizeof(names), sizeof(names));
    names_at = names.offset;
    size = names.size;
    if (size > HEAD_SIZE)
        return true;
    if (names_at < start || names_at > end || size > end - names_at) {
        if (!read_at(file, file->head, size, names_at))
            return true;
        start = names_at;
    }
    return bytes_contain(file->head + (names_at - start), size, ".go.buildinfo") ||
           bytes_contain(file->head + (names_at - start), size, ".gopclntab");
}

/* The linker's record of a version of Go that heeds GODEBUG, at an offset: parseInline of go.ts. */
static bool names_new_go(const struct file *file, u64 offset) {
    enum { FLAGS = 15, LENGTH = 32, VERSION = 33, INLINE_STRINGS = 2, MINOR = 21 };
    char record[VERSION + sizeof("go1.21") - 1 + 1];
    const char *version = record + VERSION;
    u64 length;

    if (!read_at(file, record, sizeof(record), offset) ||
        !bytes_contain(record, 14, "\xff Go buildinf:") || (record[FLAGS] & INLINE_STRINGS) == 0)
        return false;
    length = (u8)record[LENGTH];
    /* One digit less, or one more, is for the reference to read. */
    return length >= 6 && length < 0x80 && length <= file->size - offset - VERSION &&
           starts_with(version, "go1.") && version[4] >= '0' && version[4] <= '9' &&
           version[5] >= '0' && version[5] <= '9' &&
           (version[4] - '0') * 10 + version[5] - '0' >= MINOR &&
           (length == 6 || version[6] < '0' || version[6] > '9');
}

/* Whether it is Go that heeds GODEBUG, by its record where findSection of elf.ts finds it. */
static bool is_new_go(struct file *file, u64 sections, u64 count, u64 names_index) {
    enum { SHT_NOBITS = 8, MANY_SECTIONS = 128, AT_ONCE = 32 };
    static const char wanted[] = ".go.buildinfo";
    struct section_header some[AT_ONCE], names;

    if (count > MANY_SECTIONS || names_index >= count || sections == 0 || sections > file->size ||
        count * sizeof(names) > file->size - sections ||
        !read_at(file, &names, sizeof(names), sections + names_index * sizeof(names)))
        return false;
    u64 size = names.size;

    file->filled = 0;
    if (size > HEAD_SIZE || !read_at(file, file->head, size, names.offset))
        return false;
    for (u64 at = 0; at < count; at++) {
        const struct section_header *section = some + at % AT_ONCE;
        u64 left = count - at < AT_ONCE ? count - at : AT_ONCE;

        if (section == some &&
            !read_at(file, some, left * sizeof(*some), sections + at * sizeof(*some)))
            return false;
        if (section->type != SHT_NOBITS && section->name <= size &&
            size - section->name >= sizeof(wanted) &&
            bytes_contain(file->head + section->name, sizeof(wanted) - 1, wanted) &&
            file->head[section->name + sizeof(wanted) - 1] == 0)
            return section->size >= 32 && names_new_go(file, section->offset);
    }
    return false;
}

static enum verdict examine_elf(struct file *file) {
    const struct elf_header *header = (const struct elf_header *)file->head;
    struct program_header segment;
    u64 count = header->program_header_count;
    /* Of the head, which is overwritten. */
    u64 sections = header->section_headers, sections_count = header->section_header_count;
    u64 names_index = header->section_names_index;

    if (file->filled < sizeof(*header) || header->ident[4] != 2 || header->ident[5] != 1 ||
        (header->type != ET_EXEC && header->type != ET_DYN) || header->machine != EM_THIS_MACHINE ||
        header->program_header_size != sizeof(segment) || count == 0 ||
        count * sizeof(segment) > MAX_PROGRAM_HEADERS_SIZE)
        return UNSURE;
    for (u64 at = 0; at < count; at++) {
        char last;

        if (!read_at(file, &segment, sizeof(segment),
                     header->program_headers + at * sizeof(segment)))
            return UNSURE;
        if (segment.type != PT_INTERP)
            continue;
        if (segment.file_size < 2 || segment.file_size > PATH_MAX || segment.offset > file->size ||
            !read_at(file, &last, 1, segment.offset + segment.file_size - 1) || last != 0)
            return UNSURE;
        if (header->section_header_size != sizeof(struct section_header))
            return UNSURE;
        if (may_be_go(file, sections, sections_count, names_index))
            return is_new_go(file, sections, sections_count, names_index) ? PLAIN : UNSURE;
        return PLAIN;
    }
    /* Static, and reached all the same: a launcher of ours forces what it starts. */
    if (bytes_contain(file->head, file->filled, (const char *)slot.magic))
        return PLAIN;
    return header->section_header_size == sizeof(struct section_header) &&
                   is_new_go(file, sections, sections_count, names_index)
               ? STATIC_GO
               : STATIC;
}

/* The interpreter of a `#!` line that ends within the bytes that the kernel reads. */
static bool parse_script_line(const struct file *file, char *interpreter) {
    const char *at = file->head + 2;
    const char *end = file->head;
    const char *limit =
        file->head + (file->filled < SCRIPT_LINE_SIZE ? file->filled : SCRIPT_LINE_SIZE);

    while (end < limit && *end != '\n' && *end != 0)
        end++;
    if (end == limit || *end != '\n')
        return false;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    if (at == end)
        return false;
    while (at < end && *at != ' ' && *at != '\t')
        *interpreter++ = *at++;
    *interpreter = 0;
    return true;
}

/* Whether the loader would start it without our library: cap_bprm_creds_from_file. */
static bool may_gain_rights(const struct file *file, const struct stat *stat, u32 uid) {
    char value[64];
    long result;

    if ((stat->st_mode & 06000) != 0)
        return true;
    if (uid == 0)
        return false; /* file capabilities add nothing to root */
    result = system_call(SYS_fgetxattr, file->fd, (long)"security.capability", (long)value,
                         sizeof(value), 0);
    return result != -ENODATA && result != -EOPNOTSUPP;
}

/* The errors after which execvp(3) goes on: glibc 2.36, posix/execvpe.c. */
static bool goes_on(long result) {
    return result == -ENOENT || result == -ESTALE || result == -ENOTDIR || result == -ENODEV ||
           result == -ETIMEDOUT || result == -EACCES;
}

/*
 * What a file is. By stat first, so that no device or pipe is ever opened; whether it may be
 * executed is left to execve(2) itself, but for a file that nobody may execute.
 */
enum verdict examine_program(const char *path, u32 uid) {
    char interpreter[SCRIPT_LINE_SIZE];
    struct file file;

    for (u32 depth = 0; depth <= MAX_INTERPRETERS; depth++) {
        struct stat stat;
        long result = kernel_stat(path, &stat, 0);

        if (depth == 0 && (goes_on(result) || (result == 0 && ((stat.st_mode & S_IFMT) != S_IFREG ||
                                                               (stat.st_mode & 0111) == 0))))
            return NOT_HERE;
        if (result != 0 || (stat.st_mode & S_IFMT) != S_IFREG)
            return UNSURE;
        file.fd = kernel_open(path); /* closed by the exec */
        if (file.fd < 0)
            return UNSURE;
        file.size = stat.st_size;
        result = system_call(SYS_read, file.fd, (long)file.head, HEAD_SIZE, 0, 0);
        if (result < 4)
            return UNSURE;
        file.filled = (u64)result;
        if (bytes_contain(file.head, 4, "\177ELF")) {
            enum verdict verdict = may_gain_rights(&file, &stat, uid) ? UNSURE : examine_elf(&file);

            /* Of a script's interpreter the patcher is to be told apart: left to the command line.
             */
            if (depth != 0 && verdict == STATIC_GO)
                return PLAIN;
            return depth != 0 && verdict == STATIC ? UNSURE : verdict;
        }
        if (!starts_with(file.head, "#!") || !parse_script_line(&file, interpreter))
            return UNSURE;
        path = interpreter;
    }
    return UNSURE;
}

/* Whether a program, by its name, starts others with an environment of its own making. */
bool has_new_environment(const char *path) {
    static const char names[] = NEW_ENVIRONMENT_NAMES;
    const char *name = path;

    for (; *path != 0; path++) {
        if (*path == '/')
            name = path + 1;
    }
    for (const char *at = names; *at != 0; at += text_length(at) + 1) {
        if (text_equal(name, at))
            return true;
    }
    return false;
}
