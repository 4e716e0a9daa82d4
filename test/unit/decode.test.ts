import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { count, kafka, kafkaTimestamp, pipeline, tumbling, unixSeconds } from '../../lib/index.ts';
import { decode } from '../../lib/source/decode.ts';
import type { KafkaRecord } from '../../lib/source/delivery.ts';
import { decodeKey } from '../../lib/store/segment.ts';
import { Click, at, clickSource, clicks } from '../support/scene.ts';

const base64 = (text: string | Buffer): string => Buffer.from(text as string).toString('base64');
const record = (value: unknown, more: Partial<KafkaRecord> = {}): KafkaRecord => ({
  offset: 7,
  timestamp: at('19:00:00'),
  key: null,
  value: typeof value === 'string' ? base64(value) : base64(JSON.stringify(value)),
  ...more,
});
const click = (more: object = {}) => ({ event_time: '2026-01-08T19:00:00Z', username: 'alice', amount: 1.5, ...more });
const NOW = at('19:00:00');
const read = (value: unknown, more: Partial<KafkaRecord> = {}, of = clicks()) => decode(of, record(value, more), NOW);

describe('an event', () => {
  test('has an instant, a group key and states', () => {
    expect(read(click())).toMatchObject({
      instant: at('19:00:00'),
      reason: undefined,
      outputs: [{ key: 'alice', states: [1, 150n] }],
    });
  });

  test('needs no Kafka key, no group and no amount', () => {
    expect(read({ event_time: '2026-01-08T19:00:00Z' }).outputs).toEqual([{ key: '\\N', states: [1, null] }]);
  });

  test.each([['Привет, мир'], ['😀👩‍👩‍👧'], [''], ['null'], ['\\N'], ['tab\tnewline\n']])(
    'is counted under its group, %j',
    (username) => {
      const [output] = read(click({ username })).outputs;
      expect(decodeKey(output?.key ?? '')).toEqual([username]);
    },
  );

  test('whose group has lone surrogates is counted under what UTF-8 makes of it', () => {
    const escaped = '{"event_time":"2026-01-08T19:00:00Z","username":"a\\ud800b"}';
    expect(read(escaped).outputs[0]?.key).toBe('a\ufffdb');
  });

  test('whose bytes are not UTF-8 is read with replacement characters', () => {
    const latin1 = Buffer.from('{"event_time":"2026-01-08T19:00:00Z","username":"J\xf6rg"}', 'latin1');
    expect(read('', { value: base64(latin1) }).outputs[0]?.key).toBe('J\ufffdrg');
  });
});

describe('a rejection says why, and has no instant when it was refused before it had one', () => {
  const tooLong = { username: 'я'.repeat(257) };
  test.each([
    ['a tombstone', null, {}, /^tombstone: /],
    ['an empty value', '', {}, /^tombstone: /],
    ['no base64', '%%%', {}, /^base64: /],
    ['no JSON', base64('{"event_time"'), {}, /^json: /],
    ['another schema', base64('{"event_time":5}'), {}, /^schema: event_time: .*string/],
    ['no object', base64('17'), {}, /^schema: .*object/],
    ['no time', base64(JSON.stringify(click({ event_time: 'yesterday' }))), {}, /^instant: /],
    ['30 February', base64(JSON.stringify(click({ event_time: '2026-02-30T00:00:00Z' }))), {}, /^instant: /],
    ['the year 0', base64(JSON.stringify(click({ event_time: '0000-12-31T23:59:59Z' }))), {}, /^instant: /],
    [
      'the future',
      base64(JSON.stringify(click({ event_time: '2026-01-08T19:05:00.001Z' }))),
      {},
      /^future: .* later than 2026-01-08T19:05:00.000Z/,
    ],
  ])('%s', (_, value, more, reason) => {
    expect(read('', { value, ...more })).toMatchObject({
      instant: undefined,
      outputs: [],
      reason: expect.stringMatching(reason),
    });
  });

  test.each([
    ['a key of 514 bytes', click(tooLong), /^key: 514 bytes of UTF-8; at most 512/],
    ['a number beyond the scale', click({ amount: 0.001 }), /^value: amount is no number at the declared scale/],
  ])('%s: the event was one, and moves the clock', (_, value, reason) => {
    expect(read(value)).toMatchObject({ instant: at('19:00:00'), outputs: [], reason: expect.stringMatching(reason) });
  });

  test('a value of 1 MB that breaks the schema is a rejection like any other', () => {
    expect(read(click({ username: 7, text: 'x'.repeat(1_000_000) }))).toMatchObject({
      reason: expect.stringMatching(/^schema: username/),
    });
  });

  test('a key of exactly 512 bytes is allowed', () => {
    expect(read(click({ username: 'я'.repeat(256) })).reason).toBeUndefined();
  });

  test.each([
    [
      'whose code throws, in zod',
      Click.transform((): Click => JSON.parse('{')),
      /^schema: no answer at once; its code threw/,
    ],
    ['that answers later', Click.refine(async () => false), /^schema: no answer at once; .* asynchronous/],
    [
      'that throws',
      {
        '~standard': {
          ...Click['~standard'],
          validate: () => {
            throw new Error('cannot');
          },
        },
      },
      /^schema: cannot$/,
    ],
  ])('a schema %s', (_, value, reason) => {
    const source = clickSource({ value: value as typeof Click });
    expect(read(click(), {}, clicks({ source }))).toMatchObject({
      instant: undefined,
      outputs: [],
      reason: expect.stringMatching(reason),
    });
  });
});

describe('the future', () => {
  const inAnHour = click({ event_time: '2026-01-08T20:00:00Z' });
  test.each([
    ['a trusted timestamp bounds it', {}, at('19:00:00'), true],
    ['no timestamp, no bound', {}, -1, false],
    ['an untrusted timestamp does not', { timestamps: 'untrusted' }, at('19:00:00'), false],
    ['the wall clock does when asked to', { timestamps: 'untrusted', wallClockGuard: true }, at('20:00:00'), true],
    ['nothing bounds it for a timestamp as far ahead', {}, at('20:00:00'), false],
  ] as const)('%s', (_, options, timestamp, isRejected) => {
    const of = clicks({ source: clickSource(options) });
    const { reason, instant } = read(inAnHour, { timestamp }, of);
    expect(reason?.startsWith('future: ') ?? false).toBe(isRejected);
    expect(instant === undefined).toBe(isRejected);
  });

  test('begins after maxFuture: exactly that far ahead is credible', () => {
    expect(read(click({ event_time: '2026-01-08T19:05:00Z' })).reason).toBeUndefined();
  });
});

describe('steps', () => {
  const source = clickSource()
    .filter('people', ({ username }) => username !== 'bot')
    .enrich('loud', ({ username }) => ({ username: username?.toUpperCase() ?? null }))
    .flatMap('each', (click) => Array.from({ length: click.amount ?? 1 }, () => ({ ...click, amount: 1 })))
    .map('checked', (click) => {
      if (click.username === 'MALLORY') throw new Error('not you');
      return click;
    });
  const of = clicks({ source });

  test('run in order, and one event may become many', () => {
    expect(read(click({ amount: 3 }), {}, of).outputs.map(({ key }) => key)).toEqual(['ALICE', 'ALICE', 'ALICE']);
  });

  test.each([[{ username: 'bot' }], [{ amount: 0 }]])(
    '%j: no output is a filter; the event has its instant',
    (more) => {
      expect(read(click(more), {}, of)).toMatchObject({ instant: at('19:00:00'), reason: undefined, outputs: [] });
    },
  );

  test('one that throws rejects the whole record, which still moves the clock', () => {
    const mallory = click({ username: 'mallory', amount: 2 });
    expect(read(mallory, {}, of)).toMatchObject({ instant: at('19:00:00'), reason: 'step: not you', outputs: [] });
  });

  test('one that makes another type than it says rejects the record', () => {
    const lying = clickSource().map('lie', (click) => ({ ...click, username: 7 as unknown as string }));
    expect(read(click(), {}, clicks({ source: lying }))).toMatchObject({ reason: 'key: username is not text' });
  });
});

test('plain text and the Kafka timestamp make events, too', () => {
  const text = kafka({ topic: 't', startAt: 'earliest', format: 'text', value: z.string(), eventTime: kafkaTimestamp });
  const words = pipeline({
    name: 'words',
    revision: 1,
    source: text.flatMap('split', (post) => post.split(' ').map((word) => ({ word }))),
    watermark: '1 minute',
    groupBy: ['word'],
    windows: { '1m': tumbling('1 minute', { emit: 'final' }) },
    aggregate: { n: count() },
    orderBy: 'n',
    retain: '1 day',
  });
  const decoded = read('to be or', {}, words);
  expect(decoded.outputs.map(({ key }) => key)).toEqual(['to', 'be', 'or']);
  expect(decoded.instant).toBe(at('19:00:00'));
  expect(read('to be', { timestamp: -1 }, words)).toMatchObject({
    instant: undefined,
    reason: expect.stringMatching(/^instant: /),
  });
});

test('Unix seconds are instants', () => {
  const Sale = z.object({ store: z.string(), ts: z.number() });
  const sales = pipeline({
    name: 'sales',
    revision: 1,
    source: kafka({ topic: 't', startAt: 'earliest', value: Sale, eventTime: unixSeconds('ts') }),
    watermark: '1 minute',
    groupBy: ['store'],
    windows: { '1m': tumbling('1 minute', { emit: 'final' }) },
    aggregate: { n: count() },
    orderBy: 'n',
    retain: '1 day',
  });
  expect(read({ store: 'a', ts: at('19:00:00') / 1000 }, {}, sales).instant).toBe(at('19:00:00'));
});
