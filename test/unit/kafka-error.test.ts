import errors from 'kafkajs/src/errors.js';
import protocolErrors from 'kafkajs/src/protocol/error.js';
import { expect, test } from 'vitest';

import { explain, isPassing, typeOf } from '../../lib/source/kafka-error.ts';

const what = "asking b-1:9098 for the offsets of topic 't' and group 'g'";
const createErrorFromCode = (code: number) => protocolErrors.createErrorFromCode(code);

test.each([
  [29, 'kafka-cluster:DescribeTopic'],
  [30, 'kafka-cluster:DescribeGroup'],
  [31, 'kafka-cluster:Connect'],
])('a refusal, error code %i, names the action that is needed: %s', (code, action) => {
  const explained = explain(createErrorFromCode(code), what);
  expect(explained).toMatchObject({
    code: 'BAD_ENVIRONMENT',
    details: { problems: [expect.stringContaining(action)] },
  });
  expect(String(explained)).toContain(what);
});

test('no answer is BROKER_UNREACHABLE, with the cause', () => {
  const cause = new errors.KafkaJSError('connect ECONNREFUSED');
  expect(explain(cause, what)).toMatchObject({
    code: 'BROKER_UNREACHABLE',
    message: `no answer ${what}: connect ECONNREFUSED`,
    cause,
  });
  expect(explain(createErrorFromCode(5), what)).toMatchObject({ code: 'BROKER_UNREACHABLE' }); // no leader
});

test('a bug stays what it is', () => {
  const bug = new TypeError('x is undefined');
  expect(explain(bug, what)).toBe(bug);
  expect(isPassing(bug)).toBe(false);
  expect(typeOf(bug)).toBe('');
});

test('what passes is told from what does not', () => {
  // 3 and 5: an election, a topic just made; 15 and 16: the group's coordinator moves; 29: no right
  expect([3, 5, 15, 16, 29].map((code) => isPassing(createErrorFromCode(code)))).toEqual([
    true,
    true,
    true,
    true,
    false,
  ]);
  expect(isPassing(new errors.KafkaJSError('connect ECONNREFUSED'))).toBe(true);
});
