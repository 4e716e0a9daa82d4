import { inspect } from 'node:util';
import type { Clock } from './runtime/clock.ts';
import { TidemarkError } from './runtime/error.ts';
import type { Log } from './runtime/log.ts';
import type { Message, Producer } from './source/producer.ts';

/** A pipeline's generator of records, for trying things out and for tests. */
export interface Mock {
  /** Name of the pipeline it feeds. */
  readonly pipeline: string;
  /** Its topic, created with these partitions when it is missing. */
  readonly topic: { readonly name: string; readonly partitions: number };
  /** `batch` messages every `everyMs`. */
  readonly everyMs: number;
  readonly batch: number;
  /**
   * One message; pure.
   *
   * @param random numbers in [0, 1).
   * @param now wall time in ms.
   * @param sequence greater with each message, also from one scheduled invocation to the next.
   */
  generate(random: () => number, now: number, sequence: number): Message;
}

/** What emitting needs from the world. */
export interface EmitRuntime {
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** A producer, not yet connected. */
  producer(): Producer;
}

/** The part of Lambda's context that matters here. */
export interface EmitContext {
  getRemainingTimeInMillis?(): number;
}

/** How many messages of a pipeline were sent and acknowledged. */
export interface Emitted {
  readonly pipeline: string;
  readonly messages: number;
}

/** A schedule of one minute starts the next invocation 2 s later. */
const LENGTH_MS = 58_000;
const MARGIN_MS = 2_000;
const RETRIES = 5;
const RETRY_MS = 2_000;

/**
 * Mock records to Kafka, at each mock's steady rate, for 58 s or until 2 s before the Lambda timeout.
 *
 * Several pipelines run side by side, because one after the other each would take the whole minute.
 *
 * @param event `{ pipeline?, seconds? }`: one pipeline instead of all; another length. Anything else in it is ignored.
 * @throws TidemarkError BAD_EVENT for an event that makes no sense, BROKER_UNREACHABLE after 5 retries 2 s apart, or
 *   when Kafka is lost on the way; other pipelines' messages are sent all the same.
 */
export async function emit(
  event: unknown,
  mocks: readonly Mock[],
  runtime: EmitRuntime,
  context: EmitContext = {},
): Promise<Emitted[]> {
  const { clock } = runtime;
  const startMs = clock.monotonic();
  const { chosen, seconds } = parseEvent(event, mocks);
  const latestMs = startMs + (context.getRemainingTimeInMillis?.() ?? Number.POSITIVE_INFINITY) - MARGIN_MS;

  const producer = runtime.producer();
  try {
    await connect(producer, chosen, runtime);
    const endMs = seconds === undefined ? startMs + LENGTH_MS : clock.monotonic() + seconds * 1000;
    const emitting = chosen.map((mock) => run(mock, producer, Math.min(endMs, latestMs), runtime));
    const results = await Promise.allSettled(emitting);
    return results.map((result) => {
      if (result.status === 'rejected') throw result.reason;
      return result.value;
    });
  } finally {
    await producer.close();
  }
}

/** Sends batches by the monotonic clock: a slow send delays its batch alone, and the rate holds. */
async function run(mock: Mock, producer: Producer, endMs: number, runtime: EmitRuntime): Promise<Emitted> {
  const { clock, log, random } = runtime;
  const { pipeline, topic, everyMs, batch } = mock;
  const startMs = clock.monotonic();
  // As if it had been sending since the epoch, so that the next invocation goes on above.
  const firstSequence = Math.floor(clock.now() / everyMs) * batch;
  log.info('emitting', { pipeline, topic: topic.name, everyMs, batch });

  let messages = 0;
  for (let dueMs = startMs; dueMs < endMs && clock.monotonic() < endMs; dueMs += everyMs) {
    const waitMs = dueMs - clock.monotonic();
    if (waitMs > 0) await clock.sleep(waitMs);
    const now = clock.now();
    const next = Array.from({ length: batch }, (_, i) => mock.generate(random, now, firstSequence + messages + i));
    try {
      await producer.send(topic.name, next);
    } catch (cause) {
      const message = `emit ${pipeline}: Kafka did not take a batch for ${topic.name} after ${messages} messages`;
      throw new TidemarkError('BROKER_UNREACHABLE', message, { pipeline, messages }, cause);
    }
    messages += batch;
  }
  log.info('emitted', { pipeline, messages });
  return { pipeline, messages };
}

/** Connects and creates the topics that are missing; a broker may need a few seconds to be ready for either. */
async function connect(producer: Producer, mocks: readonly Mock[], { clock, log }: EmitRuntime): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await producer.connect();
      for (const { topic } of mocks) {
        const isNew = await producer.ensureTopic(topic.name, topic.partitions);
        if (isNew) log.info('topic created', { topic: topic.name, partitions: topic.partitions });
      }
      return;
    } catch (cause) {
      if (attempt === RETRIES) {
        const message = `emit: Kafka could not be reached; tried ${RETRIES + 1} times, ${RETRY_MS / 1000} s apart`;
        throw new TidemarkError('BROKER_UNREACHABLE', message, {}, cause);
      }
      log.warn('Kafka not reachable, trying again', { retry: attempt + 1, of: RETRIES, inMs: RETRY_MS, error: cause });
      await clock.sleep(RETRY_MS);
    }
  }
}

function parseEvent(event: unknown, mocks: readonly Mock[]): { chosen: readonly Mock[]; seconds: number | undefined } {
  const bad = (text: string): TidemarkError => new TidemarkError('BAD_EVENT', `emit: ${text}`);
  if (typeof event !== 'object' || event === null)
    throw bad(`expected { pipeline?, seconds? }, found ${inspect(event)}`);
  const { pipeline, seconds } = event as { readonly pipeline?: unknown; readonly seconds?: unknown };
  if (seconds !== undefined && !(typeof seconds === 'number' && seconds > 0)) {
    throw bad(`seconds is a number above 0, found ${inspect(seconds)}`);
  }
  if (pipeline === undefined) return { chosen: mocks, seconds };
  const chosen = mocks.filter((mock) => mock.pipeline === pipeline);
  if (chosen.length > 0) return { chosen, seconds };
  const known = mocks.map((mock) => mock.pipeline).join(', ') || 'none';
  throw bad(`no mock for pipeline ${inspect(pipeline)}; known: ${known}`);
}
