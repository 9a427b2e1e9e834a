/* Becoming the command line, with what only the first process knows. */
#include "launcher.h"

static void say(const char *text) {
    system_call(SYS_write, 2, (long)text, (long)text_length(text), 0, 0);
}

/* One error and a hint in the form of cli/main.ts, with its exit status: another one for `run`. */
_Noreturn void fail(const struct start *start, int run_status, const char *what, const char *why,
                    const char *hint) {
    bool run = start->argc > 1 && text_equal(start->argv[1], "run");

    say("mptcpize: Cannot ");
    say(what);
    say(": ");
    say(why);
    say("\n\nhint: ");
    say(hint);
    say("\n");
    for (;;)
        system_call(SYS_exit_group, run ? run_status : 1, 0, 0, 0, 0);
}

static const char *exec_error(long result) {
    switch (-result) {
    case ENOENT:
        return "it is not there (execve: ENOENT)";
    case EACCES:
        return "it may not be executed (execve: EACCES)";
    case E2BIG:
        return "arguments and environment are too long (execve: E2BIG)";
    default:
        return "the kernel refuses to execute it (execve)";
    }
}

/*
 * What the command line is told in the first entries of its environment, where nothing of the
 * caller's comes before them; cli/env.ts takes them out again. The runtime ignores SIGPIPE and
 * raises the limit of open files, and cannot tell afterwards what they were. It is to keep no
 * cache: neither litter in the caller's home, nor code from there for root. And it is to ask nobody
 * for updates.
 */
static void describe_start(char *room) {
    struct rlimit64 limit = {0, 0};
    struct kernel_sigaction action = {0, {0, 0, 0}};
    char *to = append(room, "MPTCPIZE_START=");

    if (system_call(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)&limit, 0) == 0)
        to = append_number(append(to, "nofile:"), limit.soft);
    if (system_call(SYS_rt_sigaction, SIGPIPE, 0, (long)&action, 8, 0) == 0)
        append(to, action.handler == SIG_IGN ? ",sigpipe:ign" : ",sigpipe:dfl");
}

_Noreturn void hand_over(const struct start *start) {
    char deno[FOLDER_ROOM + 64];
    char cli[FOLDER_ROOM + 64];
    char described[96];
    const char *const words[] = {deno, "run", "-qA", "--no-config", cli, 0};
    const char **argv, **envp;
    u64 count = 0;
    long memory, error;

    append(append(deno, start->folder), DENO_BELOW);
    append(append(cli, start->folder), CLI_BELOW);
    if (others_may_write(deno) || others_may_write(cli))
        fail(start, 125, "start the command line",
             "its files are missing, or another user could replace them", "install mptcpize again");
    describe_start(described);

    while (start->envp[count] != 0)
        count++;
    /* As long as the lists may be: too long for a stack of limited size. */
    memory = system_call6(SYS_mmap, 0, ((long)count + start->argc + 16) * (long)sizeof(char *),
                          PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory < 0 && memory >= -4095)
        fail(start, 125, "start the command line", "there is no memory (mmap)",
             "raise the limits of this process");
    argv = (const char **)memory;
    count = 0;
    for (; words[count] != 0; count++)
        argv[count] = words[count];
    for (long at = 1; at < start->argc; at++)
        argv[count++] = start->argv[at];
    argv[count++] = 0;
    envp = argv + count;
    envp[0] = described;
    envp[1] = "DENO_DIR=/dev/null";
    envp[2] = "DENO_NO_UPDATE_CHECK=1";
    /* That it has no folder for its cache is not to be told on each terminal. */
    envp[3] = "DENO_LOG=error,deno::cache::cache_db=off";
    for (count = 0; start->envp[count] != 0; count++)
        envp[count + 4] = start->envp[count];
    envp[count + 4] = 0;
    error = kernel_execve(deno, argv, envp);
    /* The command would be refused as well: its status is that of env(1) for what cannot be
     * executed. */
    fail(start, error == -E2BIG ? 126 : 125, "start the command line", exec_error(error),
         error == -E2BIG ? "give fewer or shorter arguments" : "install mptcpize again");
}
