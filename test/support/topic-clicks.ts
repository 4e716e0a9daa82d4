import { expectedOf, type LogMessage, type Rules } from './brute-force.ts';
import type { Sent } from './topic-servers.ts';

/** The windows of the scene's clicks, once more and by hand. */
const RULES: Rules = {
  delayMs: 30_000,
  kinds: [
    { name: '1m', sizeMs: 60_000, everyMs: 60_000 },
    { name: '2m', sizeMs: 120_000, everyMs: 30_000 },
  ],
  read: (value, timestamp) => {
    if (!value?.startsWith('{')) return undefined;
    const { event_time, username, amount } = JSON.parse(value) as Record<string, unknown>;
    const t = event_time === undefined ? timestamp : Date.parse(String(event_time));
    return { t, adds: { key: (username ?? null) as string | null, amount: Number(amount) } };
  },
  columns: ({ count, total }) => [`${count}`, `${total}`],
  orderBy: ({ count }) => count,
};

/** What a log must come to, counted without the product. */
export const expectedClicks = (log: readonly LogMessage[]): ReturnType<typeof expectedOf> => expectedOf(log, RULES);

/** Two hours ago, on the hour: no retention touches it, and no event time is in the future. */
export const START = Math.floor(Date.now() / 3_600_000) * 3_600_000 - 2 * 3_600_000;

/** One click, `atMs` after the start, by its number. */
export const click = (i: number, atMs: number, more: Partial<Sent> = {}): Sent => ({
  partition: 0,
  key: i % 3 === 0 ? null : `user${i % 5}`,
  value: JSON.stringify({
    event_time: new Date(START + atMs).toISOString(),
    username: i % 11 === 0 ? null : `user${i % 5}`,
    amount: 1 + (i % 7),
  }),
  timestamp: START + atMs,
  ...more,
});

/** Clicks number `from` to `to - 1`, two seconds apart. */
export const clicksOf = (from: number, to: number, more: Partial<Sent> = {}): Sent[] =>
  Array.from({ length: to - from }, (_, i) => click(from + i, (from + i) * 2_000, more));

/** When a window of that id ends. */
export const endOf = (id: string): number => {
  const [kind = '', start = ''] = id.split(' ');
  return Date.parse(start) + Number.parseInt(kind, 10) * 60_000;
};
