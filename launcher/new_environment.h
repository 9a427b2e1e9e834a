/* Generated from force/notes.ts by scripts/build_native.ts: change it there. */
#ifndef LAUNCHER_NEW_ENVIRONMENT_H
#define LAUNCHER_NEW_ENVIRONMENT_H

/* clang-format off */
#define NEW_ENVIRONMENT_NAMES \
	"sudo" "\0" \
	"doas" "\0" \
	"su" "\0" \
	"runuser" "\0" \
	"pkexec" "\0" \
	"systemd-run" "\0" \
	"docker" "\0" \
	"podman" "\0" \
	"flatpak" "\0"
/* clang-format on */

#endif
