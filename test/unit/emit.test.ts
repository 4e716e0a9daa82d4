import { describe, expect, test } from 'vitest';
import { emit, type EmitContext, type Mock } from '../../lib/emit.ts';
import type { Message, Producer } from '../../lib/source/producer.ts';

const T0 = Date.UTC(2026, 0, 8, 18, 58);

/** A world where time passes only by waiting, and by what Kafka is told to take. */
function world({
  failures = 0,
  sendMs = 0,
  lostAfter = Infinity,
}: { failures?: number; sendMs?: number; lostAfter?: number } = {}) {
  let elapsedMs = 0;
  const lines: string[] = [];
  const sent: { atMs: number; topic: string; messages: readonly Message[] }[] = [];
  const topics = new Map<string, number>();
  let isOpen = false;
  const log = (message: string): number => lines.push(message);
  const producer: Producer = {
    async connect() {
      if (failures-- > 0) throw new Error('connection refused');
      isOpen = true;
    },
    async ensureTopic(name, partitions) {
      if (topics.has(name)) return false;
      topics.set(name, partitions);
      return true;
    },
    async send(topic, messages) {
      if (sent.length >= lostAfter) throw new Error('connection lost');
      sent.push({ atMs: elapsedMs, topic, messages });
      elapsedMs += sendMs;
    },
    async close() {
      isOpen = false;
    },
  };
  const clock = {
    now: () => T0 + elapsedMs,
    monotonic: () => elapsedMs,
    sleep: async (ms: number) => {
      const until = elapsedMs + ms;
      await Promise.resolve(); // several wait side by side: the later deadline must not push the earlier
      elapsedMs = Math.max(elapsedMs, until);
    },
  };
  const runtime = {
    clock,
    random: () => 0.5,
    log: { debug: log, info: log, warn: log, error: log },
    producer: () => producer,
  };
  return { runtime, sent, topics, lines, isOpen: () => isOpen, elapsedMs: () => elapsedMs };
}

const mock = (pipeline: string, everyMs = 500, batch = 3): Mock => ({
  pipeline,
  topic: { name: `${pipeline}_messages`, partitions: 2 },
  everyMs,
  batch,
  generate: (random, now, sequence) => ({ key: null, value: JSON.stringify({ random: random(), now, sequence }) }),
});

const idsOf = (sent: readonly { messages: readonly Message[] }[]): number[] =>
  sent
    .flatMap(({ messages }) => messages)
    .map(({ value }) => (JSON.parse(value ?? '') as { sequence: number }).sequence);

describe('the rate', () => {
  test('is a batch at once and then every period, for 58 seconds', async () => {
    const { runtime, sent, isOpen, elapsedMs } = world();
    expect(await emit({}, [mock('telegram')], runtime)).toEqual([{ pipeline: 'telegram', messages: 348 }]);
    expect(sent.map(({ atMs }) => atMs)).toEqual(Array.from({ length: 116 }, (_, i) => i * 500));
    expect(elapsedMs()).toBeLessThan(58_000);
    expect(isOpen()).toBe(false);
  });

  test('does not drift when sending takes time', async () => {
    const { runtime, sent } = world({ sendMs: 80 });
    await emit({ seconds: 10 }, [mock('telegram')], runtime);
    expect(sent.map(({ atMs }) => atMs)).toEqual(Array.from({ length: 20 }, (_, i) => i * 500));
  });

  test('catches up after a slow send, and ends in time though Kafka is slower than the rate', async () => {
    const { runtime, sent, elapsedMs } = world({ sendMs: 900 });
    await emit({ seconds: 10 }, [mock('telegram')], runtime);
    expect(sent.map(({ atMs }) => atMs)).toEqual(Array.from({ length: 12 }, (_, i) => i * 900));
    expect(elapsedMs()).toBeLessThan(11_000);
  });

  test.each<[string, object, EmitContext, number]>([
    ['the seconds asked for', { seconds: 2 }, {}, 4],
    ['2 s before the timeout', {}, { getRemainingTimeInMillis: () => 12_000 }, 20],
    ['2 s before the timeout, though asked for more', { seconds: 60 }, { getRemainingTimeInMillis: () => 4_000 }, 4],
    ['at once when there is no time', {}, { getRemainingTimeInMillis: () => 1_000 }, 0],
  ])('ends at %s', async (_, event, context, batches) => {
    const { runtime, sent } = world();
    await emit(event, [mock('telegram')], runtime, context);
    expect(sent).toHaveLength(batches);
  });
});

test('sequences rise, also from one scheduled invocation to the next', async () => {
  const { runtime, sent } = world();
  await emit({ seconds: 5 }, [mock('telegram')], runtime);
  await runtime.clock.sleep(500);
  await emit({ seconds: 5 }, [mock('telegram')], runtime);
  const ids = idsOf(sent);
  expect(new Set(ids).size).toBe(60);
  expect(ids).toEqual(ids.toSorted((a, b) => a - b));
});

describe('several pipelines', () => {
  const mocks = [mock('telegram'), mock('sales', 1000, 1)];

  test('run side by side, each at its own rate', async () => {
    const { runtime, topics } = world();
    expect(await emit({ seconds: 10 }, mocks, runtime)).toEqual([
      { pipeline: 'telegram', messages: 60 },
      { pipeline: 'sales', messages: 10 },
    ]);
    expect(topics).toEqual(
      new Map([
        ['telegram_messages', 2],
        ['sales_messages', 2],
      ]),
    );
  });

  test('one of them when the event says so, whatever else it says', async () => {
    const { runtime, topics } = world();
    const event = { pipeline: 'sales', seconds: 3, source: 'aws.scheduler' };
    expect(await emit(event, mocks, runtime)).toEqual([{ pipeline: 'sales', messages: 3 }]);
    expect([...topics.keys()]).toEqual(['sales_messages']);
  });

  test.each([
    [{ pipeline: 'tweets' }, "emit: no mock for pipeline 'tweets'; known: telegram, sales"],
    [{ seconds: 0 }, 'emit: seconds is a number above 0, found 0'],
    [{ seconds: '5' }, "emit: seconds is a number above 0, found '5'"],
    ['telegram', "emit: expected { pipeline?, seconds? }, found 'telegram'"],
    [null, 'emit: expected { pipeline?, seconds? }, found null'],
  ])('%j is refused before anything is connected', async (event, message) => {
    const { runtime, sent, lines } = world();
    await expect(emit(event, mocks, runtime)).rejects.toMatchObject({ code: 'BAD_EVENT', message });
    expect([sent, lines]).toEqual([[], []]);
  });
});

describe('an absent broker', () => {
  test('is tried again 5 times 2 s apart, with a line each, at the cost of the minute', async () => {
    const { runtime, sent, lines } = world({ failures: 5 });
    expect(await emit({}, [mock('telegram')], runtime)).toEqual([{ pipeline: 'telegram', messages: 288 }]);
    expect(lines.filter((line) => line === 'Kafka not reachable, trying again')).toHaveLength(5);
    expect(sent[0]?.atMs).toBe(10_000);
  });

  test('is an error after that', async () => {
    const { runtime, isOpen } = world({ failures: 6 });
    await expect(emit({}, [mock('telegram')], runtime)).rejects.toMatchObject({
      code: 'BROKER_UNREACHABLE',
      message: 'emit: Kafka could not be reached; tried 6 times, 2 s apart',
    });
    expect(isOpen()).toBe(false);
  });

  test('that was lost on the way is an error too', async () => {
    const { runtime, isOpen } = world({ lostAfter: 4 });
    await expect(emit({}, [mock('telegram')], runtime)).rejects.toMatchObject({
      code: 'BROKER_UNREACHABLE',
      message: 'emit telegram: Kafka did not take a batch for telegram_messages after 12 messages',
    });
    expect(isOpen()).toBe(false);
  });
});
