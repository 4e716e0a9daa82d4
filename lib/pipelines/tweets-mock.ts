import type { Mock } from '../emit.ts';
import type { Message } from '../source/producer.ts';
import { isOneIn } from './mishaps.ts';
import { pick } from './random.ts';

export const TWEET_SHARES = {
  /** No post at all, or a word longer than a key may be: kept as a rejection. */
  malformed: 0.5,
  /** Nothing but white space: a post without words. */
  blank: 0.5,
} as const;

const SPOIL = [() => null, () => `read this: https://example.org/${'a'.repeat(600)}`] as const;

const BEGINNINGS = [
  'good morning',
  'the sea is calm today',
  'coffee first, then the news',
  'доброе утро',
  'сегодня на море тихо',
  'おはよう　ございます', // an ideographic space
  'breaking: the ferry is late again',
  'who else is at the harbour?',
] as const;

const ENDINGS = [
  '#harbour',
  '#море',
  '☕ 🌊',
  'the end',
  'and the sea is calm',
  'good night',
  'до вечера',
  '🎉',
] as const;

const SPACES = [' ', ' ', ' ', '  ', '\n', '\t', '\u00a0'] as const;

/** Short posts in three languages, separated by all kinds of white space: two a second, without keys. */
export const tweetsMock: Mock = {
  pipeline: 'tweets',
  topic: { name: 'tweets-kafka', partitions: 1 },
  everyMs: 500,
  batch: 1,
  generate(random): Message {
    const post = [pick(random, BEGINNINGS), pick(random, SPACES), pick(random, ENDINGS)].join('');
    if (isOneIn(random, TWEET_SHARES.malformed)) return { key: null, value: pick(random, SPOIL)() };
    return { key: null, value: isOneIn(random, TWEET_SHARES.blank) ? ' \n\u2003' : post };
  },
};
