import type { Mock } from '../emit.ts';
import type { Message } from '../source/producer.ts';
import { formatInstant } from '../time/instant.ts';
import { ageMs, isOneIn, type Shares } from './mishaps.ts';
import { pick } from './random.ts';
import { AUTHORS, CHANNELS, PHRASES } from './telegram-mock.ts';

export const ACTIVITY_SHARES = {
  late: 1,
  /** Late for the last minute's windows, some for the last ten minutes' too. */
  lateMs: [690_000, 1_800_000],
  outOfOrder: 5,
  malformed: 0.5,
  /** With a time in ISO 8601; the others write `YYYY-MM-DD HH:MM:SS`. */
  iso: 20,
} as const satisfies Shares & { readonly iso: number };

const SPOIL = [
  (value: object) => JSON.stringify(value).slice(0, -20),
  (value: object) => JSON.stringify({ ...value, timestamp: '08.01.2026 18:58' }),
  (value: object) => JSON.stringify({ ...value, channel_id: 'новости' }),
  () => null,
] as const;

/** The same ten people, one message every two seconds, without keys: there is one partition. */
export const telegramActivityMock: Mock = {
  pipeline: 'telegram-activity',
  topic: { name: 'telegram_data', partitions: 1 },
  everyMs: 2_000,
  batch: 1,
  generate(random, now): Message {
    const written = formatInstant(now - ageMs(random, ACTIVITY_SHARES));
    const value = {
      username: pick(random, AUTHORS).username,
      timestamp: isOneIn(random, ACTIVITY_SHARES.iso) ? written : written.slice(0, 19).replace('T', ' '),
      channel_id: pick(random, CHANNELS).channel_id,
      message_text: pick(random, PHRASES),
    };
    return {
      key: null,
      value: isOneIn(random, ACTIVITY_SHARES.malformed) ? pick(random, SPOIL)(value) : JSON.stringify(value),
    };
  },
};
