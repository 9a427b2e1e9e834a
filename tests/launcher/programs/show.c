/* Prints what a program is started with: words and environment in hexadecimal, limits and signals.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

extern char **environ;

static void show(const char *kind, const char *text) {
    printf("%s ", kind);
    for (; *text != 0; text++)
        printf("%02x", (unsigned char)*text);
    printf("\n");
}

int main(int argc, char **argv) {
    struct rlimit files;
    struct sigaction pipe;

    for (int at = 0; at < argc; at++)
        show("word", argv[at]);
    for (char **entry = environ; *entry != NULL; entry++)
        show("entry", *entry);
    getrlimit(RLIMIT_NOFILE, &files);
    printf("files %llu %llu\n", (unsigned long long)files.rlim_cur,
           (unsigned long long)files.rlim_max);
    sigaction(SIGPIPE, NULL, &pipe);
    printf("sigpipe %s\n", pipe.sa_handler == SIG_IGN ? "ignored" : "default");
    printf("ids %d %d %d %d\n", getuid(), geteuid(), getgid(), getegid());
    return argc > 1 && strcmp(argv[1], "fail") == 0 ? 42 : 0;
}
