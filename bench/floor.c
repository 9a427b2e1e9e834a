/*
 * The least that a launcher can do: adds one entry to the environment and executes a program, given
 * as `floor ENTRY PROGRAM`. No C library, no check of anything.
 */
#include "../launcher/kernel.h"

__attribute__((used)) _Noreturn void floor_main(u64 *stack) {
    const char **argv = (const char **)(stack + 1);
    const char **envp = argv + stack[0] + 1;
    const char *entries[64];
    u32 count = 0;

    for (; envp[count] != 0 && count < 62; count++)
        entries[count] = envp[count];
    entries[count++] = argv[1];
    entries[count] = 0;
    kernel_execve(argv[2], argv + 2, entries);
    for (;;)
        system_call(SYS_exit_group, 1, 0, 0, 0, 0);
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start: movq %rsp, %rdi\n andq $-16, %rsp\n call floor_main\n");
#else
__asm__(".globl _start\n_start: mov x0, sp\n bl floor_main\n");
#endif
