import * as z from 'zod';
import { count, kafka, kafkaTimestamp, pipeline, running } from '../index.ts';

/** The words of a text: what stands between white space of any script, as it is written. */
export const wordsOf = (text: string): readonly string[] =>
  text.split(/\p{White_Space}+/u).filter((word) => word !== '');

/** How often each word was posted, over all time. */
export const tweets = pipeline({
  name: 'tweets',
  revision: 1,
  source: kafka({
    topic: 'tweets-kafka',
    startAt: 'earliest',
    format: 'text',
    value: z.string(),
    eventTime: kafkaTimestamp,
  }).flatMap('words', (text) => wordsOf(text).map((word) => ({ word }))),
  groupBy: ['word'],
  windows: { all: running({ trigger: '10 seconds' }) },
  aggregate: { word_count: count() },
  orderBy: 'word_count',
  retain: '7 days',
});
