/*
 * What is put into the program: first the farewell, which waits for the process that put it there
 * and goes on to the program's entry; then for each site the call as it was, asked for as MPTCP
 * first.
 *
 * On x86-64 rcx and r11 are free, which the call overwrites anyway, and on aarch64 nothing is;
 * neither uses the stack (there is a red zone below it, and a goroutine's may have no room), and no
 * flag changes. A signal may come anywhere.
 */
#include "patch.h"

/* The beginning of the farewell's data; `set` (SIGCHLD) and `timeout` (none) stand in the text. */
struct farewell_data {
    u64 entry;
    u32 pid;
    u32 take_sigchld;
    u64 set;
    u64 timeout[2];
};

extern const u8 farewell_begin[], farewell_end[], call_begin[], call_end[];

#if defined(__x86_64__)
__asm__(".globl farewell_begin, farewell_end, call_begin, call_end\n"
        ".pushsection .rodata.stub, \"a\"\n"
        ".balign 8\n"
        "farewell_begin:\n"
        "0:	.quad 0\n"
        "1:	.long 0\n"
        "2:	.long 0\n"
        "3:	.quad 0x10000\n"
        "4:	.quad 0, 0\n"
        /* wait4(pid, NULL, __WALL, NULL) */
        "	movl 1b(%rip), %edi\n"
        "	xorl %esi, %esi\n"
        "	movl $0x40000000, %edx\n"
        "	xorl %r10d, %r10d\n"
        "	movl $61, %eax\n"
        "	syscall\n"
        "	cmpl $0, 2b(%rip)\n"
        "	je 5f\n"
        /* rt_sigtimedwait(&set, NULL, &timeout, 8) */
        "	leaq 3b(%rip), %rdi\n"
        "	leaq 4b(%rip), %rdx\n"
        "	movl $8, %r10d\n"
        "	movl $128, %eax\n"
        "	syscall\n"
        /* As the kernel leaves them: arch/x86/include/asm/elf.h (ELF_PLAT_INIT) @ v6.12 */
        "5:	xorl %eax, %eax\n"
        "	xorl %ecx, %ecx\n"
        "	xorl %edx, %edx\n"
        "	xorl %edi, %edi\n"
        "	xorl %r10d, %r10d\n"
        "	xorl %r11d, %r11d\n"
        "	jmpq *0b(%rip)\n"
        "farewell_end:\n"

        "call_begin:\n"
        "	leaq -41(%rax), %rcx\n"
        "	jrcxz 1f\n"
        "	jmp 8f\n"
        "1:	leal -2(%rdi), %ecx\n"
        "	jrcxz 2f\n"
        "	leal -10(%rdi), %ecx\n"
        "	jrcxz 2f\n"
        "	jmp 8f\n"
        /* The lowest byte: with other bits than the type's in it the call fails as asked. */
        "2:	movzbl %sil, %ecx\n"
        "	leal -1(%rcx), %ecx\n"
        "	jrcxz 3f\n"
        "	jmp 8f\n"
        "3:	movq %rdx, %rcx\n"
        "	jrcxz 4f\n"
        "	leaq -6(%rdx), %rcx\n"
        "	jrcxz 5f\n"
        "	jmp 8f\n"
        "4:	movl $262, %edx\n"
        "	syscall\n"
        "	movl $0, %edx\n"
        "	jmp 6f\n"
        "5:	movl $262, %edx\n"
        "	syscall\n"
        "	movl $6, %edx\n"
        /* The highest byte of the result tells a descriptor from an error. */
        "6:	movq %rax, %rcx\n"
        "	bswapq %rcx\n"
        "	movzbl %cl, %ecx\n"
        "	jrcxz 9f\n"
        "	movl $41, %eax\n"
        "8:	syscall\n"
        "9:\n"
        "call_end:\n"
        ".popsection\n");
#else
/* One of the four combinations whose registers must come back as they were. */
#define TRY(label, family, protocol)                                                               \
    label ":	mov x0, #" family "\n"                                                             \
          "	mov x2, #262\n"                                                                        \
          "	svc #0\n"                                                                              \
          "	mov x2, #" protocol "\n"                                                           \
          "	tbz x0, #63, 90f\n"                                                                    \
          "	mov x0, #" family "\n"                                                             \
          "	b 80f\n"
__asm__(".globl farewell_begin, farewell_end, call_begin, call_end\n"
        ".pushsection .rodata.stub, \"a\"\n"
        ".balign 8\n"
        "farewell_begin:\n"
        "0:	.quad 0\n"
        "	.word 0\n"
        "	.word 0\n"
        "	.quad 0x10000\n"
        "	.quad 0, 0\n"
        /* wait4(pid, NULL, __WALL, NULL) */
        "	adr x9, 0b\n"
        "	ldr w0, [x9, #8]\n"
        "	mov x1, #0\n"
        "	mov x2, #0x40000000\n"
        "	mov x3, #0\n"
        "	mov x8, #260\n"
        "	svc #0\n"
        "	ldr w1, [x9, #12]\n"
        "	cbz w1, 1f\n"
        /* rt_sigtimedwait(&set, NULL, &timeout, 8) */
        "	add x0, x9, #16\n"
        "	mov x1, #0\n"
        "	add x2, x9, #24\n"
        "	mov x3, #8\n"
        "	mov x8, #137\n"
        "	svc #0\n"
        "1:	ldr x16, 0b\n"
        "	mov x0, #0\n"
        "	mov x1, #0\n"
        "	mov x2, #0\n"
        "	mov x3, #0\n"
        "	mov x8, #0\n"
        "	mov x9, #0\n"
        "	br x16\n"
        "farewell_end:\n"

        "call_begin:\n"
        "	tbz w1, #0, 80f\n"
        "	tbnz w1, #1, 80f\n"
        "	tbnz w1, #2, 80f\n"
        "	tbnz w1, #3, 80f\n"
        "	sub x8, x8, #198\n"
        "	cbz x8, 10f\n"
        "	add x8, x8, #198\n"
        "	b 80f\n"
        "10:	mov x8, #198\n"
        "	cbz x2, 20f\n"
        "	sub x2, x2, #6\n"
        "	cbz x2, 11f\n"
        "	add x2, x2, #6\n"
        "	b 80f\n"
        "11:	mov x2, #6\n"
        "	sub x0, x0, #2\n"
        "	cbz x0, 31f\n"
        "	sub x0, x0, #8\n"
        "	cbz x0, 32f\n"
        "	add x0, x0, #10\n"
        "	b 80f\n"
        "20:	sub x0, x0, #2\n"
        "	cbz x0, 33f\n"
        "	sub x0, x0, #8\n"
        "	cbz x0, 34f\n"
        "	add x0, x0, #10\n"
        "	b 80f\n" TRY("31", "2", "6") TRY("32", "10", "6") TRY("33", "2", "0")
            TRY("34", "10", "0") "80:	svc #0\n"
                                 "90:\n"
                                 "call_end:\n"
                                 ".popsection\n");
#endif

enum { FAREWELL_CODE = sizeof(struct farewell_data), JUMP_ROOM = 8 };

static bool append(struct stub *stub, const u8 *bytes, u64 size) {
    if (size > stub->room - stub->size)
        return false;
    __builtin_memcpy(stub->bytes + stub->size, bytes, size);
    stub->size += size;
    return true;
}

/* A jump from one address to another; the number of its bytes, 0 if it cannot reach. */
static u64 encode_jump(u8 *bytes, u64 from, u64 to) {
#if defined(__x86_64__)
    s64 distance = (s64)(to - from - 5);
    s32 narrow = (s32)distance;

    if (narrow != distance)
        return 0;
    bytes[0] = 0xe9;
    __builtin_memcpy(bytes + 1, &narrow, 4);
    return 5;
#else
    s64 distance = (s64)(to - from);
    u32 word = 0x14000000 | ((u32)((u64)distance >> 2) & 0x3ffffff);

    if (distance >= 1 << 27 || distance < -(1 << 27))
        return 0;
    __builtin_memcpy(bytes, &word, 4);
    return 4;
#endif
}

/* Begins a stub with the farewell. There is room for that. */
void build_farewell(struct stub *stub, u64 entry, const struct farewell *farewell) {
    stub->size = 0;
    append(stub, farewell_begin, (u64)(farewell_end - farewell_begin));
    __builtin_memcpy(stub->bytes + __builtin_offsetof(struct farewell_data, entry), &entry, 8);
    __builtin_memcpy(stub->bytes + __builtin_offsetof(struct farewell_data, pid), &farewell->pid,
                     4);
    __builtin_memcpy(stub->bytes + __builtin_offsetof(struct farewell_data, take_sigchld),
                     &farewell->take_sigchld, 4);
}

u64 farewell_start(const struct stub *stub) {
    return stub->base + FAREWELL_CODE;
}

/* Whether there is room for all behind the program's own code. */
bool fits_behind_code(const struct image *image) {
    u64 size = STUB_ALIGN + (u64)(farewell_end - farewell_begin);

    for (u32 index = 0; index < image->site_count; index++) {
        const struct site *site = image->sites + index;

        size += site->end - site->at + (u64)(call_end - call_begin) + JUMP_ROOM;
    }
    return size <= image->room.size;
}

/* Adds the call of a site with what goes with it; false if it does not fit or is out of reach. */
bool add_call(struct stub *stub, const struct image *image, u64 bias, u32 index) {
    const struct site *site = image->sites + index;
    const u8 *code = image_bytes(image, site->at, site->end - site->at);
    const u64 call_size = (u64)(call_end - call_begin);
    u64 offset = site->call - site->at;
    u8 jump[JUMP_ROOM];
    u64 size;

    if (code == 0)
        return false;
    stub->targets[index] = stub->base + stub->size;
    /* What stands before the call, the call, what stands behind it. */
#if defined(__x86_64__)
    const u64 syscall_size = 2;
#else
    const u64 syscall_size = 4;
#endif
    if (!append(stub, code, offset) || !append(stub, call_begin, call_size) ||
        !append(stub, code + offset + syscall_size, site->end - site->call - syscall_size))
        return false;
    size = encode_jump(jump, stub->base + stub->size, site->end + bias);
    return size != 0 && append(stub, jump, size);
}

/* The bytes that a site is replaced by; how many, 0 if the call is out of reach. */
u64 build_jump(u8 *bytes, const struct site *site, u64 bias, u64 target) {
    u64 size = encode_jump(bytes, site->at + bias, target);

#if defined(__x86_64__)
    /* What is left of the instructions behind the call: nobody comes there. */
    while (size != 0 && !site->is_number && size < site->end - site->at)
        bytes[size++] = 0xcc;
#else
    (void)site;
#endif
    return size;
}
