import * as z from 'zod'; // the namespace, so that the bundle holds only what is used
import { count, kafka, pipeline, sliding, tumbling } from '../index.ts';

/** A message of a Telegram channel: valid with a time, a channel and an id. Anonymous posts have no user. */
export const TelegramMessage = z.object({
  event_time: z.string().min(1),
  channel_id: z.int().positive(),
  channel_name: z.string().nullish(),
  message_id: z.int().positive(),
  user_id: z.int().nullish(),
  username: z.string().nullish(),
  first_name: z.string().nullish(),
  last_name: z.string().nullish(),
  text: z.string().nullish(),
  text_length: z.int().nullish(),
});

/** Messages per user: every minute when it is over, and the last ten minutes every 30 seconds. */
export const telegram = pipeline({
  name: 'telegram',
  revision: 1,
  source: kafka({
    topic: 'telegram_messages',
    startAt: 'latest',
    maxBatch: 1000,
    value: TelegramMessage,
    eventTime: 'event_time',
  }),
  watermark: '30 seconds',
  groupBy: ['username'],
  windows: {
    '1m': tumbling('1 minute', { emit: 'final' }),
    '10m': sliding('10 minutes', { every: '30 seconds', emit: 'update', trigger: '30 seconds', top: 100 }),
  },
  aggregate: { message_count: count() },
  orderBy: 'message_count',
  retain: '7 days',
});
