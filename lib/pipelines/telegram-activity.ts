import * as z from 'zod';
import { count, kafka, pipeline, sliding } from '../index.ts';

/** What a user wrote in a channel. */
export const TelegramActivity = z.object({
  username: z.string().nullish(),
  timestamp: z.string().min(1),
  channel_id: z.int(),
  message_text: z.string().nullish(),
});

/**
 * How active users are: the last minute and the last ten, every 30 seconds.
 *
 * `timestamp` is `YYYY-MM-DD HH:MM:SS`, which is UTC, or ISO 8601 of any form. The watermark is as wide as the longest
 * window: a message ten minutes behind the newest still counts everywhere.
 */
export const telegramActivity = pipeline({
  name: 'telegram-activity',
  revision: 1,
  source: kafka({ topic: 'telegram_data', startAt: 'latest', value: TelegramActivity, eventTime: 'timestamp' }),
  watermark: '10 minutes',
  groupBy: ['username'],
  windows: {
    '1m': sliding('1 minute', { every: '30 seconds', emit: 'update', trigger: '30 seconds' }),
    '10m': sliding('10 minutes', { every: '30 seconds', emit: 'update', trigger: '30 seconds' }),
  },
  aggregate: { message_count: count() },
  orderBy: 'message_count',
  retain: '7 days',
});
