/*
 * Executes a program with exactly the words and the environment that a file lists, which a shell or
 * a runtime would tidy up: strings with a NUL behind each: user id (or empty), soft limit of open
 * files (or empty), "ignore" to ignore SIGPIPE, folder, file to execute, number of words, words,
 * entries.
 */
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static char text[1 << 22];

int main(int argc, char **argv) {
    FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
    size_t size = file != NULL ? fread(text, 1, sizeof(text), file) : 0;
    char **strings = calloc(size + 2, sizeof(char *));
    size_t count = 0;

    for (size_t at = 0; at < size; at += strlen(text + at) + 1)
        strings[count++] = text + at;
    if (count < 6)
        return 99;
    fclose(file);

    size_t words = (size_t)atoi(strings[5]);
    char **entries = calloc(count, sizeof(char *));

    memcpy(entries, strings + 6 + words, (count - 6 - words) * sizeof(char *));
    strings[6 + words] = NULL;
    if (strings[1][0] != 0) {
        struct rlimit files;

        getrlimit(RLIMIT_NOFILE, &files);
        files.rlim_cur = (rlim_t)atoi(strings[1]);
        setrlimit(RLIMIT_NOFILE, &files);
    }
    signal(SIGPIPE, strings[2][0] != 0 ? SIG_IGN : SIG_DFL);
    if (chdir(strings[3]) != 0)
        return 98;
    if (strings[0][0] != 0) {
        int id = atoi(strings[0]);

        if (setgroups(0, NULL) != 0 || setgid((gid_t)id) != 0 || setuid((uid_t)id) != 0)
            return 97;
    }
    execve(strings[4], strings + 6, entries);
    perror("execve");
    return 96;
}
