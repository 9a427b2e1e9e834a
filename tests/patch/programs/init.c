/*
 * The only process of a machine that is booted for a test: runs the lines of /cases one after the
 * other, each as words between blanks, tells what they wrote and how they ended, and turns the
 * machine off.
 */
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void run(char *line) {
    char *words[16];
    int count = 0, status;

    printf("== %s\n", line);
    fflush(stdout);
    for (char *word = strtok(line, " "); word && count < 15; word = strtok(NULL, " "))
        words[count++] = word;
    words[count] = NULL;
    if (fork() == 0) {
        execv(words[0], words);
        _exit(127);
    }
    wait(&status);
    printf("-- %d\n", WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

int main(void) {
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    char line[256];
    FILE *cases;

    mkdir("/proc", 0755);
    mount("proc", "/proc", "proc", 0, NULL);
    ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCSIFFLAGS, &lo);
    cases = fopen("/cases", "r");
    while (cases && fgets(line, sizeof(line), cases)) {
        line[strcspn(line, "\n")] = 0;
        run(line);
    }
    printf("== the end\n");
    fflush(stdout);
    reboot(RB_POWER_OFF);
    return 1;
}
