/* Prints what the constructor of early.c got. */
#include <stdio.h>

extern int early_protocol;

int main(void) {
    printf("protocol %d\n", early_protocol);
    return 0;
}
