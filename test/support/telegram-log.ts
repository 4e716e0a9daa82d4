import { seeded } from '../../lib/pipelines/random.ts';

/** One message of the known log, as it is produced. */
export interface LogMessage {
  readonly partition: number;
  readonly key: string | null;
  readonly value: string | null;
  /** Kafka timestamp, ms. */
  readonly timestamp: number;
}

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
];

/**
 * A log that has everything: out of order, late for some windows, late for all, malformed, tombstones, event times in
 * the future, anonymous authors, Cyrillic and emoji. The same for the same seed and start.
 */
export function telegramLog(seed: number, count: number, startMs: number, partitions: number): LogMessage[] {
  const random = seeded(seed);
  const between = (low: number, high: number): number => low + random() * (high - low);
  return Array.from({ length: count }, (_, i) => {
    const timestamp = startMs + i * 120;
    const dice = random();
    const agoMs =
      dice < 0.6
        ? 0
        : dice < 0.92
          ? between(0, 25_000)
          : dice < 0.96
            ? between(60_000, 900_000)
            : dice < 0.97
              ? between(1_200_000, 3_600_000)
              : 0;
    const isFuture = dice >= 0.97 && dice < 0.975;
    const eventTime = Math.floor(isFuture ? timestamp + 600_000 : timestamp - agoMs);
    const username = USERS[Math.floor(random() * random() * USERS.length)] ?? null;
    const record = {
      event_time: new Date(eventTime).toISOString().replace('Z', '+00:00'),
      channel_id: 1050820672,
      channel_name: 'Канал',
      message_id: i + 1,
      user_id: username === null ? null : 7,
      username,
      text: 'Привет, мир! 🌊 "кавычки"',
      text_length: 24,
    };
    const whole = JSON.stringify(record);
    const broken = [
      whole.slice(0, 40),
      '"text"',
      JSON.stringify({ ...record, channel_id: 0 }),
      JSON.stringify({ ...record, event_time: 'soon' }),
    ];
    const value = dice >= 0.995 ? null : dice >= 0.985 ? (broken[i % broken.length] ?? null) : whole;
    return { partition: Math.floor(random() * partitions), key: username === null ? null : '7', value, timestamp };
  });
}

/** What the log must come to, worked out without any of the product's code. */
export interface Expected {
  /** `1m 2026-01-08T18:58:00.000Z` to rows in order. */
  readonly windows: ReadonlyMap<string, readonly { username: string | null; message_count: number }[]>;
  readonly late: readonly string[];
  readonly rejected: readonly string[];
  readonly counted: number;
}

const KINDS = [
  { name: '1m', sizeMs: 60_000, everyMs: 60_000 },
  { name: '10m', sizeMs: 600_000, everyMs: 30_000 },
];

/** The oracle: each partition on its own, record by record, every window by brute force. */
export function expectedOf(log: readonly LogMessage[]): Expected {
  const windows = new Map<string, Map<string | null, number>>();
  const watermarks = new Map<number, number>();
  const offsets = new Map<number, number>();
  const late: string[] = [];
  const rejected: string[] = [];
  let counted = 0;
  for (const { partition, value, timestamp } of log) {
    const offset = offsets.get(partition) ?? 0;
    offsets.set(partition, offset + 1);
    const event = eventOf(value);
    const t = Date.parse(event?.event_time ?? '');
    if (!event || !(event.channel_id > 0) || Number.isNaN(t) || t > timestamp + 300_000) {
      rejected.push(`${partition}:${offset}`);
      continue;
    }
    const watermark = watermarks.get(partition) ?? -Infinity;
    watermarks.set(partition, Math.max(watermark, t - 30_000));
    let seen = 0;
    for (const { name, sizeMs, everyMs } of KINDS) {
      for (let start = Math.floor(t / everyMs) * everyMs; start > t - sizeMs; start -= everyMs) {
        if (start + sizeMs <= watermark) continue;
        seen++;
        const id = `${name} ${new Date(start).toISOString()}`;
        const counts = windows.get(id) ?? new Map<string | null, number>();
        windows.set(id, counts.set(event.username, (counts.get(event.username) ?? 0) + 1));
      }
    }
    if (seen === 0) late.push(`${partition}:${offset}`);
    else counted++;
  }
  const bytes = (name: string | null): Buffer => Buffer.from(name ?? '');
  const ordered = [...windows].map(([id, counts]) => {
    const rows = [...counts].map(([username, message_count]) => ({ username, message_count }));
    rows.sort(
      (a, b) =>
        b.message_count - a.message_count ||
        Number(a.username !== null) - Number(b.username !== null) ||
        Buffer.compare(bytes(a.username), bytes(b.username)),
    );
    return [id, rows] as const;
  });
  return { windows: new Map(ordered), late, rejected, counted };
}

function eventOf(
  value: string | null,
): { event_time: string; channel_id: number; username: string | null } | undefined {
  try {
    const parsed: unknown = JSON.parse(value ?? '');
    return typeof parsed === 'object' && parsed !== null ? (parsed as ReturnType<typeof eventOf>) : undefined;
  } catch {
    return undefined;
  }
}
