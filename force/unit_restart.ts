/**
 * Whether a unit that was started stays up, and which sockets it has then.
 *
 * @module
 */

import { MptcpizeError } from "../errors.ts";
import { parseUnitName, type UnitManager, type UnitProperties } from "../systemd/mod.ts";
import { isRunning, tcpListeners } from "./unit_read.ts";
import { readGroupSockets, readListeners, type UnitSocket } from "./unit_sockets.ts";

const LOOK_EVERY_MS = 200;
/** A service that fails at once does so within this time, most of the time. */
const STEADY_MS = 1000;
/** How long a service may take to listen again where it did before. */
const LISTEN_AGAIN_MS = 20_000;
/** How long a service may take to be active: systemd's own limit for a start is 90 s. */
const ACTIVE_MS = 100_000;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** The sockets of a unit: those of its processes, or the listeners that systemd made for it. */
function sockets(unit: string, properties: UnitProperties): readonly UnitSocket[] {
  if (parseUnitName(unit).type === "socket") return readListeners(tcpListeners(properties));
  const group = properties.text("ControlGroup");
  return group === "" ? [] : readGroupSockets(group);
}

/**
 * Reads the sockets of a unit that runs; none of one that does not.
 *
 * @throws {MptcpizeError} when systemd does not answer
 */
export async function readUnitSockets(
  manager: UnitManager,
  unit: string,
): Promise<readonly UnitSocket[]> {
  const properties = await manager.show(unit, ["ActiveState", "ControlGroup", "Listen"]);
  return isRunning(properties) ? sockets(unit, properties) : [];
}

async function read(manager: UnitManager, unit: string): Promise<UnitProperties> {
  const names = [
    "ActiveState",
    "SubState",
    "Result",
    "ControlGroup",
    "Listen",
    "NRestarts",
    "Type",
  ];
  return await manager.show(unit, names);
}

/** The addresses that a unit listens at, such as `127.0.0.1:80`. */
export async function readListening(manager: UnitManager, unit: string): Promise<string[]> {
  const found = sockets(unit, await read(manager, unit));
  return found.filter(({ state }) => state === "LISTEN").map(({ local }) => local);
}

/**
 * Waits until a unit is active, stays so, and listens where it did.
 *
 * @param listened where it listened before
 * @param look called before each look; may throw to end the waiting
 *
 * @throws {MptcpizeError} when it does not stay up
 */
export async function awaitRunning(
  manager: UnitManager,
  unit: string,
  listened: readonly string[],
  look: () => void,
): Promise<readonly UnitSocket[]> {
  const begin = performance.now();
  let since: number | undefined;
  let restarts: string | undefined;
  for (;;) {
    look();
    const properties = await read(manager, unit);
    const state = properties.text("ActiveState");
    restarts ??= properties.text("NRestarts");
    if (state === "failed" || state === "inactive" || restarts !== properties.text("NRestarts")) {
      const oneshot = properties.text("Type") === "oneshot" && state === "inactive";
      if (oneshot && properties.text("Result") === "success") return [];
      throw new MptcpizeError(
        `Cannot restart ${unit}: it does not stay up (${properties.text("Result")})`,
      );
    }
    const now = performance.now();
    if (state === "active") {
      since ??= now;
      const found = sockets(unit, properties);
      const there = new Set(found.map(({ local }) => local));
      const missing = listened.filter((address) => !there.has(address));
      const waited = now - since;
      if (waited >= STEADY_MS && (missing.length === 0 || waited >= LISTEN_AGAIN_MS)) {
        return found;
      }
    } else {
      since = undefined;
    }
    if (now - begin >= ACTIVE_MS) {
      throw new MptcpizeError(`Cannot restart ${unit}: it is ${state} still`);
    }
    await pause(LOOK_EVERY_MS);
  }
}
