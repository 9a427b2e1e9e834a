/* Where the patcher begins, for mptcpize-patch and for the launcher. */
#ifndef PATCH_BECOME_H
#define PATCH_BECOME_H

struct patched_command {
    const char *image; /* the file of its code */
    const char *path;  /* what is executed */
    const char *const *argv;
    const char *const *envp;
    _Bool debug;  /* tells what is replaced */
    _Bool strict; /* rather fails (125) than runs it as it is */
};
_Noreturn void become_patched(const struct patched_command *command);

#endif
