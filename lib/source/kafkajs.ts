import { Kafka, type KafkaConfig } from 'kafkajs';
import RequestQueue from 'kafkajs/src/network/requestQueue/index.js';

/**
 * kafkajs re-arms this timer after every check, with nothing waiting and a delay of minus the present time. Node runs a
 * negative delay after 1 ms, so an idle connection wakes up a thousand times a second, for ever. A check has work only
 * while a request waits, and each way to wait (`push`) schedules one: with nothing waiting no timer is needed, and a
 * throttle in force is looked up by the next `push` itself.
 *
 * @source kafkajs 2.2.4, src/network/requestQueue/index.js, `scheduleCheckPendingRequests`.
 */
const scheduleCheck = RequestQueue.prototype.scheduleCheckPendingRequests;
RequestQueue.prototype.scheduleCheckPendingRequests = function scheduleCheckWhenPending() {
  if (this.pending.length > 0) scheduleCheck.call(this);
};

/** How to prove to the brokers who we are; nothing for a plain listener. */
export type KafkaAuth = Pick<KafkaConfig, 'ssl' | 'sasl'>;

/**
 * The one way to a Kafka client, for producers, consumers and admins, with kafkajs' idle timer mended.
 *
 * It says nothing by itself: kafkajs logs each broken connection several times over, while every failure that matters
 * also rejects a promise, and whoever awaits that promise knows what to tell the user.
 *
 * @param brokers `host:port`, at least one.
 * @param clientId name in the brokers' logs and quotas.
 */
export function kafkaClient(brokers: readonly string[], clientId: string, auth: KafkaAuth = {}): Kafka {
  return new Kafka({
    ...auth,
    brokers: [...brokers],
    clientId,
    connectionTimeout: 3_000,
    logCreator: () => () => undefined,
  });
}
