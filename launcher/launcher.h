/*
 * The front door that is installed as `mptcpize`: serves `run` of a plain dynamic program and of Go
 * itself, and `run --method patch` of a static one, and hands everything else to the command line.
 * What it serves it must serve exactly as that would; where it is not sure, it hands over, which is
 * always right.
 */
#ifndef LAUNCHER_LAUNCHER_H
#define LAUNCHER_LAUNCHER_H

#include "kernel.h"

typedef _Bool bool;
enum { false, true };

/* The files of an installation, below its folder. */
#define LIBRARY_NAME "libmptcpize.so"
#define LIBRARY_BELOW "/lib/" MACHINE "/" LIBRARY_NAME
#define DENO_BELOW "/deno"
#define CLI_BELOW "/mptcpize.js"

/*
 * The absolute path of the installation's folder, written into the file by `mptcpize install`;
 * empty in a launcher that was not installed. See docs/adr/0007.
 */
enum { FOLDER_ROOM = 1024, SLOT_MAGIC_SIZE = 24 };
struct slot {
    char magic[SLOT_MAGIC_SIZE];
    char folder[FOLDER_ROOM];
};
extern const volatile struct slot slot;

/* What this process was started with. */
struct start {
    long argc;
    const char **argv;
    const char **envp;
    u32 uid;
    bool ids_differ; /* a set-id launcher, or a caller whose real and effective ids differ */
    bool secure;     /* AT_SECURE */
    char folder[FOLDER_ROOM];
};

/* text.c: byte strings */
u64 text_length(const char *text);
bool text_equal(const char *left, const char *right);
bool starts_with(const char *text, const char *start);
bool bytes_contain(const char *bytes, u64 size, const char *what);
void copy_bytes(void *to, const void *from, u64 size);
char *append(char *to, const char *text);
char *append_bytes(char *to, const char *bytes, u64 size);
char *append_number(char *to, u64 number);

/* environment.c: as preload/environment.ts */
struct forced_environment {
    const char **entries; /* room for four more, and the null pointer behind */
    u64 count;
    const char *old_preload; /* the values that are merged; empty where there is none */
    const char *old_godebug;
    char *preload; /* rooms for the new entries */
    char *godebug;
    u64 preload_size;
    u64 godebug_size;
};
enum { MAX_FORCED_SIZE = 1 << 18 };
const char *get_variable(const char *const *entries, const char *start);
u64 measure_environment(struct forced_environment *forced, const char *const *envp,
                        const char *library);
void force_environment(struct forced_environment *forced, void *room, const char *const *envp,
                       const char *library, bool debug, bool strict);

/* program.c: as program/read.ts and force/choose.ts */
enum verdict {
    PLAIN,     /* a dynamic program of this machine, or a script of one */
    STATIC,    /* a static program of this machine */
    STATIC_GO, /* one that GODEBUG reaches */
    NOT_HERE,  /* execvp(3) would go on to the next element of PATH */
    UNSURE,
};
enum verdict examine_program(const char *path, u32 uid);
bool has_new_environment(const char *path);

/* library.c: as unsafeBecause of preload/library.ts */
bool library_is_safe(const char *path, u32 uid);
bool others_may_write(const char *path);

/* hand_over.c */
_Noreturn void hand_over(const struct start *start);
_Noreturn void fail(const struct start *start, int run_status, const char *what, const char *why,
                    const char *hint);

#endif
