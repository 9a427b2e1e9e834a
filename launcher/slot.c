/*
 * Where `mptcpize install` finds the magic and writes behind it. In a section of its own, and
 * linked first, so that it lies in the first 4096 bytes of the file, by which a launcher is known.
 */
#include "launcher.h"

__attribute__((section(".slot"), used)) const volatile struct slot slot = {
    .magic = "mptcpize launcher slot\n",
};
