import { pick, seeded } from '../../lib/pipelines/random.ts';
import {
  addTo,
  named,
  oracleOf,
  ordered,
  type Expected,
  type LogMessage,
  type Oracle,
  type Rules,
  type Said,
  type Sum,
} from './brute-force.ts';

/** A topic that has everything, without end. */
export interface Stream {
  readonly pipeline: string;
  readonly topic: string;
  readonly partitions: number;
  /** Message `i`, made at `timestamp`. */
  readonly write: (random: Random, timestamp: number, i: number) => Written;
  readonly oracle: () => Oracle;
  /** What follows `partition:offset` in the row of the side output, each value as text; for what is no rejection. */
  readonly sideRow?: (value: string | null) => readonly string[] | undefined;
}

/** A pipeline's known log, and what it must come to. */
export interface KnownLog {
  readonly pipeline: string;
  readonly topic: string;
  readonly partitions: number;
  readonly log: readonly LogMessage[];
  readonly expected: Expected;
  /** Rows of the side output in no order, `partition:offset` first, each value as text. */
  readonly sideOutput?: readonly (readonly string[])[];
}

type Random = () => number;
/** A message before it has a partition: its value, and its Kafka timestamp where that is not the time of the log. */
type Written = { readonly value: string | null; readonly key?: string | null; readonly timestamp?: number };

/** Message `i` of a stream. */
export function messageOf(stream: Stream, random: Random, timestamp: number, i: number): LogMessage {
  const written = stream.write(random, timestamp, i);
  return { key: null, timestamp, ...written, partition: Math.floor(random() * stream.partitions) };
}

/** `count` messages, `everyMs` apart from `startMs` by their Kafka timestamps; the same for the same seed and start. */
function logOf(stream: Stream, seed: number, startMs: number, everyMs: number, count: number): KnownLog {
  const random = seeded(seed);
  const log = Array.from({ length: count }, (_, i) => messageOf(stream, random, startMs + i * everyMs, i));
  const { pipeline, topic, partitions, sideRow } = stream;
  const oracle = stream.oracle();
  const sideOutput: (readonly string[])[] = [];
  for (const message of named(log)) {
    const row = oracle.add(message) ? undefined : sideRow?.(message.value);
    if (row) sideOutput.push([message.name, ...row]);
  }
  return { pipeline, topic, partitions, log, expected: oracle.expected(), ...(sideRow && { sideOutput }) };
}

/** How long before its record an event happened: mostly little, sometimes too long for some windows or all, or not yet. */
function agoMs(random: Random): number {
  const dice = random();
  const between = (low: number, high: number): number => Math.floor(low + random() * (high - low));
  if (dice < 0.6) return 0;
  if (dice < 0.92) return between(0, 25_000);
  if (dice < 0.96) return between(60_000, 900_000);
  if (dice < 0.97) return between(1_200_000, 3_600_000);
  return dice < 0.975 ? -600_000 : 0;
}

/** The record as JSON; one in a hundred broken in one of these ways or cut off, one in two hundred a tombstone. */
function jsonOf(random: Random, record: object, broken: readonly object[]): string | null {
  const whole = JSON.stringify(record);
  const dice = random();
  if (dice < 0.005) return null;
  if (dice < 0.015)
    return pick(random, [
      whole.slice(0, 40),
      '"text"',
      ...broken.map((more) => JSON.stringify({ ...record, ...more })),
    ]);
  return whole;
}

const readJson = (value: string | null): Record<string, unknown> | undefined => {
  try {
    const parsed: unknown = JSON.parse(value ?? '');
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
};
/** ISO 8601, or `YYYY-MM-DD HH:MM:SS`, which is UTC. `Date.parse` alone would read much more, and that as local time. */
const readTime = (text: unknown): number =>
  typeof text === 'string' && /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text.replace(/^(\S+) (\S+)$/, '$1T$2Z')) : NaN;

const COUNTING: Pick<Rules, 'columns' | 'orderBy'> = {
  columns: ({ count }) => [`${count}`],
  orderBy: ({ count }) => count,
};
/** Whole cents as the shortest decimal. */
const money = (cents: number): string => `${cents / 100}`;

const USERS = [
  'alice',
  'bob',
  'Ольга',
  'Дмитрий',
  '👩‍🚀 Ada',
  'tab\there',
  'back\\slash',
  'null',
  '',
  'ｚ',
  '𐐷',
  'eve',
  null,
] as const;
const userOf = (random: Random): string | null => USERS[Math.floor(random() * random() * USERS.length)] ?? null;

function telegram(): Stream {
  const partitions = 2;
  const write: Stream['write'] = (random, timestamp, i) => {
    const username = userOf(random);
    const record = {
      event_time: new Date(timestamp - agoMs(random)).toISOString().replace('Z', '+00:00'),
      channel_id: 1050820672,
      channel_name: 'Канал',
      message_id: i + 1,
      user_id: username === null ? null : 7,
      username,
      text: 'Привет, мир! 🌊 "кавычки"',
      text_length: 24,
    };
    const value = jsonOf(random, record, [{ channel_id: 0 }, { event_time: 'soon' }]);
    return { value, key: username === null ? null : '7' };
  };
  const rules: Rules = {
    ...COUNTING,
    delayMs: 30_000,
    kinds: [
      { name: '1m', sizeMs: 60_000, everyMs: 60_000 },
      { name: '10m', sizeMs: 600_000, everyMs: 30_000 },
    ],
    read: (value) => saidBy(readJson(value), ({ channel_id }) => Number(channel_id) > 0, 'event_time'),
  };
  return { pipeline: 'telegram', topic: 'telegram_messages', partitions, write, oracle: () => oracleOf(rules) };
}

/** A message of one user, when its fields are as they should be. */
function saidBy(
  record: Record<string, unknown> | undefined,
  isValid: (record: Record<string, unknown>) => boolean,
  time: string,
): Said | undefined {
  const t = readTime(record?.[time]);
  if (!record || !isValid(record) || Number.isNaN(t)) return undefined;
  return { t, adds: { key: record['username'] as string | null, amount: 1 } };
}

function telegramActivity(): Stream {
  const partitions = 1;
  const write: Stream['write'] = (random, timestamp) => {
    const written = new Date(timestamp - agoMs(random)).toISOString();
    const isPlain = random() < 0.5;
    const record = {
      username: userOf(random),
      timestamp: isPlain ? written.slice(0, 19).replace('T', ' ') : written,
      channel_id: 1149896996,
      message_text: 'Спасибо, очень помогло',
    };
    return { value: jsonOf(random, record, [{ timestamp: '08.01.2026' }, { channel_id: 'новости' }]) };
  };
  const rules: Rules = {
    ...COUNTING,
    delayMs: 600_000,
    kinds: [
      { name: '1m', sizeMs: 60_000, everyMs: 30_000 },
      { name: '10m', sizeMs: 600_000, everyMs: 30_000 },
    ],
    read: (value) => saidBy(readJson(value), ({ channel_id }) => typeof channel_id === 'number', 'timestamp'),
  };
  return { pipeline: 'telegram-activity', topic: 'telegram_data', partitions, write, oracle: () => oracleOf(rules) };
}

const TYPES = ['purchase', 'refund', 'transfer', 'withdrawal'] as const;

function transactions(): Stream {
  const partitions = 3;
  const write: Stream['write'] = (random, time, i) => {
    const timestamp = time - Math.max(0, agoMs(random)); // its time is the record's, which nothing can be ahead of
    const record = {
      transaction_id: `txn_${String(i + 1).padStart(4, '0')}`,
      user_id: `user_${1 + Math.floor(random() * 100)}`,
      amount: (1_000 + Math.floor(random() * 99_001)) / 100,
      type: pick(random, TYPES),
      timestamp: new Date(timestamp).toISOString().slice(0, 19).replace('T', ' '),
      location: pick(random, ['online', 'store']),
    };
    const value = jsonOf(random, record, [{ amount: 'much' }, { amount: 19.999 }, { type: 'gift' }]);
    return { value, key: record.user_id, timestamp };
  };
  const rules: Rules = {
    delayMs: 60_000,
    kinds: [{ name: '5m', sizeMs: 300_000, everyMs: 300_000 }],
    read: (value, t) => {
      const { type, amount } = readJson(value) ?? {};
      if (!TYPES.some((known) => known === type) || typeof amount !== 'number') return undefined;
      const cents = Math.round(amount * 100);
      return { t, adds: cents / 100 === amount ? { key: String(type), amount: cents } : undefined };
    },
    columns: ({ count, total }) => [`${count}`, money(total), money(halfEven(total, count))],
    orderBy: ({ total }) => total,
  };
  const sideRow: Stream['sideRow'] = (value) => {
    const { amount, type, location, ...more } = readJson(value) ?? {};
    if (!(Number(amount) > 500 && type === 'withdrawal' && location === 'online')) return undefined;
    const { transaction_id, user_id, timestamp } = more as Readonly<Record<string, string>>;
    return [transaction_id ?? '', user_id ?? '', Number(amount).toFixed(2), 'large', timestamp ?? ''];
  };
  const topic = 'real-time-transactions';
  return { pipeline: 'transactions', topic, partitions, write, oracle: () => oracleOf(rules), sideRow };
}

/** The quotient to the nearest whole number, a tie to the even one. */
function halfEven(dividend: number, divisor: number): number {
  const whole = Math.floor(dividend / divisor);
  const twice = 2 * (dividend - whole * divisor);
  return twice > divisor || (twice === divisor && whole % 2 === 1) ? whole + 1 : whole;
}

function sales(): Stream {
  const partitions = 3;
  const write: Stream['write'] = (random, timestamp) => {
    const store = pick(random, ['harbour', 'market', 'Ёлка', 'station']);
    const soldMs = timestamp - agoMs(random);
    const ts = random() < 0.5 ? Math.floor(soldMs / 1000) : soldMs / 1000;
    const price = pick(random, [4, 9, 18, 0.1, 0.2, 12.99]);
    const value = jsonOf(random, { store, item: 'книга', price, ts }, [{ price: '4' }, { ts: 1e15 }, { ts: null }]);
    return { value, key: store };
  };
  const rules: Rules = {
    delayMs: 30_000,
    kinds: [{ name: '30s', sizeMs: 30_000, everyMs: 30_000 }],
    read: (value) => {
      const { store, price, ts } = readJson(value) ?? {};
      if (typeof store !== 'string' || typeof price !== 'number' || typeof ts !== 'number') return undefined;
      return ts < 1e12
        ? { t: Math.round(ts * 1000), adds: { key: store, amount: Math.round(price * 100) } }
        : undefined;
    },
    columns: ({ total }) => [money(total)],
    orderBy: ({ total }) => total,
  };
  return { pipeline: 'sales', topic: 'sales', partitions, write, oracle: () => oracleOf(rules) };
}

/** Words of a Zipf-like vocabulary, so that some are everywhere and many are rare. */
function tweets(): Stream {
  const partitions = 1;
  const write: Stream['write'] = (random) => {
    const dice = random();
    if (dice < 0.005) return { value: null };
    if (dice < 0.01) return { value: ' \n\u3000' };
    if (dice < 0.015) return { value: `long ${'ж'.repeat(257)}` }; // 514 bytes: a key may have 512
    const words = Array.from({ length: 1 + Math.floor(random() * 12) }, () => {
      const n = Math.floor(2_000 * random() ** 4);
      return pick(random, [`word${n}`, `слово${n}`, `🌊${n}`]);
    });
    return { value: words.join(pick(random, [' ', '\u00a0', '\n\t', '\u3000'])) };
  };
  return { pipeline: 'tweets', topic: 'tweets-kafka', partitions, write, oracle: wordOracle };
}

/** Every word of every tweet, over all time. */
function wordOracle(): Oracle {
  const words = new Map<string | null, Sum>();
  const rejected: string[] = [];
  let counted = 0;
  return {
    add({ value, name }) {
      const found = (value ?? '').split(/\s+/).filter(Boolean);
      const isRejected = value === null || found.some((word) => Buffer.byteLength(word) > 512);
      if (isRejected) rejected.push(name);
      else if (found.length > 0) counted++;
      if (!isRejected) for (const word of found) addTo(words, word, 1);
      return isRejected;
    },
    expected: () => ({ windows: new Map([['all', ordered(words, COUNTING)]]), late: [], rejected, counted }),
  };
}

/** One topic per pipeline: out of order, late for some windows or for all, malformed, tombstones, odd keys. */
export const fiveStreams: readonly Stream[] = [telegram(), telegramActivity(), transactions(), sales(), tweets()];

/**
 * One log per pipeline that has everything: out of order, late for some windows or for all, malformed, tombstones, event
 * times in the future, null keys, Cyrillic and emoji. The same for the same start.
 *
 * @param messages of the telegram log; the others have a fifth as many, and last as long.
 */
export const fiveLogs = (startMs: number, messages: number): readonly KnownLog[] =>
  fiveStreams.map((stream, i) =>
    i === 0 ? logOf(stream, 1, startMs, 120, messages) : logOf(stream, i + 1, startMs, 600, messages / 5),
  );
