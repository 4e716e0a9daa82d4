import type { Mock } from '../../lib/emit.ts';
import type { Pipeline } from '../../lib/index.ts';
import { mocks, pipelines } from '../../lib/pipelines/index.ts';
import type { Dice } from './dice.ts';
import type { Truth } from './kafka.ts';

/** One of the application's pipelines, its mock, and what its records truly are. */
export interface App {
  readonly pipeline: Pipeline;
  readonly mock: Mock;
  /** Reads a record's value by hand; `timestamp` is Kafka's. */
  readonly truthOf: (text: string | null, timestamp: number) => Truth;
}

const MAX_FUTURE_MS = 300_000;
/** Years 1 to 9999. */
const [LEAST, GREATEST] = [-62_135_596_800_000, 253_402_300_799_999];

type Fields = Readonly<Record<string, unknown>>;
/** What a valid object says: its event time and its group, and how much it adds; `undefined`: no value at two digits. */
interface Said {
  readonly time: number;
  readonly key: string | null;
  readonly amount: number | undefined;
  readonly rows?: readonly (readonly (string | null)[])[];
}

const rejected = (reason: string, instant?: number): Truth =>
  instant === undefined ? { kind: 'rejected', reason } : { kind: 'rejected', reason, instant };

const json =
  (read: (fields: Fields, timestamp: number) => Said | undefined) =>
  (text: string | null, timestamp: number): Truth => {
    if (text === null) return rejected('tombstone');
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return rejected('json');
    }
    const said = typeof value === 'object' && value !== null ? read(value as Fields, timestamp) : undefined;
    if (!said) return rejected('schema');
    const { time: instant, key, amount, rows = [] } = said;
    if (!(instant >= LEAST && instant <= GREATEST)) return rejected('instant');
    if (timestamp >= 0 && instant > timestamp + MAX_FUTURE_MS) return rejected('future');
    if (amount === undefined) return rejected('value', instant);
    return { kind: 'event', instant, adds: [{ keys: [key], amount }], rows };
  };

/** `2026-01-08T18:58:00.000Z` with any zone, or `2026-01-08 18:58:00`, which is UTC; all else is no time. */
const timeOf = (text: string): number =>
  /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text.replace(/^(\S+) (\S+)$/, '$1T$2Z')) : Number.NaN;

const isPositive = (value: unknown): boolean => Number.isInteger(value) && Number(value) > 0;
/** Whole cents, when it has no more than two digits after the point. */
const centsOf = (value: number): number | undefined =>
  Math.round(value * 100) / 100 === value ? Math.round(value * 100) : undefined;
const textOrNull = (value: unknown): string | null => (typeof value === 'string' ? value : null);

const TRUTHS: Readonly<Record<string, App['truthOf']>> = {
  telegram: json(({ event_time, channel_id, message_id, username }) =>
    typeof event_time === 'string' && event_time !== '' && isPositive(channel_id) && isPositive(message_id)
      ? { time: timeOf(event_time), key: textOrNull(username), amount: 0 }
      : undefined,
  ),
  'telegram-activity': json(({ timestamp, channel_id, username }) =>
    typeof timestamp === 'string' && Number.isInteger(channel_id)
      ? { time: timeOf(timestamp), key: textOrNull(username), amount: 0 }
      : undefined,
  ),
  transactions: json((fields, recordedAt) => {
    const { type, amount, location, transaction_id, user_id, timestamp } = fields;
    const isKnown = ['purchase', 'refund', 'transfer', 'withdrawal'].includes(String(type));
    if (!isKnown || typeof amount !== 'number') return undefined;
    const isSuspicious = amount > 500 && type === 'withdrawal' && location === 'online';
    const cells = [transaction_id, user_id, amount.toFixed(2), 'large', timestamp].map(textOrNull);
    const time = recordedAt === -1 ? Number.NaN : recordedAt;
    return { time, key: String(type), amount: centsOf(amount), rows: isSuspicious ? [cells] : [] };
  }),
  sales: json(({ store, price, ts }) =>
    typeof store === 'string' && typeof price === 'number' && typeof ts === 'number'
      ? { time: ts * 1000, key: store, amount: centsOf(price) } // the mock's seconds are whole
      : undefined,
  ),
  tweets(text, timestamp) {
    if (text === null || text === '') return rejected('tombstone');
    const instant = timestamp === -1 ? undefined : timestamp;
    const words = text.split(/\s+/).filter(Boolean);
    if (words.length === 0) return { kind: 'filtered', instant };
    if (words.some((word) => Buffer.byteLength(word) > 512)) return rejected('key', instant);
    return { kind: 'event', instant, adds: words.map((word) => ({ keys: [word], amount: 0 })), rows: [] };
  },
};

const APPS = pipelines.map((pipeline): App => {
  const mock = mocks.find((one) => one.pipeline === pipeline.name);
  const truthOf = TRUTHS[pipeline.name];
  if (!mock || !truthOf) throw new Error(`the simulation knows nothing about ${pipeline.name}`);
  return { pipeline, mock, truthOf };
});

export const anyApp = (d: Dice): App | undefined => APPS[d.int(0, APPS.length - 1)];

/** What is no record of any application, or one of tweets. */
export const GARBAGE = ['{"t":', '[]', '{"username":"alice"}', '7', ' '] as const;
