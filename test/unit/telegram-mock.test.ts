import { describe, expect, test } from 'vitest';
import { seeded } from '../../lib/pipelines/random.ts';
import { SHARES, telegramMock } from '../../lib/pipelines/telegram-mock.ts';
import { formatInstant, parseInstant } from '../../lib/time/instant.ts';

const NOW = Date.UTC(2026, 0, 8, 18, 58);
const COUNT = 20_000;

const messages = (seed: number, count = COUNT) => {
  const random = seeded(seed);
  return Array.from({ length: count }, (_, i) => telegramMock.generate(random, NOW, 1 + i));
};

interface Post {
  readonly event_time: string;
  readonly channel_id: number;
  readonly channel_name: string;
  readonly message_id: number;
  readonly user_id: number | null;
  readonly username: string | null;
  readonly text: string;
  readonly text_length: number;
}

/** The post a message carries, when it is what a schema would accept. */
const postOf = (value: string | null): Post | undefined => {
  try {
    const post = JSON.parse(value ?? '') as Post;
    return post.message_id > 0 && post.channel_id > 0 && parseInstant(post.event_time) !== undefined ? post : undefined;
  } catch {
    return undefined;
  }
};

describe('messages of the mock', () => {
  const all = messages(7);
  const posts = all.map(({ value }) => postOf(value)).filter((post) => post !== undefined);
  const agesMs = posts.map(({ event_time }) => NOW - (parseInstant(event_time) ?? Number.NaN));
  const percent = (count: number): number => (100 * count) / COUNT;

  test('are the same for the same seed, and others for another', () => {
    expect(messages(7, 100)).toEqual(all.slice(0, 100));
    expect(messages(8, 100)).not.toEqual(all.slice(0, 100));
  });

  test('come from ten people in eight channels', () => {
    const names = ['alice', 'bob', 'charlie', 'diana', 'eve', 'frank', 'grace', 'henry', 'iris', 'jack'];
    const users = new Map(posts.map(({ username, user_id }) => [username, user_id]));
    expect([...users.keys()].filter((name) => name !== null).toSorted()).toEqual(names);
    expect(new Set(users.values()).size).toBe(11);
    expect(new Set(posts.map(({ channel_id }) => channel_id))).toEqual(
      new Set([1050820672, 1149896996, 1101170442, 1036362176, 1310155678, 1001872252, 1054549314, 1073571855]),
    );
    expect(new Set(posts.map(({ channel_id, channel_name }) => `${channel_id} ${channel_name}`)).size).toBe(8);
  });

  test('are keyed by user, or not at all', () => {
    expect(all.every(({ key, value }) => postOf(value) === undefined || key === keyOf(postOf(value)?.user_id))).toBe(
      true,
    );
    expect(percent(posts.filter(({ username }) => username === null).length)).toBeCloseTo(SHARES.anonymous, 0);
  });

  test('have the declared shares of late, out of order and malformed', () => {
    expect(percent(agesMs.filter((age) => age >= 120_000).length)).toBeCloseTo(SHARES.late, 0);
    expect(percent(agesMs.filter((age) => age > 0 && age <= 5_000).length)).toBeCloseTo(SHARES.outOfOrder, 0);
    expect(Math.abs(percent(COUNT - posts.length) - SHARES.malformed)).toBeLessThan(0.2);
    expect(agesMs.filter((age) => age >= 630_000).length).toBeGreaterThan(0);
  });

  test('are malformed in every way', () => {
    const bad = all.filter(({ value }) => postOf(value) === undefined).map(({ value }) => value);
    expect(bad).toContain(null);
    expect(bad.some((value) => value !== null && !value.endsWith('}'))).toBe(true);
    expect(bad.some((value) => value !== null && !value.includes('message_id'))).toBe(true);
    expect(bad.some((value) => value?.includes('вчера'))).toBe(true);
    expect(bad.some((value) => value?.includes('"channel_id":0'))).toBe(true);
  });

  test('say when in ISO 8601 with the offset, and how long they are', () => {
    const onTime = posts.find((_, i) => agesMs[i] === 0);
    expect(onTime?.event_time).toBe(formatInstant(NOW).replace('Z', '+00:00'));
    expect(posts.every(({ text, text_length }) => text_length === Array.from(text).length)).toBe(true);
    expect(posts.every(({ message_id }, i) => i === 0 || message_id > (posts[i - 1]?.message_id ?? 0))).toBe(true);
  });
});

const keyOf = (userId: number | null | undefined): string | null => (userId ? `${userId}` : null);

test('the generator of random numbers is even enough', () => {
  const random = seeded(1);
  const tenths = Array.from({ length: 10 }, () => 0);
  for (let i = 0; i < 100_000; i++) {
    const tenth = Math.floor(random() * 10);
    tenths[tenth] = (tenths[tenth] ?? 0) + 1;
  }
  expect(tenths).toHaveLength(10);
  expect(Math.min(...tenths)).toBeGreaterThan(9_600);
});
