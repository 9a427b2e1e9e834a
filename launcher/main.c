/* From the first instruction to the exec: words, the search in PATH, and which of the two serves.
 */
#include "../patch/become.h"
#include "launcher.h"

/* The words of `run` that are served here; false for all others. */
struct words {
    bool debug;
    bool strict;
    bool patch;   /* --method patch */
    long command; /* the index of COMMAND */
};

static bool parse_words(const struct start *start, struct words *words) {
    long at = 2;

    words->debug = words->strict = words->patch = false;
    if (start->argc < 3 || !text_equal(start->argv[1], "run"))
        return false;
    for (; at < start->argc; at++) {
        const char *word = start->argv[at];

        if (text_equal(word, "-d") || text_equal(word, "--debug"))
            words->debug = true;
        else if (text_equal(word, "--strict"))
            words->strict = true;
        else if (text_equal(word, "--method=patch"))
            words->patch = true;
        else if (text_equal(word, "--method") && at + 1 < start->argc &&
                 text_equal(start->argv[at + 1], "patch")) {
            words->patch = true;
            at++;
        } else if (text_equal(word, "--")) {
            at++;
            break;
        } else if (word[0] == '-' && word[1] != 0)
            return false;
        else
            break;
    }
    words->command = at;
    return at < start->argc && start->argv[at][0] != 0;
}

/* Whether the kernel makes MPTCP sockets here; else the command line says so. Closed by the exec.
 */
static bool makes_mptcp_sockets(void) {
    return system_call(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP, 0, 0) >= 0;
}

/* Becomes the program at a path; returns only if it was not executed. */
static void run_program(const struct start *start, const struct words *words, const char *path) {
    char library[FOLDER_ROOM + 64];
    struct forced_environment forced;
    u64 size;

    append(append(library, start->folder), LIBRARY_BELOW);
    size = measure_environment(&forced, start->envp, library);
    if (size > MAX_FORCED_SIZE || has_new_environment(path) || !makes_mptcp_sockets() ||
        !library_is_safe(library, start->uid))
        return;
    force_environment(&forced, __builtin_alloca(size), start->envp, library, words->debug,
                      words->strict);
    kernel_execve(path, start->argv + words->command, forced.entries);
}

/* The same for a static program, which is patched: as the command line has it by patch/main.c. */
static void patch_program(const struct start *start, const struct words *words, const char *path) {
    struct forced_environment forced;
    u64 size = measure_environment(&forced, start->envp, "");

    if (size > MAX_FORCED_SIZE || has_new_environment(path) || !makes_mptcp_sockets())
        return;
    force_environment(&forced, __builtin_alloca(size), start->envp, 0, words->debug, words->strict);
    become_patched(&(struct patched_command){
        .image = path,
        .path = path,
        .argv = start->argv + words->command,
        .envp = forced.entries,
        .debug = words->debug,
        .strict = words->strict,
    });
}

/* Becomes what is at a path if it is what the words are for. */
static void become(const struct start *start, const struct words *words, const char *path,
                   enum verdict verdict) {
    if ((verdict == PLAIN || verdict == STATIC_GO) && !words->patch)
        run_program(start, words, path);
    if ((verdict == STATIC || verdict == STATIC_GO) && words->patch)
        patch_program(start, words, path);
}

/* Finds COMMAND as execvp(3) does, and becomes it; returns for the command line to take over. */
static void run(const struct start *start, const struct words *words) {
    char path[2 * PATH_MAX];
    const char *name = start->argv[words->command];
    u64 length = text_length(name);
    const char *from;

    for (const char *at = name; *at != 0; at++) {
        if (*at == '/') {
            become(start, words, name, examine_program(name, start->uid));
            return;
        }
    }
    from = get_variable(start->envp, "PATH=");
    if (from == 0)
        from = "/bin:/usr/bin";
    if (length >= PATH_MAX)
        return;
    for (;;) {
        const char *end = from;

        while (*end != 0 && *end != ':')
            end++;
        if (end - from < PATH_MAX) {
            char *to = append_bytes(path, from, (u64)(end - from));
            enum verdict verdict;

            if (end != from)
                to = append(to, "/");
            append_bytes(to, name, length);
            verdict = examine_program(path, start->uid);
            become(start, words, path, verdict);
            if (verdict != NOT_HERE)
                return;
        }
        if (*end == 0)
            return;
        from = end + 1;
    }
}

/* Reads what the kernel put on the stack: argc, argv, envp and the auxiliary vector. */
static void read_start(struct start *start, u64 *stack) {
    u64 uid = 0, gid = 0, euid = 0, egid = 0, secure = 0;
    u64 *at;

    start->argc = (long)stack[0];
    start->argv = (const char **)(stack + 1);
    start->envp = start->argv + start->argc + 1;
    for (at = (u64 *)start->envp; *at != 0; at++)
        ;
    for (at++; at[0] != AT_NULL; at += 2) {
        if (at[0] == AT_UID)
            uid = at[1];
        else if (at[0] == AT_EUID)
            euid = at[1];
        else if (at[0] == AT_GID)
            gid = at[1];
        else if (at[0] == AT_EGID)
            egid = at[1];
        else if (at[0] == AT_SECURE)
            secure = at[1];
    }
    start->uid = (u32)euid;
    start->ids_differ = uid != euid || gid != egid;
    start->secure = secure != 0;
    for (u32 byte = 0; byte < FOLDER_ROOM; byte++) {
        start->folder[byte] = slot.folder[byte];
        if (start->folder[byte] == 0)
            break;
    }
}

/* Takes out what the dynamic loader takes out of the environment of a program in secure mode. */
static void drop_loader_variables(struct start *start) {
    u64 kept = 0;

    for (u64 at = 0; start->envp[at] != 0; at++) {
        if (!starts_with(start->envp[at], "LD_"))
            start->envp[kept++] = start->envp[at];
    }
    start->envp[kept] = 0;
}

__attribute__((used)) _Noreturn void launcher_main(u64 *stack) {
    struct start start;
    struct words words;

    read_start(&start, stack);
    if (start.ids_differ)
        fail(&start, 125, "start anything",
             "this process has rights of another user, which every command would get",
             "take the set-user-ID and set-group-ID bits from mptcpize");
    if (start.folder[0] != '/')
        fail(&start, 125, "find the files of mptcpize", "this launcher was not installed",
             "`mptcpize install` in a checkout");
    if (start.secure)
        drop_loader_variables(&start);
    if (parse_words(&start, &words))
        run(&start, &words);
    hand_over(&start);
}

#if defined(__x86_64__)
__asm__(".globl _start\n"
        "_start:\n"
        "	xorl %ebp, %ebp\n"
        "	movq %rsp, %rdi\n"
        "	andq $-16, %rsp\n"
        "	call launcher_main\n");
#else
__asm__(".globl _start\n"
        "_start:\n"
        "	mov x29, #0\n"
        "	mov x30, #0\n"
        "	mov x0, sp\n"
        "	bl launcher_main\n");
#endif
