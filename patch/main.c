/*
 * mptcpize-patch [-d] [-s] IMAGE PATH NAME [ARG…]: becomes the program at PATH, called NAME, whose
 * code is the file IMAGE. `-d` tells what is replaced, `-s` rather fails (125) than runs it as it
 * is.
 */
#include "become.h"
#include "patch.h"

__attribute__((used)) _Noreturn void patch_main(u64 *stack) {
    long argc = (long)stack[0], at = 1;
    const char **argv = (const char **)(stack + 1);
    struct patched_command command = {.envp = argv + argc + 1};

    for (; at < argc && argv[at][0] == '-'; at++) {
        command.debug |= argv[at][1] == 'd';
        command.strict |= argv[at][1] == 's';
    }
    if (argc - at < 3) {
        say("mptcpize-patch: it is started by mptcpize: `mptcpize run --method patch`\n");
        for (;;)
            system_call(SYS_exit_group, 125, 0, 0, 0, 0);
    }
    command.image = argv[at];
    command.path = argv[at + 1];
    command.argv = argv + at + 2;
    become_patched(&command);
}

#if defined(__x86_64__)
__asm__(".globl _start\n"
        "_start:\n"
        "	xorl %ebp, %ebp\n"
        "	movq %rsp, %rdi\n"
        "	andq $-16, %rsp\n"
        "	call patch_main\n");
#else
__asm__(".globl _start\n"
        "_start:\n"
        "	mov x29, #0\n"
        "	mov x30, #0\n"
        "	mov x0, sp\n"
        "	bl patch_main\n");
#endif
