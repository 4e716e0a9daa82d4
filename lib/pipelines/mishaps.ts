/** How many records in a hundred are not as they should be: what a real topic holds as well. */
export interface Shares {
  /** Older than the watermark allows. */
  readonly late: number;
  /** How old late records are, ms: from, below. */
  readonly lateMs: readonly [number, number];
  /** 1 to 5 seconds old: within the watermark's delay. */
  readonly outOfOrder: number;
  /** No event at all: kept as a rejection. */
  readonly malformed: number;
}

/** True in so many of a hundred cases. */
export const isOneIn = (random: () => number, percent: number): boolean => random() * 100 < percent;

/** How long ago a record was written, ms. */
export function ageMs(random: () => number, { late, lateMs: [least, most], outOfOrder }: Shares): number {
  const percent = random() * 100;
  if (percent < late) return least + Math.floor(random() * (most - least));
  if (percent < late + outOfOrder) return 1_000 + Math.floor(random() * 4_000);
  return 0;
}
