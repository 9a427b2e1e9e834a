/**
 * Generic netlink: families by name. Pure but for {@linkcode findFamily}.
 *
 * @module
 */

import { Errno } from "../ffi/errno.ts";
import type { NetlinkSocket } from "../ffi/netlink.ts";
import { eachAttribute, encodeAttribute, parseAttributes } from "./netlink.ts";
import { ask } from "./netlink_request.ts";
import { StructView } from "./struct_view.ts";

// Source: include/uapi/linux/genetlink.h @ v7.2.
const GENL_ID_CTRL = 0x10;
const CTRL_CMD_GETFAMILY = 3;
const CTRL_ATTR_FAMILY_ID = 1;
const CTRL_ATTR_FAMILY_NAME = 2;
const CTRL_ATTR_MCAST_GROUPS = 7;
const CTRL_ATTR_MCAST_GRP_NAME = 1;
const CTRL_ATTR_MCAST_GRP_ID = 2;

/** The size of `struct genlmsghdr`, which stands before the attributes. */
export const GENL_HEADER_SIZE = 4;

/** A family, as the kernel numbers it until its next start. */
export interface GenericFamily {
  readonly id: number;
  /** Its multicast groups, by name. */
  readonly groups: ReadonlyMap<string, number>;
}

/**
 * Encodes a command of a family, what stands behind the netlink header.
 *
 * Layout: `struct genlmsghdr`: u8 command 0, u8 version 1, u16 reserved 2; then attributes.
 */
export function encodeCommand(
  command: number,
  ...attributes: readonly Uint8Array[]
): Uint8Array[] {
  return [Uint8Array.of(command, 1, 0, 0), ...attributes];
}

/** Parses the answer to a search for a family; undefined for one without a number. */
export function parseFamily(payload: Uint8Array): GenericFamily | undefined {
  const attributes = parseAttributes(payload.subarray(GENL_HEADER_SIZE));
  const number = (value: Uint8Array | undefined) => value && new StructView(value);
  const id = number(attributes.get(CTRL_ATTR_FAMILY_ID))?.u16(0);
  if (id === undefined) return undefined;
  const groups = new Map<string, number>();
  for (
    const { value } of eachAttribute(attributes.get(CTRL_ATTR_MCAST_GROUPS) ?? new Uint8Array())
  ) {
    const group = parseAttributes(value);
    const name = group.get(CTRL_ATTR_MCAST_GRP_NAME);
    const groupId = number(group.get(CTRL_ATTR_MCAST_GRP_ID))?.u32(0);
    if (name !== undefined && groupId !== undefined) {
      groups.set(new TextDecoder().decode(name).replace(/\0.*$/s, ""), groupId);
    }
  }
  return { id, groups };
}

/**
 * Finds a family; undefined where the kernel has none of that name.
 *
 * @throws {SyscallError} when the question cannot be sent, or the answer not be read
 */
export function findFamily(socket: NetlinkSocket, name: string): GenericFamily | undefined {
  const wanted = encodeAttribute(CTRL_ATTR_FAMILY_NAME, new TextEncoder().encode(`${name}\0`));
  let family: GenericFamily | undefined;
  const request = encodeCommand(CTRL_CMD_GETFAMILY, wanted);
  const { errno } = ask(socket, "get", GENL_ID_CTRL, request, (payload) => {
    family ??= parseFamily(payload);
  });
  return errno === Errno.ENOENT ? undefined : family;
}
