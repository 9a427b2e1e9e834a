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
