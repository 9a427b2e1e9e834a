/**
 * An owned file descriptor: closed once, by `using`.
 *
 * @module
 */

import { tryCall } from "./call.ts";

const open = new Set<number>();

/** The descriptors that are owned and not closed yet; tests prove that it is empty. */
export function openFds(): readonly number[] {
  return [...open];
}

/**
 * A file descriptor that this process owns.
 *
 * ```ts ignore
 * using fd = openPidfd(pid);
 * ```
 */
export class Fd implements Disposable {
  /** The number, as the kernel gave it. */
  readonly number: number;

  constructor(number: number) {
    this.number = number;
    open.add(number);
  }

  /** Closes it; a second time does nothing. */
  [Symbol.dispose](): void {
    if (open.delete(this.number)) tryCall("close", this.number);
  }
}
