/*
 * Patches itself with the patcher's own code, where nothing can trace it (qemu-user has no ptrace),
 * and shows what its calls of socket(2) give then, with every register. Statically linked for
 * aarch64.
 */
#include "../../../patch/patch.h"

/* Of the C library, whose headers do not go with those of the kernel's own names. */
typedef struct {
    u64 bits[16];
} sigset_t;
int printf(const char *format, ...);
int fflush(void *file);
int fork(void);
int wait(int *status);
_Noreturn void exit(int status);
_Noreturn void _exit(int status);
int sigemptyset(sigset_t *set);
int sigaddset(sigset_t *set, int number);
int sigismember(const sigset_t *set, int number);
int sigpending(sigset_t *set);
int sigprocmask(int how, const sigset_t *set, sigset_t *old);
void *mmap(void *address, unsigned long size, int protection, int flags, int fd, long offset);
int mprotect(void *address, unsigned long size, int protection);
int getsockopt(int fd, int level, int name, void *value, unsigned *length);

void probe(u64 *registers);
extern const u8 probe_begin[], probe_end[];

/* Loads x0 to x15 and the flags, calls, stores them all again. */
__asm__(".text\n.balign 4096\n.globl probe, probe_begin, probe_end\nprobe_begin:\nprobe:\n"
        "	str x0, [sp, #-16]!\n"
        "	mov x16, x0\n"
        "	ldp x0, x1, [x16]\n	ldp x2, x3, [x16, #16]\n	ldp x4, x5, [x16, #32]\n"
        "	ldp x6, x7, [x16, #48]\n	ldp x8, x9, [x16, #64]\n	ldp x10, x11, "
        "[x16, #80]\n"
        "	ldp x12, x13, [x16, #96]\n	ldp x14, x15, [x16, #112]\n"
        "	ldr x17, [x16, #128]\n	msr nzcv, x17\n"
        "	svc #0\n"
        "	ldr x16, [sp], #16\n"
        "	stp x0, x1, [x16]\n	stp x2, x3, [x16, #16]\n	stp x4, x5, [x16, #32]\n"
        "	stp x6, x7, [x16, #48]\n	stp x8, x9, [x16, #64]\n	stp x10, x11, "
        "[x16, #80]\n"
        "	stp x12, x13, [x16, #96]\n	stp x14, x15, [x16, #112]\n"
        "	mrs x17, nzcv\n	str x17, [x16, #128]\n"
        "	ret\n"
        "	mov x8, #64\n"
        "	svc #0\n"
        ".balign 4096\nprobe_end:\n");

const u8 *image_bytes(const struct image *image, u64 address, u64 size) {
    (void)image, (void)size;
    return (const u8 *)address;
}

static void show(const char *name, u64 number, u64 family, u64 type, u64 protocol) {
    u64 registers[17], before[17];
    int value = -1;
    unsigned length = sizeof(value);

    for (u64 at = 0; at < 16; at++)
        registers[at] = at * 0x0101010101010101;
    registers[0] = family;
    registers[1] = type;
    registers[2] = protocol;
    registers[8] = number;
    registers[16] = 0x60000000; /* Z and C */
    __builtin_memcpy(before, registers, sizeof(before));
    probe(registers);
    getsockopt((int)registers[0], 1, 38, &value, &length);
    printf("%s %ld protocol %d", name, (long)registers[0] < 0 ? (long)registers[0] : 0L, value);
    for (u64 at = 1; at < 17; at++)
        if (registers[at] != before[at])
            printf(" x%lu changed", at);
    printf("\n");
}

static void show_all(void) {
    show("tcp", 198, 2, 1, 0);
    show("tcp 6", 198, 2, 1 | 02000000 | 04000, 6);
    show("tcp6", 198, 10, 1, 0);
    show("tcp6 6", 198, 10, 1, 6);
    show("udp", 198, 2, 2, 0);
    show("udp 17", 198, 10, 2, 17);
    show("unix", 198, 1, 1, 0);
    show("sctp", 198, 2, 1, 132);
    show("bad type", 198, 2, 77, 0);
    show("bad flag", 198, 2, 0x40000001, 0);
    show("bad family", 198, 99, 1, 0);
    show("wide", 198, 2, 1, 0x100000006);
    show("other call", 172, 2, 1, 0);
}

/* Where the farewell leads to; the process that it waited for is gone, and its signal too. */
static void landed(void) {
    sigset_t set;
    bool is_left = wait(0) != -1;

    sigpending(&set);
    printf("left %d pending %d\n", is_left, sigismember(&set, SIGCHLD));
    exit(0);
}

static void say_farewell(struct stub *stub) {
    struct farewell farewell = {0, 1};
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, 0);
    fflush(0);
    farewell.pid = (u32)fork();
    if (farewell.pid == 0)
        _exit(0);
    build_farewell(stub, (u64)landed, &farewell);
    mprotect((void *)stub->base, STUB_ROOM, 3);
    __builtin_memcpy((void *)stub->base, stub->bytes, stub->size);
    mprotect((void *)stub->base, STUB_ROOM, 5);
    ((void (*)(void))farewell_start(stub))();
}

int main(void) {
    static struct image image;
    static struct stub stub;
    const struct farewell farewell = {0, 0};
    u64 text = (u64)probe_begin, size = (u64)probe_end - text;
    u8 bytes[MAX_SITE];

    show_all();
    image.site_count = find_arm_sites(probe_begin, size, image.sites, MAX_SITES);
    printf("sites %u\n", image.site_count);
    image.sites[0].at += text;
    image.sites[0].call += text;
    image.sites[0].end += text;
    stub.base = (u64)mmap((void *)(text - 0x400000), STUB_ROOM, 3, 0x22, -1, 0);
    stub.room = STUB_ROOM;
    build_farewell(&stub, text, &farewell);
    if (!add_call(&stub, &image, 0, 0))
        return 1;
    __builtin_memcpy((void *)stub.base, stub.bytes, stub.size);
    mprotect((void *)stub.base, STUB_ROOM, 5);
    size = build_jump(bytes, image.sites, 0, stub.targets[0]);
    mprotect((void *)text, 4096, 3);
    __builtin_memcpy((void *)image.sites[0].at, bytes, size);
    mprotect((void *)text, 4096, 5);
    __builtin___clear_cache((char *)text, (char *)text + 4096);
    show_all();
    say_farewell(&stub);
    return 1;
}
