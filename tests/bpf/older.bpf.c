// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* The programs with an older layout of the maps: values grow at their ends (bpf/mptcpify.h). */
#define PATH_SIZE 512
#include "../../bpf/mptcpify.bpf.c"
