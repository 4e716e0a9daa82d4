import { describe, expect, test } from 'vitest';
import { parseDelivery } from '../../lib/source/delivery.ts';
import { deliver, written } from '../support/scene.ts';
import { delivery } from '../support/records.ts';

describe('a delivery', () => {
  test('becomes a batch per topic-partition', () => {
    const event = delivery('clicks', {
      0: written([7, 'alice', '19:00:00'], [8, 'bob', '19:00:01']),
      12: written([0, 'carol', '19:00:02']),
    });
    expect(parseDelivery(event).map(({ topic, partition, records }) => [topic, partition, records.length])).toEqual([
      ['clicks', 0, 2],
      ['clicks', 12, 1],
    ]);
  });

  test('of a self-managed cluster is one, too; empty lists are no batches', () => {
    expect(parseDelivery({ eventSource: 'SelfManagedKafka', records: { 'clicks-0': [] } })).toEqual([]);
  });

  test('a topic with dashes is read from the records, not from the list they are under', () => {
    const [batch] = parseDelivery(delivery('a-topic-9', { 3: written([1, 'alice', '19:00:00']) }));
    expect(batch).toMatchObject({ topic: 'a-topic-9', partition: 3 });
  });

  test('out of order, or with an offset twice, is put in order, each offset once', () => {
    const event = deliver(0, [9, 'b', '19:00:00'], [7, 'a', '19:00:00'], [9, 'b', '19:00:00'], [8, 'c', '19:00:00']);
    expect(parseDelivery(event)[0]?.records.map(({ offset }) => offset)).toEqual([7, 8, 9]);
  });

  test('a record without key or value has none', () => {
    const [batch] = parseDelivery(delivery('clicks', { 0: [{ offset: 0, value: null }] }));
    expect(batch?.records).toMatchObject([{ key: null, value: null }]);
  });
});

const record = { topic: 'clicks', partition: 0, offset: 0, timestamp: 0, value: '' };
const kafka = (records: unknown) => ({ eventSource: 'aws:kafka', records });

describe('what is no delivery is refused, with what was expected and found', () => {
  test.each([
    [null, /expected an event with eventSource 'aws:kafka'.*found null/],
    [undefined, /found nothing/],
    ['text', /found "text"/],
    [[], /found \[\]/],
    [{ Records: [{ eventSource: 'aws:sqs', body: 'x' }] }, /found .*aws:sqs/],
    [{ eventSource: 'aws:kafka' }, /expected 'records', lists keyed '<topic>-<partition>'/],
    [kafka([]), /expected 'records'/],
    [kafka({ 'clicks-0': 'x' }), /expected a list under records\['clicks-0'\]/],
    [kafka({ 'clicks-0': [null] }), /expected 'topic' and 'partition' in records\['clicks-0'\]\[0\]/],
    [kafka({ 'clicks-0': [{ ...record, partition: '0' }] }), /expected 'topic' and 'partition'/],
    [kafka({ 'clicks-0': [{ ...record, offset: -1 }] }), /an offset and a timestamp in records\['clicks-0'\]\[0\]/],
    [kafka({ 'clicks-0': [{ ...record, timestamp: '0' }] }), /an offset and a timestamp/],
    [kafka({ 'clicks-0': [record, { ...record, partition: 1, offset: 1 }] }), /records\['clicks-0'\]\[1\]/],
  ])('%j', (event, message) => {
    expect(() => parseDelivery(event)).toThrow(
      expect.objectContaining({ code: 'BAD_EVENT', message: expect.stringMatching(message) }),
    );
  });

  test('and never quoted at length', () => {
    const error = (() => {
      try {
        return parseDelivery({ huge: 'x'.repeat(1_000_000) });
      } catch (error) {
        return error as Error;
      }
    })() as Error;
    expect(error.message.length).toBeLessThan(500);
  });
});
