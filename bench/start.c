/*
 * How long commands take from spawn to exit, interleaved: each round starts every command once, in
 * turn, a slow one only every so many rounds.
 *
 * start ROUNDS -- EVERY COMMAND… [-- EVERY COMMAND…]… prints for each start the number of the
 * command, of the round and of microseconds.
 */
#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static double microseconds(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 0;
    char **commands[16];
    int every[16];
    int count = 0;

    for (int at = 2; at < argc; at++) {
        if (strcmp(argv[at], "--") == 0) {
            argv[at] = NULL;
            if (at + 2 < argc && count < 16) {
                every[count] = atoi(argv[at + 1]);
                commands[count++] = argv + at + 2;
            }
        }
    }
    for (int round = 0; round < rounds; round++) {
        for (int at = 0; at < count; at++) {
            /* Each round begins with another one, so that none always follows the same. */
            int which = (at + round) % count;
            double before;
            int status;
            pid_t pid;

            if (round % every[which] != 0)
                continue;
            before = microseconds();
            if (posix_spawn(&pid, commands[which][0], NULL, NULL, commands[which], environ) != 0 ||
                waitpid(pid, &status, 0) != pid || status != 0) {
                fprintf(stderr, "Cannot run %s\n", commands[which][0]);
                return 1;
            }
            printf("%d %d %.1f\n", which, round, microseconds() - before);
        }
    }
    return 0;
}
