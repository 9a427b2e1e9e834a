/**
 * What a file gives to whoever executes it: set-id bits and file capabilities.
 *
 * @module
 */

import { viewOf } from "./byte_source.ts";

const S_ISUID = 0o4000;
const S_ISGID = 0o2000;
const S_IXGRP = 0o010;

/** The set-id bits of a file mode that execve(2) heeds. */
export interface SetIdBits {
  readonly setUid: boolean;
  readonly setGid: boolean;
}

/**
 * Reads the set-id bits out of a file mode.
 *
 * Without execution by the group the set-group-ID bit does not count: it once meant mandatory locking.
 *
 * Source: fs/exec.c (bprm_fill_uid) @ v6.12.
 */
export function parseSetIdBits(mode: number): SetIdBits {
  return {
    setUid: (mode & S_ISUID) !== 0,
    setGid: (mode & S_ISGID) !== 0 && (mode & S_IXGRP) !== 0,
  };
}

const VFS_CAP_REVISION_MASK = 0xff000000;
const VFS_CAP_FLAGS_EFFECTIVE = 1;
/** Size of the attribute, and how many pairs of permitted and inheritable it holds, by revision. */
const REVISIONS: Readonly<Record<number, { readonly size: number; readonly pairs: number }>> = {
  0x01000000: { size: 12, pairs: 1 },
  0x02000000: { size: 20, pairs: 2 },
  0x03000000: { size: 24, pairs: 2 },
};

/**
 * Whether the value of `security.capability` gives a user who is not root any capability.
 *
 * Inheritable ones alone give nothing. A value that the kernel would refuse counts as none.
 *
 * Layout: struct vfs_cap_data, little-endian: revision and flags, then permitted and inheritable of
 * 32 bits each once (revision 1) or twice (2, 3), then the root user of the namespace (3).
 *
 * Source: include/uapi/linux/capability.h, security/commoncap.c (get_vfs_caps_from_disk) @ v6.12.
 */
export function parseFileCapabilities(value: Uint8Array | undefined): boolean {
  if (value === undefined || value.length < 4) return false;
  const view = viewOf(value);
  const magic = view.getUint32(0, true);
  const revision = REVISIONS[(magic & VFS_CAP_REVISION_MASK) >>> 0];
  if (revision === undefined || value.length !== revision.size) return false;
  if ((magic & VFS_CAP_FLAGS_EFFECTIVE) !== 0) return true;
  for (let pair = 0; pair < revision.pairs; pair++) {
    if (view.getUint32(4 + 8 * pair, true) !== 0) return true;
  }
  return false;
}
