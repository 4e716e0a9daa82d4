import { expect, test } from 'vitest';

import { readPartialResponse } from '../../localstack/partial-response.ts';

const offered = (partition: string, offset: number): boolean => partition === 't-0' && offset < 10;
const read = (response: unknown) => readPartialResponse(response, offered);
const report = (...identifiers: unknown[]) => ({
  batchItemFailures: identifiers.map((itemIdentifier) => ({ itemIdentifier })),
});

test.each([[undefined], [null], [{}], [{ batchItemFailures: [] }], [{ batchItemFailures: null }]])(
  'nothing reported is success: %j',
  (response) => {
    expect(read(response)).toEqual({ kind: 'success' });
  },
);

test('each partition goes on from the lowest offset reported', () => {
  const response = report(
    { partition: 't-0', offset: 7 },
    { partition: 't-0', offset: 3 },
    { partition: 't-0', offset: 9 },
  );
  expect(read(response)).toEqual({ kind: 'partial', from: new Map([['t-0', 3]]) });
});

test.each([
  [report({ partition: 't-0', offset: 10 })],
  [report({ partition: 't-0', offset: 3 }, { partition: 't-1', offset: 3 })],
])('a record that was not delivered fails everything: %j', (response) => {
  expect(read(response)).toMatchObject({ kind: 'failed', reason: expect.stringContaining('which it was not given') });
});

test.each([
  ['done'],
  [{ batchItemFailures: 'none' }],
  [{ batchItemFailures: [null] }],
  [{ batchItemFailures: [{ itemIdentifer: { partition: 't-0', offset: 3 } }] }],
  [report(null)],
  [report('t-0')],
  [report({ partition: 't-0', offset: '3' })],
  [report({ partition: 0, offset: 3 })],
  [report({ partition: 't-0', offset: 1.5 })],
])('what cannot be understood fails everything: %j', (response) => {
  expect(read(response)).toMatchObject({ kind: 'failed' });
});
