/** What does not compile of running windows: `tsc` fails where the error beneath `@ts-expect-error` is gone. */
import { z } from 'zod';
import { count, kafka, kafkaTimestamp, pipeline, running, tumbling, type Pipeline } from '../../lib/index.ts';

const source = kafka({
  topic: 'posts',
  startAt: 'earliest',
  format: 'text',
  value: z.string().transform((text) => ({ text })),
  eventTime: kafkaTimestamp,
}).flatMap('words', ({ text }) => text.split(/\s+/u).map((word) => ({ word })));
const rest = {
  name: 'words',
  revision: 1,
  source,
  groupBy: ['word'],
  aggregate: { n: count() },
  orderBy: 'n',
  retain: '7 days',
} as const;
const all = running({ trigger: '10 seconds', top: 100 });
const minute = tumbling('1 minute', { emit: 'final' });

export const good: Pipeline = pipeline({ ...rest, windows: { all } });

// @ts-expect-error a running window waits for nothing: no watermark
pipeline({ ...rest, windows: { all }, watermark: '30 seconds' });

// @ts-expect-error nobody has to be idle
pipeline({ ...rest, windows: { all }, idleAfter: '1 minute' });

// @ts-expect-error windows in event time need a watermark
pipeline({ ...rest, windows: { minute } });

// @ts-expect-error either windows in event time or a running one
pipeline({ ...rest, windows: { minute, all }, watermark: '30 seconds' });

// @ts-expect-error a trigger has no default
running({ top: 100 });
