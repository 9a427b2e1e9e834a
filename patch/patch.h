/*
 * Starts a static program with the places of its code that make sockets replaced in memory, before
 * its first instruction. See docs/methods.md, patch.
 */
#ifndef PATCH_PATCH_H
#define PATCH_PATCH_H

#include "kernel.h"

typedef _Bool bool;
enum { false, true };

typedef signed char s8;
typedef int s32;
typedef long s64;

/* As in sites.ts: offsets from the beginning of the code. */
struct site {
    u64 at;   /* where the jump is written */
    u64 call; /* the call itself */
    u64 end;  /* where the program goes on */
    bool is_number;
};
enum { MAX_SITES = 64 };

/* The sites of a stretch of code; one more than MAX_SITES if there are too many. */
u32 find_x86_sites(const u8 *code, u64 size, struct site *sites, u32 room);
u32 find_arm_sites(const u8 *code, u64 size, struct site *sites, u32 room);

/* x86_bytes.c */
u64 next_x86_call(const u8 *code, u64 size, u64 at);
void mark_jumped_into(const u8 *code, u64 size, struct site *found, u32 count);

/* x86_length.c, as x86_length.ts */
struct instruction {
    u32 length; /* 0 if it is none */
    u32 opcode;
    u32 rex;
    int modrm;
    bool prefixed;
};
struct instruction decode_instruction(const u8 *code, u64 size, u64 at);
bool is_movable(const struct instruction *instruction, bool keep_rax);
bool ends_line(const struct instruction *instruction);

/* A program file as it is mapped for reading, and what is known of it. */
enum { MAX_CODES = 8 };
struct image {
    const u8 *file;
    u64 entry;
    u64 headers; /* where the program headers lie in the program */
    u64 header_count;
    u64 lowest; /* the page of its first byte */
    struct {
        u64 address;
        u64 offset;
        u64 size;
    } codes[MAX_CODES];
    u32 code_count;
    /* Bytes of the file between the end of code and that of its page, all the same. */
    struct {
        u64 address;
        u64 size;
        const u8 *bytes;
    } room;
    struct site sites[MAX_SITES]; /* in addresses of the file */
    u32 site_count;
};
const char *read_image(struct image *image, const char *path);
const char *find_sites(struct image *image);
const u8 *image_bytes(const struct image *image, u64 address, u64 size);

/* stub.c: what is put into the program besides its own code */
enum { STUB_ROOM = 1 << 14, STUB_ALIGN = 16 };
struct stub {
    u8 bytes[STUB_ROOM];
    u64 size;
    u64 base;               /* where it lies in the program */
    u64 room;               /* how much it may take there */
    u64 targets[MAX_SITES]; /* for each site, where its jump leads */
};
struct farewell {
    u32 pid;          /* the process to wait for */
    u32 take_sigchld; /* whether its end leaves a signal pending that nobody is to see */
};
enum { MAX_SITE = 32 };
void build_farewell(struct stub *stub, u64 entry, const struct farewell *farewell);
u64 farewell_start(const struct stub *stub);
bool fits_behind_code(const struct image *image);
bool add_call(struct stub *stub, const struct image *image, u64 bias, u32 index);
u64 build_jump(u8 *bytes, const struct site *site, u64 bias, u64 target);

/* memory.c */
struct tracee {
    u32 pid;
    bool gone;
    bool in_exec;  /* stopped within execve(2) still */
    u64 code_word; /* what stands at the entry, where a system call is put meanwhile */
    long memory;   /* its /proc/PID/mem; an error where words are to do */
};
long trace_call(long request, const struct tracee *tracee, u64 address, u64 data);
bool peek(const struct tracee *tracee, u64 address, u64 *word);
u64 read_words(const struct tracee *tracee, u64 address, u64 *words, u64 room);
void open_memory(struct tracee *tracee);
bool transfer(const struct tracee *tracee, u64 address, u8 *bytes, u64 size, bool writes);
/* A stretch of its memory, and what is to stand there. */
struct range {
    u64 address;
    const u8 *bytes;
    u64 size;
};
bool is_as(const struct tracee *tracee, const struct range *ranges, u32 count);
bool write_verified(const struct tracee *tracee, u64 address, const u8 *bytes, u64 size);

/* recognize.c */
bool recognize(struct tracee *tracee, const struct image *image, u64 entry, u64 stack, u64 *bias);

/* tracer.c */
struct job {
    const struct image *image;
    const char *program;
    struct farewell farewell;
    u32 pid;
    bool debug;
    bool strict;
};
void trace(const struct job *job);

/* say.c */
void say(const char *text);
void say_number(u64 number);
void say_error(long result);
void say_stays(const char *program, const char *reason);
bool same_bytes(const u8 *left, const u8 *right, u64 size);

#endif
