import errors from 'kafkajs/src/errors.js';

import { TidemarkError } from '../runtime/error.ts';

const { KafkaJSError, KafkaJSProtocolError } = errors;

/** What the broker calls an error, or what kafkajs does; empty for any other. */
export const typeOf = (error: unknown): string =>
  error instanceof KafkaJSProtocolError ? error.type : error instanceof KafkaJSError ? error.name : '';

/** Whether asking again may help: a restart, an election, a coordinator still loading. */
export const isPassing = (error: unknown): boolean => error instanceof KafkaJSError && error.retriable;

/** The right that was missing: in Kafka's own lists, and IAM's action. */
const NEEDED: Readonly<Record<string, string>> = {
  TOPIC_AUTHORIZATION_FAILED:
    'Describe and Read on the topic (IAM: kafka-cluster:DescribeTopic, kafka-cluster:ReadData)',
  GROUP_AUTHORIZATION_FAILED: 'Describe on the consumer group (IAM: kafka-cluster:DescribeGroup)',
  CLUSTER_AUTHORIZATION_FAILED: 'access to the cluster (IAM: kafka-cluster:Connect)',
  KafkaJSSASLAuthenticationError: 'valid credentials and access to the cluster (IAM: kafka-cluster:Connect)',
};

/**
 * An error of kafkajs as one of ours. Any other is a bug, or the credentials provider's, and passes as it is.
 *
 * @param what the question: `asking b-1:9098 for the offsets of topic 't'`.
 * @returns BAD_ENVIRONMENT when the brokers refuse, with the action that is needed; otherwise BROKER_UNREACHABLE.
 */
export function explain(error: unknown, what: string): unknown {
  if (!(error instanceof KafkaJSError)) return error;
  const needed = NEEDED[typeOf(error)];
  if (needed === undefined) {
    return new TidemarkError('BROKER_UNREACHABLE', `no answer ${what}: ${error.message}`, {}, error);
  }
  const problem = `not allowed: ${what} needs ${needed}; the broker says: ${error.message}`;
  return new TidemarkError('BAD_ENVIRONMENT', problem, { problems: [problem] }, error);
}
