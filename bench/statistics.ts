/**
 * The few figures that a comparison needs.
 *
 * @module
 */

/** The value below which a share of the sorted values lies, with what is between two interpolated. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const position = (sorted.length - 1) * share;
  const low = sorted[Math.floor(position)] ?? NaN;
  const high = sorted[Math.ceil(position)] ?? NaN;
  return low + (high - low) * (position - Math.floor(position));
}

/** One value against another, measured in pairs. */
export interface Ratio {
  /** The middle one of the ratios of the pairs. */
  readonly median: number;
  /** A quarter of the pairs is below this. */
  readonly p25: number;
  /** A quarter of the pairs is above this. */
  readonly p75: number;
}

/** The ratio of values that were measured next to each other, so that a busy machine hits both. */
export function ratio(values: readonly number[], reference: readonly number[]): Ratio {
  const ratios = values.map((value, index) => value / (reference[index] ?? NaN));
  return {
    median: quantile(ratios, 0.5),
    p25: quantile(ratios, 0.25),
    p75: quantile(ratios, 0.75),
  };
}

/** The middle value; null is none. */
export function median(values: readonly (number | null)[]): number {
  return quantile(values.filter((value) => value !== null), 0.5);
}

/** The ratio of two ways, by the rounds that have both. */
export function paired(
  values: readonly (number | null)[],
  reference: readonly (number | null)[],
): Ratio {
  const rounds = values.map((_, round) => round)
    .filter((round) => values[round] != null && reference[round] != null);
  return ratio(rounds.map((round) => values[round]!), rounds.map((round) => reference[round]!));
}

/** Into how many stretches of rounds a run is cut, for the spread of what has none in one round. */
const STRETCHES = 10;

/**
 * The share of what one way adds to the bare one in what another adds: each the median of the
 * differences in a round. One round tells nothing, so the spread is that of stretches of rounds.
 */
export function addedShare(
  values: readonly (number | null)[],
  reference: readonly (number | null)[],
  bare: readonly (number | null)[],
): Ratio {
  const added = (of: readonly (number | null)[], from: number, to: number) =>
    median(
      of.slice(from, to).map((value, index) => {
        const base = bare[from + index];
        return value === null || base == null ? null : value - base;
      }),
    );
  const share = (from: number, to: number) => added(values, from, to) / added(reference, from, to);
  const length = Math.max(1, Math.floor(bare.length / STRETCHES));
  const shares = Array.from(
    { length: STRETCHES },
    (_, index) => share(index * length, (index + 1) * length),
  )
    .filter((value) => Number.isFinite(value));
  return {
    median: share(0, bare.length),
    p25: quantile(shares, 0.25),
    p75: quantile(shares, 0.75),
  };
}

/** A duration with three digits, in the unit that suits it. */
export function renderDuration(nanoseconds: number): string {
  const [value, unit] = nanoseconds < 1e3
    ? [nanoseconds, "ns"]
    : nanoseconds < 1e6
    ? [nanoseconds / 1e3, "µs"]
    : [nanoseconds / 1e6, "ms"];
  return `${
    value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0)
  } ${unit}`;
}
