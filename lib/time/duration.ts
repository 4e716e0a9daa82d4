/** The units of a duration and their lengths in ms, longest first. */
const UNITS = {
  day: 86_400_000,
  hour: 3_600_000,
  minute: 60_000,
  second: 1_000,
  millisecond: 1,
} as const;

type Unit = keyof typeof UNITS;

/** A length of time in words, as declarations say it: '1 minute', '30 seconds', '500 milliseconds', '7 days'. */
export type Duration = `${number} ${Unit | `${Unit}s`}`;

const SHAPE = new RegExp(`^(\\d{1,15}) (${Object.keys(UNITS).join('|')})s?$`);

/**
 * A duration in ms.
 *
 * Only whole numbers of a unit: '1.5 minutes' is '90 seconds'. A day is 24 hours.
 *
 * @returns undefined when the text is no duration, or too long to count in ms exactly.
 */
export function parseDuration(text: string): number | undefined {
  const [, amount, unit] = SHAPE.exec(text) ?? [];
  const ms = Number(amount) * UNITS[unit as Unit]; // the shape admits no other; NaN for text of another shape
  return Number.isSafeInteger(ms) ? ms : undefined;
}

/** A whole number of ms, 0 or more, in the longest unit that divides it: 90000 is '90 seconds'. */
export function formatDuration(ms: number): Duration {
  const units = Object.entries(UNITS) as [Unit, number][];
  const [unit, length] = units.find(([, length]) => ms > 0 && ms % length === 0) ?? ['millisecond', 1];
  const amount = ms / length;
  return `${amount} ${unit}${amount === 1 ? '' : 's'}`;
}
