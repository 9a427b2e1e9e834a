/* Prints what the native search finds in files of bare code: find_sites x86_64|aarch64 FILE… */
#include "../../../patch/patch.h"
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    static struct site sites[4096];

    for (int at = 2; at < argc; at++) {
        FILE *file = fopen(argv[at], "rb");
        u8 *code;
        long size;
        u32 count;

        if (file == NULL || fseek(file, 0, SEEK_END) != 0)
            return 1;
        size = ftell(file);
        rewind(file);
        /* Exactly as large as it is, so that a read behind it is seen. */
        code = malloc((unsigned long)size);
        if (fread(code, 1, (unsigned long)size, file) != (unsigned long)size)
            return 1;
        fclose(file);
        count = (argv[1][0] == 'x' ? find_x86_sites : find_arm_sites)(code, (u64)size, sites, 4096);
        printf("%s\n", argv[at]);
        for (u32 index = 0; index < count; index++)
            printf("%lu %lu %lu %s\n", sites[index].at, sites[index].call, sites[index].end,
                   sites[index].is_number ? "number" : "register");
        free(code);
    }
    return 0;
}
