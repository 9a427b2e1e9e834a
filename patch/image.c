/* Reads a program file and finds its sites. */
#include "patch.h"

/* include/uapi/linux/elf.h @ v6.12: ELF64 header and program header */
struct elf_header {
    u8 ident[16];
    u16 type;
    u16 machine;
    u32 version;
    u64 entry;
    u64 headers_at;
    u64 sections_at;
    u32 flags;
    u16 size;
    u16 header_size;
    u16 header_count;
};
struct program_header {
    u32 type;
    u32 flags;
    u64 offset;
    u64 address;
    u64 physical;
    u64 file_size;
    u64 memory_size;
    u64 align;
};
enum { PT_LOAD = 1, PT_INTERP = 3, PF_X = 1, PF_W = 2, ET_EXEC = 2, ET_DYN = 3, PAGE = 4096 };

static const char *const no_program = "its file is no program of this machine";

/* Whether a stretch lies in the file. */
static bool is_in(u64 size, u64 offset, u64 length) {
    return offset <= size && length <= size - offset;
}

/* Searches its code; gives the reason why it is not to be patched, or null. */
const char *find_sites(struct image *image) {
    for (u32 index = 0; index < image->code_count; index++) {
        const u8 *code = image->file + image->codes[index].offset;
        u64 size = image->codes[index].size;
        struct site *sites = image->sites + image->site_count;
        u32 room = MAX_SITES - image->site_count;
#if defined(__x86_64__)
        u32 count = find_x86_sites(code, size, sites, room);
#else
        u32 count = find_arm_sites(code, size, sites, room);
#endif

        if (count > room)
            return "it has more calls that may be socket(2) than a program has";
        for (u32 at = 0; at < count; at++) {
            sites[at].at += image->codes[index].address;
            sites[at].call += image->codes[index].address;
            sites[at].end += image->codes[index].address;
        }
        image->site_count += count;
    }
    return image->site_count == 0 ? "it has no call of socket(2) that can be replaced" : 0;
}

/* Whether a segment comes to lie in a page as well. */
static bool is_in_page(const struct program_header *segment, u64 page) {
    return segment->type == PT_LOAD && (segment->address & ~(u64)(PAGE - 1)) <= page &&
           segment->address + segment->memory_size > page;
}

/*
 * Whether nothing is in the rest of the last page of some code, which is mapped with it: linkers
 * fill it up with one byte.
 */
static void find_room(struct image *image, u64 size, const struct program_header *segments,
                      const struct program_header *code) {
    u64 end = code->address + code->file_size, at = code->offset + code->file_size;
    u64 length = -end & (PAGE - 1);
    u32 others = 0;

    if (code->memory_size != code->file_size ||
        ((code->address - code->offset) & (PAGE - 1)) != 0 || length <= image->room.size ||
        !is_in(size, at, length))
        return;
    for (u64 index = 0; index < image->header_count; index++)
        others += is_in_page(segments + index, end & ~(u64)(PAGE - 1));
    for (u64 into = 1; into < length; into++)
        others += image->file[at + into] != image->file[at];
    if (others != 1) /* the code itself */
        return;
    image->room.address = end;
    image->room.size = length;
    image->room.bytes = image->file + at;
}

/* Reads the file, but not its code; gives the reason why it is not to be patched, or null. */
const char *read_image(struct image *image, const char *path) {
    const struct elf_header *header;
    const struct program_header *segments;
    struct stat stat;
    long fd, mapped;
    u64 size;

    fd = kernel_open(path);
    if (is_error(fd) ||
        is_error(system_call(SYS_newfstatat, fd, (long)"", (long)&stat, AT_EMPTY_PATH, 0)))
        return "its file cannot be read";
    size = stat.st_size;
    mapped = size < sizeof(*header)
                 ? -ENOENT
                 : system_call6(SYS_mmap, 0, (long)size, PROT_READ, MAP_PRIVATE, fd, 0);
    /* Closed by the exec, as the mapping is undone by it. */
    if (is_error(mapped))
        return no_program;
    image->file = (const u8 *)mapped;
    header = (const struct elf_header *)mapped;
    if (!same_bytes(header->ident, (const u8 *)"\177ELF\2\1", 6) ||
        header->machine != EM_THIS_MACHINE || (header->type != ET_EXEC && header->type != ET_DYN) ||
        header->header_size != sizeof(*segments) ||
        !is_in(size, header->headers_at, header->header_count * sizeof(*segments)))
        return no_program;
    segments = (const struct program_header *)(image->file + header->headers_at);
    image->entry = header->entry;
    image->header_count = header->header_count;
    image->lowest = ~0UL;
    for (u32 index = 0; index < header->header_count; index++) {
        const struct program_header *segment = segments + index;

        if (segment->type == PT_INTERP)
            return "it is dynamic: `--method preload` reaches it";
        if (segment->type != PT_LOAD)
            continue;
        if (!is_in(size, segment->offset, segment->file_size))
            return no_program;
        if (segment->address < image->lowest)
            image->lowest = segment->address & ~(u64)(PAGE - 1);
        if (header->headers_at - segment->offset < segment->file_size)
            image->headers = segment->address + header->headers_at - segment->offset;
        if ((segment->flags & (PF_X | PF_W)) != PF_X)
            continue;
        if (image->code_count == MAX_CODES)
            return no_program;
        image->codes[image->code_count].address = segment->address;
        image->codes[image->code_count].offset = segment->offset;
        image->codes[image->code_count++].size = segment->file_size;
        find_room(image, size, segments, segment);
    }
    return 0;
}

/* The bytes of the file that come to lie at an address; null if they are not of its code. */
const u8 *image_bytes(const struct image *image, u64 address, u64 size) {
    for (u32 index = 0; index < image->code_count; index++) {
        u64 into = address - image->codes[index].address;

        if (into < image->codes[index].size && size <= image->codes[index].size - into)
            return image->file + image->codes[index].offset + into;
    }
    return 0;
}
