/**
 * Repeatable randomness for tests.
 *
 * @module
 */

/** Random choices that a seed repeats (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** An integer from 0 up to, without, a bound. */
  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  }

  /** One of some values. */
  pick<Value>(values: readonly Value[]): Value {
    return values[this.below(values.length)]!;
  }
}

/** The seed of a run: `MPTCPIZE_SEED`, or a new one; put it in the message of each failure. */
export function runSeed(): number {
  return Number(Deno.env.get("MPTCPIZE_SEED") ?? crypto.getRandomValues(new Uint32Array(1))[0]);
}
