/**
 * What a run keeps: groups of ways to do the same, each measured once in every round.
 *
 * @module
 */

/** How a group's figures are compared. */
export type Kind =
  /** Less is better; by the ratio to the reference. */
  | "time"
  /** More is better; by the ratio to the reference. */
  | "rate"
  /** What is added to `bare`, as a share of what the reference adds. */
  | "added"
  /** What is more than in `bare`. */
  | "more";

/** Ways to do one thing, with what was measured. */
export interface Group {
  /** What is done. */
  readonly title: string;
  /** How the figures are compared. */
  readonly kind: Kind;
  /** What they are: ns, µs, requests/s, kB. */
  readonly unit: string;
  /** The way that the others are compared with. */
  readonly reference: string;
  /** For each way one figure a round; null where a slow way sat out a round. */
  readonly ways: Readonly<Record<string, readonly (number | null)[]>>;
}

/** One chapter of a run. */
export interface Chapter {
  readonly title: string;
  /** What a reader has to know to judge the figures. */
  readonly about: string;
  readonly groups: readonly Group[];
}

/** What is kept. */
export interface Run {
  /** The machine and the versions, in the order in which they are shown. */
  readonly setup: Readonly<Record<string, string>>;
  readonly chapters: readonly Chapter[];
}

/** Measures every way once in each round, beginning with another one each time. */
export async function takeTurns(
  rounds: number,
  ways: Readonly<Record<string, () => Promise<number>>>,
): Promise<Record<string, number[]>> {
  const names = Object.keys(ways);
  const values: Record<string, number[]> = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (let step = 0; step < names.length; step++) {
      const name = names[(round + step) % names.length]!;
      values[name]!.push(await ways[name]!());
    }
  }
  return values;
}
